"""Reports as people read them: headings, cells in words, totals, a picture, and where each row leads."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from django.urls import reverse

from finance.charts import BLUE, GREEN, Chart, Plot
from finance.days import Zone, period
from finance.liability import AGES, Kind, LiabilityRow
from finance.reports import Dimension, Figures, Key, Report, Selection
from lootbox.core.money import in_units
from lootbox.core.wording import money

NOTHING: Final = "\u2013"
_BARS: Final = 31
_ROUNDS_SHOWN_DAYS: Final = 31


@dataclass(frozen=True)
class Cell:
    """One cell; `link` leads to what it is made of."""

    text: str
    link: str = ""
    number: bool = True


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
_COUNTS: Final = (("Rounds", "rounds"), ("Boxes", "boxes"))
_AMOUNTS: Final = (
    ("Turnover", "turnover"),
    ("Payout", "payout"),
    ("Gross revenue", "gross_revenue"),
    ("Free-open cost", "free_cost"),
    ("Cashback", "cashback"),
    ("Refunds", "refunds"),
    ("Shipping", "shipping"),
)


def table(selection: Selection, report: Report) -> Shown:
    """Return the report with its totals: by currency, and where it was played in another one, in the base currency."""
    by = [dimension for dimension in Dimension if dimension in selection.by]
    headings = [(_DIMENSIONS[dimension][0], False) for dimension in by]
    headings += [("Currency", False), *((name, True) for name, _ in _COUNTS)]
    headings += [*((name, True) for name, _ in _AMOUNTS[:3]), ("RTP", True), ("by the odds", True)]
    headings += [(name, True) for name, _ in _AMOUNTS[3:]]
    mixed = any(currency != base for currency, base in report.totals)
    if mixed:
        headings.append(("Gross revenue in base", True))
    rows = [
        [
            *(_named(selection, dimension, row.key) for dimension in by),
            *_figures(row.figures, row.key.currency, row.key.base_currency),
        ]
        for row in report.rows
    ]
    blank = [Cell("", number=False)] * max(len(by) - 1, 0)
    first = [Cell("Total", number=False)] if by else []
    totals = [
        [*first, *blank, *_figures(figures, currency, base)] for (currency, base), figures in sorted(report.totals.items())
    ]
    if mixed:
        totals += [[*first, *blank, *_in_base(figures, base)] for base, figures in report.base_totals.items()]
    width = len(headings)
    return Shown(headings, [row[:width] for row in rows], [row[:width] for row in totals])


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


def liability_table(rows: Sequence[LiabilityRow]) -> Shown:
    """Return what is owed: a row a kind and currency, a column an age, and totals by currency."""
    kinds = [(kind, currency) for kind in Kind for currency in sorted({row.currency for row in rows if row.kind is kind})]
    headings = [("Owed", False), ("Currency", False), ("Count", True), *((label, True) for _, label in AGES), ("All", True)]
    lines = [
        [Cell(kind.label, _where(kind), number=False), *_ages([row for row in rows if (row.kind, row.currency) == of], of[1])]
        for of in kinds
        for kind in of[:1]
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


def _named(selection: Selection, dimension: Dimension, key: Key) -> Cell:
    text = _DIMENSIONS[dimension][1](key)
    return Cell(text, rounds_link(selection, key) if dimension is Dimension.DAY else "", number=False)


def rounds_link(selection: Selection, key: Key) -> str:
    """Return where the rounds of a row are listed; nothing where they are too many operators' or days'."""
    operators = [one for one in selection.operators if key.operator in (None, one.slug)]
    first, last = key.day or selection.first, key.day or selection.last
    if len(operators) != 1 or (last - first) > dt.timedelta(days=_ROUNDS_SHOWN_DAYS):
        return ""
    start, end = period(first, last, selection.zone.of(operators[0]))
    query = {
        "operator__id__exact": operators[0].pk,
        "settled_at__gte": start.isoformat(),
        "settled_at__lt": end.isoformat(),
        "currency__exact": key.currency,
    }
    if key.funding:
        query["funding__exact"] = key.funding
    return f"{reverse('admin:purchases_round_changelist')}?{urlencode(query)}"


def _figures(figures: Figures, currency: str, base: str) -> list[Cell]:
    cells = [Cell(currency, number=False)]
    cells += [Cell(f"{getattr(figures, name):,}") for _, name in _COUNTS]
    cells += [Cell(_amount(getattr(figures, name), currency)) for _, name in _AMOUNTS[:3]]
    cells += [Cell(_percent(figures.rtp)), Cell(_percent(figures.rtp_theory))]
    cells += [Cell(_amount(getattr(figures, name), currency)) for _, name in _AMOUNTS[3:]]
    return [*cells, Cell(money(figures.base_gross_revenue, base))]


def _in_base(figures: Figures, base: str) -> list[Cell]:
    cells = [Cell(f"all, in {base}", number=False), *(Cell(f"{getattr(figures, name):,}") for _, name in _COUNTS)]
    cells += [Cell(_amount(getattr(figures, f"base_{name}"), base)) for _, name in _AMOUNTS[:3]]
    cells += [Cell(""), Cell("")]
    cells += [Cell(_amount(getattr(figures, f"base_{name}"), base)) for _, name in _AMOUNTS[3:]]
    return [*cells, Cell(money(figures.base_gross_revenue, base))]


def _ages(rows: Sequence[LiabilityRow], currency: str) -> list[Cell]:
    by_age = [sum(row.amount for row in rows if row.age == age) for age in range(len(AGES))]
    cells = [Cell(currency, number=False), Cell(f"{sum(row.count for row in rows):,}")]
    cells += [Cell(_amount(amount, currency) if amount else NOTHING) for amount in by_age]
    return [*cells, Cell(_amount(sum(by_age), currency))]


def _where(kind: Kind) -> str:
    where = {
        Kind.HELD_BOX: "purchases_round_changelist",
        Kind.FREE_BOX: "purchases_round_changelist",
        Kind.UNCLAIMED_ITEM: "vault_inventoryitem_changelist",
        Kind.OWED_CREDIT: "wallet_walletcall_changelist",
    }[kind]
    query = {
        Kind.HELD_BOX: "state__exact=held&funding__exact=player",
        Kind.FREE_BOX: "state__exact=held&funding__exact=operator",
        Kind.UNCLAIMED_ITEM: "state__exact=unresolved",
        Kind.OWED_CREDIT: "unresolved=yes",
    }[kind]
    return f"{reverse(f'admin:{where}')}?{query}"


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
