"""The gate: what a prize table is checked for before it is published, each check saying in a sentence what to change."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from catalog import charts, services
from catalog.charts import Chart
from catalog.figures import Table
from catalog.models import PrizeKind
from catalog.services import PrizeLine
from catalog.simulation import Simulation, simulate
from lootbox.core.strict_json import canonical
from lootbox.core.wording import money, points
from operators.models import Operator

DRAWS: Final = 1_000_000


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. `said` is what was found, or what to change."""

    title: str
    passed: bool
    said: str


@dataclass(frozen=True)
class Verdict:
    """All checks, and the simulation if it came to that."""

    checks: Sequence[Check]
    simulation: Simulation | None = None
    chart: Chart | None = None

    @property
    def passed(self) -> bool:
        """Return whether nothing is in the way of publication."""
        return all(check.passed for check in self.checks)

    @property
    def failures(self) -> Sequence[Check]:
        """Return what is in the way."""
        return [check for check in self.checks if not check.passed]


def look(*, operator: Operator, table: Table) -> list[Check]:
    """Return every check but the simulation, for a table that may be half-finished."""
    wrong = services.problems(operator=operator, price_minor=table.price_minor, prizes=table.lines)
    limits = {} if wrong else services.limit_problems(operator=operator, price_minor=table.price_minor, prizes=table.lines)
    return [
        _price(table, wrong.get("priceMinor")),
        _prizes(operator, table, wrong),
        _bonuses(operator, table),
        _edge(operator, table, limits.get("prizes")),
        _largest(operator, table),
    ]


def examine(*, operator: Operator, table: Table) -> Verdict:
    """Return the whole gate's verdict.

    A million draws take some hundredths of a second, and are the same for the same table.
    """
    checks = look(operator=operator, table=table)
    if not all(check.passed for check in checks):
        return Verdict(checks)
    simulation = simulate(
        weights=[line.weight for line in table.lines],
        values=[line.value_minor for line in table.lines],
        price_minor=table.price_minor,
        draws=DRAWS,
        seed=_seed(table),
    )
    names = [line.name[operator.default_locale] for line in table.lines]
    chart = charts.simulated(title="Drawn, and promised", names=names, simulation=simulation)
    return Verdict([*checks, _simulated(simulation)], simulation, chart)


def _price(table: Table, wrong: str | None) -> Check:
    if table.price_minor < 1:
        return Check("Price", passed=False, said="Type what the box costs: more than nothing.")
    return Check("Price", wrong is None, wrong or money(table.price_minor, table.currency))


def _prizes(operator: Operator, table: Table, wrong: dict[str, str]) -> Check:
    # Each path is `prizes[3].weight`, or `prizes` for what is wrong with all of them.
    said = [f"{_named(operator, table.lines, path)}{problem}" for path, problem in wrong.items() if path.startswith("prizes")]
    fine = f"{len(table.lines)} with a total weight of {table.total_weight:,}."
    return Check("Prizes and weights", not said, " ".join(said) or fine)


def _bonuses(operator: Operator, table: Table) -> Check:
    lacking = [
        f"{_named(operator, table.lines, f'prizes[{index}]')}A bonus needs the code by which the casino knows it."
        for index, line in enumerate(table.lines)
        if line.kind == PrizeKind.BONUS and not line.bonus_code
    ]
    bonuses = sum(line.kind == PrizeKind.BONUS for line in table.lines)
    return Check("Bonuses", not lacking, " ".join(lacking) or (f"{bonuses}, each with its code." if bonuses else "None."))


def _edge(operator: Operator, table: Table, wrong: str | None) -> Check:
    edge = table.house_edge_bps
    if edge is None:
        return Check("House edge", passed=False, said="It can be said once there is a price and a prize with a weight.")
    lowest, highest = operator.house_edge_min_bps, operator.house_edge_max_bps
    asked = " and ".join(
        text for bound, text in ((lowest, f"at least {points(lowest or 0)}"), (highest, f"at most {points(highest or 0)}"))
        if bound is not None
    )  # fmt: skip
    outside = (lowest is not None and edge < lowest) or (highest is not None and edge > highest)
    said = f"{points(edge)}; {operator.name} asks for {asked}." if asked else f"{points(edge)}; no band is set."
    return Check("House edge", not outside and wrong is None, wrong or said)


def _largest(operator: Operator, table: Table) -> Check:
    largest, limit = table.largest_minor, operator.prize_max_minor
    if limit is None:
        return Check("Largest prize", passed=True, said=f"{money(largest, table.currency)}; no limit is set.")
    if largest > limit:
        said = f"{money(largest, table.currency)} is above the limit of {money(limit, table.currency)}. Take out what is above."
        return Check("Largest prize", passed=False, said=said)
    return Check("Largest prize", passed=True, said=f"{money(largest, table.currency)} of {money(limit, table.currency)}.")


def _simulated(simulation: Simulation) -> Check:
    drawn = (
        f"{100 * simulation.rtp:.2f} % RTP in {simulation.draws:,} draws, {100 * simulation.expected_rtp:.2f} % by the weights"
    )
    if simulation.agrees():
        margin = 100 * simulation.tolerance() / simulation.price_minor
        return Check("Simulation", passed=True, said=f"{drawn}: within the {margin:.2f} points that chance allows.")
    said = f"{drawn}: more apart than chance allows. Do not publish; tell the platform's people."
    return Check("Simulation", passed=False, said=said)


def _named(operator: Operator, lines: Sequence[PrizeLine], path: str) -> str:
    if "[" not in path:
        return ""
    index = int(path[path.index("[") + 1 : path.index("]")])
    name = lines[index].name.get(operator.default_locale, "")
    return f"Prize {index + 1}{f' ({name})' if name else ''}: "


def _seed(table: Table) -> int:
    content = {"price": table.price_minor, "table": [[line.weight, line.value_minor] for line in table.lines]}
    return int.from_bytes(hashlib.sha256(canonical(content)).digest()[:8])
