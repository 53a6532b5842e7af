"""Bar charts of prize tables: laid out here, drawn by one SVG template that pages include and commands write to a file."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.template.loader import render_to_string

from catalog.figures import Table, share
from catalog.simulation import Simulation

MOST_ROWS: Final = 24
LABEL_LENGTH: Final = 40
# In the units of the drawing, which is scaled to the width it has.
WIDTH: Final = 400
BAR: Final = 8
ROW: Final = 50
SHORTEST: Final = 1.5
COLOURS: Final = ("#0a7f5a", "#d97706")


@dataclass(frozen=True)
class Series:
    """One prize: its name, two shares from 0 to 1, and what stands beside their bars."""

    label: str
    shares: tuple[float, float]
    text: str


@dataclass(frozen=True)
class Bar:
    """A bar as it is drawn."""

    y: int
    width: float
    colour: str


@dataclass(frozen=True)
class Row:
    """A prize as it is drawn."""

    label: str
    text: str
    y: int
    bars: tuple[Bar, Bar]


@dataclass(frozen=True)
class Chart:
    """A chart as it is drawn; `more` is how many prizes it leaves out."""

    title: str
    legend: Sequence[tuple[str, str, int]]
    rows: Sequence[Row]
    more: int
    width: int
    height: int

    def svg(self) -> str:
        """Return the drawing as a file of its own."""
        return render_to_string("catalogue/bars.svg", {"chart": self})


def bars(*, title: str, names: tuple[str, str], series: Sequence[Series]) -> Chart:
    """Return two bars for each of the first prizes, in their order; `names` say what the two are."""
    shown = series[:MOST_ROWS]
    most = max((share for one in shown for share in one.shares), default=0) or 1
    rows = [_row(one, 48 + index * ROW, most) for index, one in enumerate(shown)]
    legend = [(name, colour, place * 150) for place, (name, colour) in enumerate(zip(names, COLOURS, strict=True))]
    return Chart(
        title, legend, rows, len(series) - len(shown), WIDTH, 42 + len(rows) * ROW + (20 if len(series) > len(shown) else 0)
    )


def table_chart(table: Table, *, locale: str) -> Chart:
    """Return how likely each prize is beside how much of the payout it makes."""
    return bars(
        title="Odds, and where the payout goes",
        names=("odds", "part of the payout"),
        series=[
            Series(
                line.name.get(locale) or "without a name",
                (line.weight / table.total_weight if table.total_weight else 0.0, table.payout_share(line)),
                table.odds(line),
            )
            for line in table.lines
        ],
    )


def simulated(*, title: str, names: Sequence[str], simulation: Simulation) -> Chart:
    """Return how often each prize was drawn beside how often its weight promises it."""
    total = sum(simulation.weights)
    return bars(
        title=f"{title}: {simulation.draws:,} simulated draws",
        names=("drawn", "by its weight"),
        series=[
            Series(name, (count / simulation.draws, weight / total), share(count, simulation.draws))
            for name, count, weight in zip(names, simulation.counts, simulation.weights, strict=True)
        ],
    )


def _row(one: Series, y: int, most: float) -> Row:
    first, second = (
        Bar(y + 7 + place * (BAR + 2), round(max(WIDTH * share / most, SHORTEST if share else 0), 1), colour)
        for place, (share, colour) in enumerate(zip(one.shares, COLOURS, strict=True))
    )
    label = one.label if len(one.label) <= LABEL_LENGTH else f"{one.label[: LABEL_LENGTH - 1]}…"
    return Row(label, one.text, y, (first, second))
