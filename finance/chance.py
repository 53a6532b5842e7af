"""What chance allows: how far a healthy box's payout and prizes may stray from its odds. Pure: it reads and writes nothing.

All tails are upper bounds that hold for any number of draws and any prize table, so that a jackpot won once does not make a
healthy box look broken: Cramér and Chernoff's for the payout, and Agrawal's (2020) for the prizes' shares. Amounts and weights
stay integers; only what is said about chance (z, p, limits) is a float.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np

from lootbox.core.chance import chi_square_tail

# Pearson's statistic follows its distribution only where a prize is expected this often; rarer ones are looked at together.
LEAST_EXPECTED: Final = 5
_STEPS: Final = 60


class Law:
    """How the payout of one draw is distributed: exact mean and variance in minor units, and bounds for sums of draws."""

    def __init__(self, prizes: Sequence[tuple[int, int]]) -> None:
        """Take the prize table as (value in minor units, weight)."""
        shares: dict[int, int] = defaultdict(int)
        for value, weight in prizes:
            shares[value] += weight
        total = sum(shares.values())
        self.mean: Final = Fraction(sum(value * weight for value, weight in shares.items()), total)
        self.variance: Final = Fraction(sum(value**2 * weight for value, weight in shares.items()), total) - self.mean**2
        self._spread = math.sqrt(self.variance)
        values = sorted(shares)
        # Standardised, so that slants are of the same size for every box.
        self._outcomes = np.array([float(value - self.mean) for value in values]) / (self._spread or 1.0)
        self._shares = np.array([shares[value] / total for value in values])

    def z(self, *, draws: int, payout: int) -> float:
        """Return how many standard deviations the payout of so many draws is off; 0 where nothing was drawn or can vary."""
        return float(payout - draws * self.mean) / (self._spread * math.sqrt(draws)) if self._spread and draws else 0.0

    def tail(self, *, draws: int, payout: int) -> float:
        """Return the most that chance gives a payout of so many draws to be this far off, to either side."""
        if not self._spread or not draws:
            return 1.0 if payout == draws * self.mean else 0.0
        rate = self._rate(float(Fraction(payout, draws) - self.mean) / self._spread)
        return min(1.0, 2 * math.exp(-draws * rate))

    def limits(self, *, draws: int, p: float) -> tuple[float, float]:
        """Return between which payouts per draw, in minor units, `tail` is at least `p`."""
        if not self._spread:
            return float(self.mean), float(self.mean)
        rate = math.log(2 / p) / draws
        low, high = (float(self.mean) + self._spread * self._at_rate(rate, sign) for sign in (-1, 1))
        return low, high

    def _tilted(self, slant: float) -> tuple[float, float]:
        # The cumulant generating function of the standardised payout and its derivative. The largest term is taken out first.
        exponents = slant * self._outcomes
        highest = float(exponents.max())
        terms = self._shares * np.exp(exponents - highest)
        mass = float(terms.sum())
        return highest + math.log(mass), float(terms @ self._outcomes) / mass

    def _extreme(self, sign: int) -> tuple[float, float]:
        place = -1 if sign > 0 else 0
        return float(self._outcomes[place]), float(self._shares[place])

    def _rate(self, mean: float) -> float:
        if not mean:
            return 0.0
        sign = 1 if mean > 0 else -1
        extreme, share = self._extreme(sign)
        if abs(mean) >= abs(extreme):
            return -math.log(share)
        slant = _solve(lambda slant: abs(self._tilted(sign * slant)[1]) >= abs(mean))
        return max(0.0, sign * slant * mean - self._tilted(sign * slant)[0])

    def _at_rate(self, rate: float, sign: int) -> float:
        extreme, share = self._extreme(sign)
        if rate >= -math.log(share):
            return extreme

        def reached(slant: float) -> bool:
            cumulant, mean = self._tilted(sign * slant)
            return sign * slant * mean - cumulant >= rate

        return self._tilted(sign * _solve(reached))[1]


def _solve(reached: Callable[[float], bool]) -> float:
    low, high = 0.0, 1e-6
    while not reached(high) and high < 1e9:
        low, high = high, 2 * high
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


@dataclass(frozen=True)
class PrizeTest:
    """Pearson's test of how often each prize was drawn. `p` bounds the chance of a healthy box looking this bad."""

    statistic: float
    degrees: int
    pooled: int
    p: float


def prize_test(*, observed: Sequence[int], weights: Sequence[int]) -> PrizeTest | None:
    """Return the test of observed counts against weights, rare prizes taken together; None for too few draws to say.

    Pearson's p is too small at the far tail where counts are small, so the larger one of it and of a bound on the relative
    entropy, which holds for any counts, is what counts.
    """
    draws, total = sum(observed), sum(weights)
    # By what is expected alone: which cells are taken together must not depend on what was drawn.
    counted = [(draws * weight / total, count) for count, weight in zip(observed, weights, strict=True)]
    cells: list[tuple[float, int]] = []
    expected, count, pooled = 0.0, 0, 0
    for share, seen in sorted(counted, key=lambda cell: cell[0]):
        if share < LEAST_EXPECTED or 0 < expected < LEAST_EXPECTED:
            expected, count, pooled = expected + share, count + seen, pooled + 1
        else:
            cells.append((share, seen))
    if pooled:
        cells.append((expected, count))
    if len(cells) < 2 or min(share for share, _ in cells) < LEAST_EXPECTED:
        return None
    degrees = len(cells) - 1
    statistic = math.fsum((seen - share) ** 2 / share for share, seen in cells)
    entropy = math.fsum(seen * math.log(seen / share) for share, seen in cells if seen)
    p = max(chi_square_tail(statistic=statistic, degrees=degrees), _entropy_tail(entropy, degrees))
    return PrizeTest(statistic=statistic, degrees=degrees, pooled=pooled, p=p)


def _entropy_tail(entropy: float, degrees: int) -> float:
    if entropy <= degrees:
        return 1.0
    return math.exp(degrees - entropy + degrees * math.log(entropy / degrees))
