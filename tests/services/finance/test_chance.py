"""What chance allows, against known values, and against chance itself."""

import math
from itertools import accumulate
from random import Random

import pytest

from finance.chance import Law, prize_test

FAIR_COIN = Law([(0, 1), (1, 1)])
# A tenth of its price comes back as small change, and once in a million times the jackpot.
JACKPOT = Law([(50, 999_999), (40_000_000, 1)])


class TestAPayoutsLaw:
    def test_has_the_exact_mean_and_variance_of_its_odds(self) -> None:
        law = Law([(480, 90), (500, 9), (100, 1)])
        assert law.mean * 100 == 47_800
        assert law.variance * 100 == 90 * 480**2 + 9 * 500**2 + 100**2 - 100 * 478**2

    def test_bounds_the_binomial_tail_and_not_by_much(self) -> None:
        for heads in (60, 70, 80, 95, 100):
            exact = 2 * sum(math.comb(100, k) for k in range(heads, 101)) / 2**100
            bound = FAIR_COIN.tail(draws=100, payout=heads)
            assert exact <= bound * (1 + 1e-9)
            assert bound < 40 * exact
            assert bound == pytest.approx(FAIR_COIN.tail(draws=100, payout=100 - heads), rel=1e-6)

    def test_tolerates_exactly_what_its_tail_does(self) -> None:
        for draws in (10, 1_000, 1_000_000):
            low, high = FAIR_COIN.limits(draws=draws, p=1e-8)
            assert FAIR_COIN.tail(draws=draws, payout=math.floor(high * draws)) >= 0.999e-8
            assert FAIR_COIN.tail(draws=draws, payout=math.ceil(low * draws)) >= 0.999e-8
            if high < 1:
                assert FAIR_COIN.tail(draws=draws, payout=math.ceil(high * draws) + 1) < 1e-8

    def test_of_many_draws_is_the_normal_one(self) -> None:
        draws, p = 10**8, 1e-6
        low, high = FAIR_COIN.limits(draws=draws, p=p)
        reach = math.sqrt(2 * math.log(2 / p) / draws) / 2
        assert (low, high) == pytest.approx((0.5 - reach, 0.5 + reach), abs=1e-9)
        assert FAIR_COIN.z(draws=draws, payout=draws // 2 + 5_000) == pytest.approx(1.0)

    def test_takes_a_jackpot_won_once_for_luck_and_twice_at_once_for_none(self) -> None:
        once = JACKPOT.tail(draws=1_000, payout=40_000_000 + 999 * 50)
        twice = JACKPOT.tail(draws=100, payout=2 * 40_000_000 + 98 * 50)
        assert JACKPOT.z(draws=1_000, payout=40_000_000 + 999 * 50) > 30
        assert once > 1e-3
        assert twice < 1e-7

    def test_of_a_sure_prize_allows_that_prize_only(self) -> None:
        sure = Law([(480, 7)])
        assert sure.tail(draws=5, payout=2_400) == 1.0
        assert sure.tail(draws=5, payout=2_399) == 0.0
        assert sure.limits(draws=5, p=1e-8) == (480.0, 480.0)
        assert sure.z(draws=5, payout=2_399) == 0.0

    def test_of_no_draws_says_nothing(self) -> None:
        assert FAIR_COIN.tail(draws=0, payout=0) == 1.0
        assert FAIR_COIN.z(draws=0, payout=0) == 0.0


class TestThePrizeTest:
    def test_is_pearsons(self) -> None:
        # Mendel's peas, 1866: the statistic is 0.470 at three degrees.
        peas = prize_test(observed=[315, 101, 108, 32], weights=[9, 3, 3, 1])
        assert peas is not None
        assert (round(peas.statistic, 3), peas.degrees, peas.pooled) == (0.470, 3, 0)
        assert peas.p == 1.0

    def test_takes_rare_prizes_together_until_they_are_expected_five_times(self) -> None:
        found = prize_test(observed=[880, 110, 6, 4], weights=[8_900, 1_060, 36, 4])
        assert found is not None
        assert (found.degrees, found.pooled) == (1, 3)
        lonely = prize_test(observed=[900, 98, 2], weights=[9_000, 999, 1])
        assert lonely is not None
        assert (lonely.degrees, lonely.pooled) == (1, 2)

    @pytest.mark.parametrize(("observed", "weights"), [([4, 3], [1, 1]), ([50], [1]), ([0, 0], [1, 1])])
    def test_says_nothing_of_too_few_draws(self, observed: list[int], weights: list[int]) -> None:
        assert prize_test(observed=observed, weights=weights) is None

    def test_finds_prizes_drawn_in_other_proportions(self) -> None:
        found = prize_test(observed=[8_800, 1_100, 100], weights=[9_000, 990, 10])
        assert found is not None
        assert found.p < 1e-20


class TestHealthyBoxes:
    """At one false alarm in a hundred tests a bound may raise at most about that many; it raises fewer."""

    TABLES = (
        [(0, 50), (100, 50)],
        [(10, 900), (100, 90), (1_000, 9), (10_000, 1)],
        [(50, 99_999), (1_000_000, 1)],
        [(480, 90), (500, 9), (100, 1)],
    )

    @pytest.mark.parametrize("table", TABLES)
    def test_stay_in_tolerance_over_many_seeds(self, table: list[tuple[int, int]]) -> None:
        law, weights = Law(table), [weight for _, weight in table]
        cumulative, runs, p, alarms = list(accumulate(weights)), 500, 0.01, 0
        for seed in range(runs):
            random = Random(seed)  # noqa: S311 - has to come out the same every time
            draws = random.choice([20, 300, 2_000])
            counts = [0] * len(table)
            for index in random.choices(range(len(table)), cum_weights=cumulative, k=draws):
                counts[index] += 1
            payout = sum(value * count for (value, _), count in zip(table, counts, strict=True))
            tested = prize_test(observed=counts, weights=weights)
            alarms += law.tail(draws=draws, payout=payout) < p or (tested is not None and tested.p < p)
        assert alarms <= runs * p * 2

    @pytest.mark.parametrize("table", TABLES)
    def test_drawn_with_twice_the_odds_for_the_best_prize_are_found(self, table: list[tuple[int, int]]) -> None:
        law, weights = Law(table), [weight for _, weight in table]
        wrong = [*weights[:-1], 2 * weights[-1]]
        draws = 400 * sum(wrong) // wrong[-1]
        counts = [draws * weight // sum(wrong) for weight in wrong]
        payout = sum(value * count for (value, _), count in zip(table, counts, strict=True))
        tested = prize_test(observed=counts, weights=weights)
        assert tested is not None
        assert min(law.tail(draws=sum(counts), payout=payout), tested.p) < 1.6e-8
