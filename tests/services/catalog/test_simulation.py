"""Simulations: what they count, what they say of it, and the command that prints it."""

import io
import json
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from catalog import simulation
from catalog.figures import Table, share
from catalog.simulation import Simulation, simulate
from fairness.algorithm import pick
from lootbox.core.wording import points
from tests.factories.catalog import BoxFactory, BoxVersionFactory, cash_line
from tests.factories.operators import OperatorFactory

TABLE: dict[str, Any] = {"weights": [90, 9, 1], "values": [480, 500, 100], "price_minor": 500}


def counted(*counts: int, **changes: Any) -> Simulation:
    """Return a simulation that found these counts."""
    table = TABLE | changes
    return Simulation(
        draws=sum(counts),
        seed=0,
        price_minor=table["price_minor"],
        weights=tuple(table["weights"]),
        values=tuple(table["values"]),
        counts=counts,
        longest_losing_streak=0,
    )


class TestSimulate:
    def test_draws_as_often_as_asked_in_chunks_that_add_up(self) -> None:
        told: list[int] = []
        found = simulate(**TABLE, draws=2 * simulation.CHUNK + 1, seed=7, progress=told.append)
        assert sum(found.counts) == found.draws == sum(told)
        assert told == [simulation.CHUNK, simulation.CHUNK, 1]

    def test_gives_the_same_for_the_same_seed(self) -> None:
        assert simulate(**TABLE, draws=1000, seed=7) == simulate(**TABLE, draws=1000, seed=7)
        assert simulate(**TABLE, draws=1000, seed=7).counts != simulate(**TABLE, draws=1000, seed=8).counts

    @pytest.mark.parametrize("unit", [1, simulation.LARGEST_LOOKUP, 2**40])
    def test_picks_by_the_cumulative_weights_as_the_draw_does(self, unit: int) -> None:
        weights = [3 * unit, unit, 2 * unit]
        cumulative = list(accumulate(weights))
        edges = [0, *(roll for end in cumulative for roll in (end - 1, end))][:-1]
        picked = simulation._picker(weights)(np.array(edges))
        assert list(picked) == [pick(cumulative, roll) for roll in edges]

    def test_finds_the_longest_losing_streak_across_chunks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(simulation, "CHUNK", 7)
        table: dict[str, Any] = {"weights": [9, 1], "values": [0, 500], "price_minor": 500}
        found = simulate(**table, draws=500, seed=3)
        generator = np.random.default_rng(3)
        rolls = np.concatenate([generator.integers(0, 10, size=min(7, 500 - at), dtype=np.uint32) for at in range(0, 500, 7)])
        wins = [-1, *(int(place) for place in np.flatnonzero(rolls >= 9)), 500]
        assert found.longest_losing_streak == max(later - before - 1 for before, later in pairwise(wins))

    def test_of_prizes_that_all_lose_is_one_streak(self) -> None:
        assert simulate(weights=[1], values=[0], price_minor=5, draws=300, seed=1).longest_losing_streak == 300


class TestAgreement:
    @pytest.mark.parametrize("seed", range(20))
    def test_holds_for_sound_draws_even_with_a_rare_jackpot(self, seed: int) -> None:
        weights, values = [10**6, 400_000, 1], [0, 900, 10**9]
        assert simulate(weights=weights, values=values, price_minor=1000, draws=100_000, seed=seed).agrees()

    def test_fails_when_a_prize_comes_too_often(self) -> None:
        assert counted(900_000, 90_000, 10_000).agrees()
        assert not counted(897_000, 93_000, 10_000).agrees()

    def test_fails_when_the_average_is_off_though_rare_prizes_hide_it(self) -> None:
        off = counted(999_960, 0, 40, weights=[10**6, 1, 1], values=[100, 100, 10**6])
        assert not off.agrees()


