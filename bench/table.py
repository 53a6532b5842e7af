"""What a measurement found, beside what it should find."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure. `goal` binds now, `final` in the end; `at_least` says that more is better. `beside` is for people only."""

    key: str
    what: str
    value: float
    goal: float
    final: float | None = None
    at_least: bool = False
    unit: str = "x"
    beside: str = ""

    def meets(self, limit: float) -> bool:
        """Return whether the value is on the right side of `limit`, to the precision that is printed."""
        value = round(self.value, 2)
        return value >= limit if self.at_least else value <= limit

    def limit(self, limit: float | None) -> str:
        """Return the limit as text, with whether it is met."""
        if limit is None:
            return ""
        return f"{'≥' if self.at_least else '≤'} {limit:g} {self.unit} {'ok' if self.meets(limit) else 'MISSED'}"


def show(rows: Sequence[Row], console: Console) -> None:
    """Print the table."""
    table = Table(title="LootBox, measured in alternating bursts; medians of ratios", title_justify="left")
    for heading in ("", "what", "measured", "goal", "in the end", "that is"):
        table.add_column(heading, justify="right" if heading == "measured" else "left")
    for row in rows:
        measured = f"{row.value:.2f} {row.unit}"
        goal = row.limit(row.goal)
        style = "" if row.meets(row.goal) else "red"
        table.add_row(row.key, row.what, measured, goal, row.limit(row.final), row.beside, style=style)
    console.print(table)
