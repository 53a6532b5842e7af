"""Differences as people read them: a page at a time, and as a file."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from tempfile import TemporaryFile
from typing import Any, Final

from django.db.models import QuerySet
from django.urls import reverse

from finance.charts import AMBER, BLUE, GREEN, GREY, RED, VIOLET, Chart, Plot
from finance.exports.formats import Format, Sheet, Value, csv_lines, json_lines
from finance.matching.reasons import Said, said
from finance.models import Category, Difference, Statement, StatementState
from lootbox.core.ids import Prefix, public_id
from lootbox.core.wording import money

PAGE: Final = 50
_BLOCK: Final = 64 * 1024
_COLOURS: Final[Mapping[str, str]] = {
    Category.MATCHED: GREEN,
    Category.AMOUNT: RED,
    Category.MISSING_OURS: VIOLET,
    Category.MISSING_THEIRS: AMBER,
    Category.DUPLICATE: RED,
    Category.TIMING: BLUE,
    Category.STATE: GREY,
}
_COLUMNS: Final = (
    "category", "reason", "suggestion", "line", "key", "reference", "player", "theirCurrency", "theirMinor", "theirTime",
    "ourCurrency", "ourMinor", "ourState", "ourTime", "call", "round",
)  # fmt: skip


@dataclass(frozen=True)
class Listed:
    """A difference with its sentence and what it leads to."""

    row: Difference
    said: Said
    theirs: str
    ours: str
    call_url: str
    round_url: str
    round_public_id: str


@dataclass(frozen=True)
class Sum:
    """One line of the worked sums, in words."""

    category: str
    label: str
    lines: str
    calls: str
    theirs: str
    ours: str
    difference: str


def differences(statement: Statement, *, category: str = "", key: str = "", after: int = 0) -> QuerySet[Difference]:
    """Return a statement's differences in order, those of one category or key if one is named, behind the one with this id."""
    rows = statement.differences.order_by("id").filter(id__gt=after)
    if category:
        rows = rows.filter(category=category)
    return rows.filter(key=key) if key else rows


def stage(statement: Statement) -> str:
    """Return what is being done with a statement that is not matched yet."""
    if statement.state == StatementState.WAITING:
        return "Waits for a worker"
    if statement.progress == Statement.ALL_READ:
        return f"Comparing {statement.lines_read:,} lines with our wallet calls"
    return f"Reading: {statement.lines_read:,} lines so far"


def listed(row: Difference) -> Listed:
    """Return a difference as its page shows it."""
    return Listed(
        row,
        said(row),
        "none" if row.theirs_minor is None else money(row.theirs_minor, row.theirs_currency),
        "none" if row.ours_minor is None else money(row.ours_minor, row.ours_currency),
        reverse("admin:wallet_walletcall_change", args=[row.call_id]) if row.call_id else "",
        reverse("admin:purchases_round_change", args=[row.round_id]) if row.round_id else "",
        public_id(Prefix.ROUND, row.round_id) if row.round_id else "",
    )


def worked_sums(statement: Statement) -> dict[str, list[Sum]]:
    """Return by currency what each category adds to either side, and the sums: the file's total, and ours."""
    found: dict[str, list[Sum]] = {}
    by_currency: dict[str, list[Mapping[str, Any]]] = {}
    for row in statement.result.get("sums", []):
        if row["category"] != "left_out":
            by_currency.setdefault(row["currency"], []).append(row)
    order = list(Category.values)
    for currency, rows in by_currency.items():
        rows.sort(key=lambda row: order.index(row["category"]))
        total = {name: sum(row[name] for row in rows) for name in ("lines", "calls", "theirsMinor", "oursMinor")}
        found[currency] = [
            *(_sum(currency, row["category"], Category(row["category"]).label, row) for row in rows),
            _sum(currency, "", "Together", total),
        ]
    return found


def chart(statement: Statement) -> Chart:
    """Return how many lines and calls are in each category."""
    counts = statement.result.get("counts", {})
    shown = [category for category in Category if category != Category.MATCHED]
    return Chart(
        title="Differences by kind",
        kind="bar",
        labels=[category.label for category in shown],
        plots=[
            Plot(
                name="differences",
                values=[counts.get(category.value, 0) for category in shown],
                colour=[_COLOURS[category] for category in shown],
            )
        ],
        headings=("Kind", "Differences"),
        rows=[(category.label, f"{counts.get(category.value, 0):,}") for category in shown],
        axis={"ticks": {"precision": 0, "color": "#6b7280"}},
    )


def export(statement: Statement, *, form: Format, category: str = "") -> Iterator[bytes]:
    """Yield the file of a statement's differences, a piece at a time. Texts never become formulas."""
    rows = (_exported(row) for row in differences(statement, category=category).iterator(chunk_size=2000))
    if form is Format.XLSX:
        return _xlsx(rows)
    return csv_lines(chain([_COLUMNS], rows)) if form is Format.CSV else json_lines(_COLUMNS, rows)


def _sum(currency: str, category: str, label: str, row: Mapping[str, Any]) -> Sum:
    return Sum(
        category,
        label,
        f"{row['lines']:,}",
        f"{row['calls']:,}",
        money(row["theirsMinor"], currency),
        money(row["oursMinor"], currency),
        money(row["theirsMinor"] - row["oursMinor"], currency),
    )


def _exported(row: Difference) -> Sequence[Value]:
    words = said(row)
    return (
        row.category, words.reason, words.act, row.line_number, row.key, row.reference, row.player_external_id,
        row.theirs_currency, row.theirs_minor, row.theirs_at.isoformat() if row.theirs_at else None, row.ours_currency,
        row.ours_minor, row.ours_state, row.ours_at.isoformat() if row.ours_at else None,
        public_id(Prefix.LEDGER, row.call_id) if row.call_id else None,
        public_id(Prefix.ROUND, row.round_id) if row.round_id else None,
    )  # fmt: skip


def _xlsx(rows: Iterable[Sequence[Value]]) -> Iterator[bytes]:
    sheet = Sheet(_COLUMNS)
    sheet.add(rows)
    with TemporaryFile() as file:
        sheet.save(file)
        file.seek(0)
        yield from iter(lambda: file.read(_BLOCK), b"")


def shown_result(statement: Statement) -> Sequence[tuple[str, str, str]]:
    """Return category, name and number of what was found, in order."""
    counts = statement.result.get("counts", {})
    return [(category.value, category.label, f"{counts.get(category.value, 0):,}") for category in Category]