class TestFigures:
    def test_are_those_of_the_counts(self) -> None:
        found = counted(900, 90, 10)
        assert (found.payout_minor, found.mean, found.largest) == (478_000, 478.0, 500)
        assert (found.rtp, found.expected_rtp, found.hit_frequency) == (0.956, 0.956, 0.09)
        assert [found.percentile(wanted) for wanted in (0.01, 0.011, 0.5, 0.91, 0.911, 1)] == [100, 480, 480, 480, 500, 500]

    def test_count_rare_prizes_together(self) -> None:
        _, freedom, _ = counted(996, 1, 1, 1, 1, weights=[996, 1, 1, 1, 1], values=[1] * 5).chi_square()
        assert freedom == 0

    @pytest.mark.parametrize(
        ("part", "whole", "words"),
        [
            (1, 1, "100.00 %"), (1, 8, "12.50 %"), (1, 1000, "0.10 %"), (1, 3000, "0.033 %"), (0, 5, "0.00 %"),
            (1, 2**53, "0.000000000000011 %"), (1, 0, "-"),
        ],
    )  # fmt: skip
    def test_say_small_odds_with_two_digits(self, part: int, whole: int, words: str) -> None:
        assert share(part, whole) == words

    def test_of_a_table_add_up(self) -> None:
        table = Table(500, "EUR", [cash_line(480, weight=90), cash_line(500, weight=9), cash_line(100, weight=1)])
        assert (table.total_weight, table.house_edge_bps, table.rtp_bps, table.largest_minor) == (100, 440, 9560, 500)
        assert [points(bps) for bps in (9560, -5, 123456)] == ["95.60 %", "-0.05 %", "1,234.56 %"]
        assert Table(0, "EUR", []).rtp_bps is None


@pytest.fixture
def box() -> str:
    """Return the slug of a box of Acme's with a name that is markup, in two versions."""
    box = BoxFactory.create(operator=OperatorFactory.create(slug="acme"))
    BoxVersionFactory.create(box=box, price_minor=500, prizes=[cash_line(100), cash_line(500)])
    BoxVersionFactory.create(box=box, price_minor=900, prizes=[cash_line(100), cash_line(700, weight=3)])
    return str(box.slug)


def simulated(*arguments: str) -> str:
    """Return what the command prints."""
    out = io.StringIO()
    call_command("simulate_box", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.django_db
class TestSimulateBox:
    def test_prints_figures_of_the_current_version(self, box: str) -> None:
        shown = simulated("acme", box, "--draws", "20000", "--seed", "5")
        assert f"{box} v2, 20,000 draws" in shown
        assert "7.00 EUR" in shown
        assert "they agree" in shown

    def test_prints_one_object_of_an_older_version_and_draws_the_chart(self, box: str, tmp_path: Path) -> None:
        chart = tmp_path / "chart.svg"
        arguments = ("acme", box, "--version", "1", "--draws", "1000", "--seed", "5", "--chart", str(chart), "--json")
        figures = json.loads(simulated(*arguments))
        assert figures == json.loads(simulated(*arguments))
        assert (figures["versionNumber"], figures["priceMinor"], figures["agrees"]) == (1, 500, True)
        assert sum(prize["count"] for prize in figures["prizes"]) == 1000
        assert len(ET.parse(chart).findall(".//{http://www.w3.org/2000/svg}rect")) == 2 + 2 * 2  # noqa: S314 - our own

    @pytest.mark.parametrize(
        ("arguments", "problem"),
        [
            (("nobody", "box"), "nobody"),
            (("acme", "nothing"), "has no box nothing with a current version"),
            (("acme", "{box}", "--version", "3"), "a version 3"),
            (("acme", "{box}", "--draws", "0"), "--draws takes"),
            (("acme", "{box}", "--seed", "-1"), "--seed takes"),
            (("acme", "{box}", "--draws", "9", "--chart", "/nowhere/chart.svg"), "/nowhere/chart.svg can't be written"),
        ],
    )
    def test_says_in_a_line_what_is_wrong(self, box: str, arguments: tuple[str, ...], problem: str) -> None:
        with pytest.raises(CommandError, match=problem):
            simulated(*(argument.format(box=box) for argument in arguments))
