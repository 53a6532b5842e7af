"""Reports as people read them: headings, cells in words, totals, a picture, and where each row leads."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from django.urls import reverse

from catalog.models import BoxVersion
from finance.behind import Share
from finance.charts import BLUE, GREEN, Chart, Plot
from finance.days import Zone
from finance.liability import AGES, Kind, LiabilityRow
from finance.reports import Dimension, Figures, Key, Report, Selection
from lootbox.core.ids import Prefix, public_id
from lootbox.core.money import in_units
from lootbox.core.pagination import Page
from lootbox.core.wording import money
from operators.models import Operator

NOTHING: Final = "\u2013"
_BARS: Final = 31


@dataclass(frozen=True)
class Cell:
    """One cell, with what belongs to its figure below it; `link` leads to what it is made of."""

    text: str
    link: str = ""
    number: bool = True
    detail: str = ""


@dataclass(frozen=True)
class Shown:
    """A table of a page: headings with whether they are of numbers, rows, and rows of totals."""

    headings: Sequence[tuple[str, bool]]
    rows: Sequence[Sequence[Cell]]
    totals: Sequence[Sequence[Cell]]


_DIMENSIONS: Final[Mapping[Dimension, tuple[str, Callable[[Key], str]]]] = {
    Dimension.OPERATOR: ("Operator", lambda key: key.operator or ""),
    Dimension.DAY: ("Day", lambda key: str(key.day)),
    Dimension.BOX: ("Box", lambda key: key.box or "of no box"),
    Dimension.VERSION: ("Version", lambda key: f"{key.box} v{key.version}" if key.version else "of no box"),
    Dimension.FUNDING: ("Paid by", lambda key: {"player": "player", "operator": "operator"}.get(key.funding or "", NOTHING)),
}
_PLAYED: Final = (("Turnover", "turnover"), ("Payout", "payout"), ("Gross revenue", "gross_revenue"))
_COSTS: Final = (
    ("Free-open cost", "free_cost"),
    ("Cashback", "cashback"),
    ("Refunds", "refunds"),
    ("Shipping", "shipping"),
)


def table(selection: Selection, report: Report) -> Shown:
    """Return the report with its totals: by currency, and where it was played in another one, in the base currency.

    What is nothing in every row has no column, and the base currency stands below the amounts of another.
    """
    by = [dimension for dimension in Dimension if dimension in selection.by]
    if Dimension.VERSION in by and Dimension.BOX in by:
        by.remove(Dimension.BOX)  # a version is named with its box
    costs = [(name, of) for name, of in _COSTS if any(getattr(row.figures, of) for row in report.rows)]
    amounts = [*_PLAYED, *costs]
    headings = [(_DIMENSIONS[dimension][0], False) for dimension in by]
    headings += [("Currency", False), ("Rounds", True), ("Boxes", True)]
    headings += [*((name, True) for name, _ in _PLAYED), ("RTP, and by the odds", True), *((name, True) for name, _ in costs)]

    def figures(key: Key, figures: Figures) -> list[Cell]:
        link = rounds_link(selection, key) if figures.boxes else ""
        counts = [Cell(f"{figures.rounds:,}", link), Cell(f"{figures.boxes:,}", link)]
        rtp = Cell(_percent(figures.rtp), detail="" if figures.rtp is None else _percent(figures.rtp_theory))
        cells = [_amount_cell(figures, name, key) for _, name in amounts]
        return [Cell(key.currency, number=False), *counts, *cells[:3], rtp, *cells[3:]]

    rows = [[*(_named(dimension, row.key) for dimension in by), *figures(row.key, row.figures)] for row in report.rows]
    first = [Cell("Total", number=False), *[Cell("", number=False)] * (len(by) - 1)] if by else []
    totals = [
        [*first, *figures(Key(currency=currency, base_currency=base), sums)]
        for (currency, base), sums in sorted(report.totals.items())
    ]
    if any(currency != base for currency, base in report.totals):
        for base, sums in report.base_totals.items():
            counts = [Cell(f"all, in {base}", number=False), Cell(f"{sums.rounds:,}"), Cell(f"{sums.boxes:,}")]
            cells = [Cell(_amount(getattr(sums, f"base_{name}"), base)) for _, name in amounts]
            totals.append([*first, *counts, *cells[:3], Cell(""), *cells[3:]])
    return Shown(headings, rows, totals)


def _amount_cell(figures: Figures, name: str, key: Key) -> Cell:
    amount, base = getattr(figures, name), getattr(figures, f"base_{name}")
    other = key.currency != key.base_currency and (amount or base)
    return Cell(_amount(amount, key.currency), detail=money(base, key.base_currency) if other else "")


def chart(report: Report, by: frozenset[Dimension]) -> Chart | None:
    """Return gross revenue in the base currency by day, or by box; None where there is nothing to draw."""
    split = next((dimension for dimension in (Dimension.DAY, Dimension.BOX, Dimension.OPERATOR) if dimension in by), None)
    bases = sorted({base for _, base in report.totals})
    if split is None or not report.rows:
        return None
    labels: dict[str, dict[str, tuple[int, int]]] = {}
    for row in report.rows:
        of = labels.setdefault(_DIMENSIONS[split][1](row.key), {})
        turnover, revenue = of.get(row.key.base_currency, (0, 0))
        base = row.key.base_currency
        of[base] = (turnover + row.figures.base_turnover, revenue + row.figures.base_gross_revenue)
    names = list(labels)[-_BARS:]
    base = bases[0]
    pairs = [labels[name].get(base, (0, 0)) for name in names]
    more = f" Only operators in {base} are drawn." if len(bases) > 1 else ""
    return Chart(
        title=f"Turnover and gross revenue in {base}, by {split.value}",
        note=("" if len(names) == len(labels) else f"The last {_BARS} are drawn.") + more,
        kind="bar",
        labels=names,
        plots=[
            Plot(name="Turnover", values=[_drawn(turnover, base) for turnover, _ in pairs], colour=BLUE),
            Plot(name="Gross revenue", values=[_drawn(revenue, base) for _, revenue in pairs], colour=GREEN),
        ],
        headings=(split.value.capitalize(), "Turnover", "Gross revenue"),
        rows=[
            (name, money(turnover, base), money(revenue, base)) for name, (turnover, revenue) in zip(names, pairs, strict=True)
        ],
    )


def liability_table(rows: Sequence[LiabilityRow], *, operator: Operator | None) -> Shown:
    """Return what is owed by one operator or by all: a row a kind and currency, a column an age, and totals by currency."""
    kinds = [(kind, currency) for kind in Kind for currency in sorted({row.currency for row in rows if row.kind is kind})]
    headings = [("Owed", False), ("Currency", False), ("Count", True), *((label, True) for _, label in AGES), ("All", True)]
    lines = [
        [
            Cell(kind.label, _where(kind, currency, operator), number=False),
            *_ages([row for row in rows if (row.kind, row.currency) == (kind, currency)], currency),
        ]
        for kind, currency in kinds
    ]
    totals = [
        [Cell("Total", number=False), *_ages([row for row in rows if row.currency == currency], currency)]
        for currency in sorted({row.currency for row in rows})
    ]
    return Shown(headings, lines, totals)


def liability_chart(rows: Sequence[LiabilityRow]) -> Chart | None:
    """Return what is owed by age in the base currency, the kinds upon each other; None where nothing is owed."""
    if not rows:
        return None
    base = min(row.base_currency for row in rows)
    mine = [row for row in rows if row.base_currency == base]
    sums = {
        kind: [sum(row.base_amount for row in mine if (row.kind, row.age) == (kind, age)) for age in range(len(AGES))]
        for kind in Kind
    }
    labels = [label for _, label in AGES]
    colours = dict(zip(Kind, (GREEN, BLUE, "#d97706", "#b91c1c"), strict=True))
    return Chart(
        title=f"What is owed in {base}, by age",
        kind="bar",
        stacked=True,
        labels=labels,
        plots=[
            Plot(name=kind.label, values=[_drawn(amount, base) for amount in amounts], colour=colours[kind])
            for kind, amounts in sums.items()
            if any(amounts)
        ],
        headings=("Age", *(kind.label for kind in Kind)),
        rows=[
            (label, *(money(sums[kind][age], base) if sums[kind][age] else NOTHING for kind in Kind))
            for age, label in enumerate(labels)
        ],
    )


def _named(dimension: Dimension, key: Key) -> Cell:
    return Cell(_DIMENSIONS[dimension][1](key), number=False)


def rounds_link(selection: Selection, key: Key) -> str:
    """Return where the rounds behind a row are listed; nothing where it is of several operators."""
    operators = [one for one in selection.operators if key.operator in (None, one.slug)]
    if len(operators) != 1:
        return ""
    return _rounds_page(
        dataclasses.replace(
            selection,
            operators=operators,
            first=key.day or selection.first,
            last=key.day or selection.last,
            currency=key.currency,
            funding=key.funding or selection.funding,
            box_id=key.box_id,
            version_id=key.version_id,
        )
    )


def report_link(selection: Selection) -> str:
    """Return where the report is that has the figure of these rounds."""
    by = Dimension.BOX if selection.version_id is None else Dimension.VERSION
    return f"{reverse('admin:finance_reports')}?{urlencode(_chosen(selection) | {'by': by.value})}"


def _rounds_page(selection: Selection, **more: str) -> str:
    exact = {"box": selection.box_id, "version": selection.version_id}
    query = _chosen(selection) | {name: str(value) for name, value in exact.items() if value is not None} | more
    return f"{reverse('admin:finance_rounds')}?{urlencode(query)}"


def _chosen(selection: Selection) -> dict[str, str]:
    query = {
        "operator": str(selection.operators[0].pk),
        "first": str(selection.first),
        "last": str(selection.last),
        "zone": selection.zone.value,
        "currency": selection.currency or "",
        "funding": selection.funding or "",
    }
    return {name: value for name, value in query.items() if value}


def what(selection: Selection, version: BoxVersion | None) -> str:
    """Return in words which rounds are listed."""
    [operator] = selection.operators
    days = str(selection.first) if selection.first == selection.last else f"{selection.first} to {selection.last}"
    parts = [operator.name, f"{days}, days of {selection.zone.of(operator)}"]
    if version is not None:
        parts.append(version.box.slug + (f", version {version.number}" if selection.version_id else ""))
    if selection.currency:
        parts.append(f"in {selection.currency}")
    if selection.funding:
        parts.append("paid by the operator" if selection.funding == "operator" else "paid by players")
    return "; ".join(parts)


def behind_figures(report: Report) -> list[tuple[str, str]]:
    """Return what the report says of the rounds that are listed, by currency where there are several."""
    found = []
    for row in report.rows:
        figures, currency = row.figures, row.key.currency
        told = [("Rounds", f"{figures.rounds:,}"), ("Boxes", f"{figures.boxes:,}")]
        told += [(name, money(getattr(figures, of), currency)) for name, of in (*_PLAYED[:2], _COSTS[0])]
        found += [(f"{name}, {currency}" if len(report.rows) > 1 else name, text) for name, text in told]
    return found


def behind_table(rows: Sequence[Share]) -> Shown:
    """Return the rounds with their shares."""
    headings = [("Drawn (UTC)", False), ("Round", False), ("Player", False), ("Boxes", False), ("Count", True),
                ("Paid by", False), ("Turnover", True), ("Payout", True), ("Free-open cost", True)]  # fmt: skip
    lines = [
        [
            Cell(f"{row.settled_at:%Y-%m-%d %H:%M:%S}", number=False),
            Cell(
                public_id(Prefix.ROUND, row.round_id),
                reverse("admin:purchases_round_change", args=[row.round_id]),
                number=False,
            ),
            Cell(row.player, reverse("admin:operators_player_change", args=[row.player_id]), number=False),
            Cell(row.names, number=False),
            Cell(f"{row.boxes:,}"),
            Cell("the operator" if row.funding == "operator" else "the player", number=False),
            *(Cell(money(amount, row.currency) if amount else NOTHING) for amount in (row.turnover, row.payout, row.free_cost)),
        ]
        for row in rows
    ]
    return Shown(headings, lines, [])


def behind_pages(selection: Selection, page: Page[Share]) -> list[tuple[str, str]]:
    """Return where newer and older rounds are."""
    ways = (("Newer", page.prev), ("Older", page.next))
    return [(name, _rounds_page(selection, cursor=cursor)) for name, cursor in ways if cursor]


def _ages(rows: Sequence[LiabilityRow], currency: str) -> list[Cell]:
    by_age = [sum(row.amount for row in rows if row.age == age) for age in range(len(AGES))]
    cells = [Cell(currency, number=False), Cell(f"{sum(row.count for row in rows):,}")]
    cells += [Cell(_amount(amount, currency) if amount else NOTHING) for amount in by_age]
    return [*cells, Cell(_amount(sum(by_age), currency))]


def _where(kind: Kind, currency: str, operator: Operator | None) -> str:
    where = {
        Kind.HELD_BOX: "purchases_round_changelist",
        Kind.FREE_BOX: "purchases_round_changelist",
        Kind.UNCLAIMED_ITEM: "vault_inventoryitem_changelist",
        Kind.OWED_CREDIT: "wallet_walletcall_changelist",
    }[kind]
    query = {
        Kind.HELD_BOX: {"state__exact": "held", "funding__exact": "player"},
        Kind.FREE_BOX: {"state__exact": "held", "funding__exact": "operator"},
        Kind.UNCLAIMED_ITEM: {"state__exact": "unresolved"},
        Kind.OWED_CREDIT: {"unresolved": "yes"},
    }[kind] | {"currency__exact": currency}
    if operator is not None:
        query["operator__id__exact"] = str(operator.pk)
    return f"{reverse(f'admin:{where}')}?{urlencode(query)}"


def _amount(amount_minor: int, currency: str) -> str:
    return money(amount_minor, currency).removesuffix(f" {currency}")


def _percent(share: Any) -> str:
    return NOTHING if share is None else f"{share:.2%}"


def _drawn(amount_minor: int, currency: str) -> float:
    # For drawing only: the table says it exactly.
    return float(in_units(amount_minor=amount_minor, currency=currency))


def zone_names(operators: Sequence[Any], zone: Zone) -> str:
    """Return whose days are shown, in words."""
    return ", ".join(sorted({zone.of(operator) for operator in operators})) if operators else "UTC"
