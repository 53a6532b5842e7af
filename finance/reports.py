"""Reports: what was staked, won, given back and paid, by operator, day, currency, box, version and funding.

Every measure is defined once, in the one statement below, which is one snapshot: by box, by day and in total it adds up to the
same. Amounts are integers in minor units, in the player's currency and in the operator's base at the rate that was frozen with
the purchase; amounts of two currencies are never added. docs/finance.md explains each measure, with an example that adds up.
"""

import dataclasses
import datetime as dt
import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from typing import Any, Final, NamedTuple, Self

from finance.days import Zone, period
from lootbox.core import db
from operators.models import Operator

RTP_PLACES: Final = Decimal("0.000001")


class Dimension(enum.StrEnum):
    """What figures can be split by. They are always split by currency, too."""

    OPERATOR = "operator"
    DAY = "day"
    BOX = "box"
    VERSION = "version"
    FUNDING = "funding"


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What a report is about: the days from `first` to `last`, both included; all boxes and currencies unless one is named."""

    operators: Sequence[Operator]
    first: dt.date
    last: dt.date
    zone: Zone = Zone.UTC
    by: frozenset[Dimension] = frozenset()
    currency: str | None = None
    box_id: int | None = None
    version_id: int | None = None
    funding: str | None = None


@dataclass(frozen=True, kw_only=True)
class Key:
    """What a row's figures are of; None where they are not split by it, or belong to no box (shipping)."""

    currency: str
    base_currency: str
    operator: str | None = None
    day: dt.date | None = None
    box_id: int | None = None
    box: str | None = None
    version_id: int | None = None
    version: int | None = None
    funding: str | None = None


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The measures. Amounts in minor units of the row's currency; `base_…` the same in the operator's base currency."""

    rounds: int = 0
    boxes: int = 0
    turnover: int = 0
    base_turnover: int = 0
    payout: int = 0
    base_payout: int = 0
    free_boxes: int = 0
    free_cost: int = 0
    base_free_cost: int = 0
    cashback: int = 0
    base_cashback: int = 0
    refunds: int = 0
    base_refunds: int = 0
    shipping: int = 0
    base_shipping: int = 0
    expected: Fraction = Fraction(0)

    def __add__(self, other: Self) -> Self:
        """Return the sum, measure by measure. Of two currencies only the counts and base amounts of it mean anything."""
        names = [one.name for one in dataclasses.fields(self)]
        return type(self)(**{name: getattr(self, name) + getattr(other, name) for name in names})

    @property
    def gross_revenue(self) -> int:
        """Return what players staked less what they won."""
        return self.turnover - self.payout

    @property
    def base_gross_revenue(self) -> int:
        """Return the same in the base currency."""
        return self.base_turnover - self.base_payout

    @property
    def rtp(self) -> Decimal | None:
        """Return the share of the stakes that was won; None without stakes."""
        return _share(Fraction(self.payout), self.turnover)

    @property
    def rtp_theory(self) -> Decimal | None:
        """Return the share that the odds of exactly these boxes pay out; None without stakes."""
        return _share(self.expected, self.turnover)


@dataclass(frozen=True)
class Row:
    """Figures and what they are of."""

    key: Key
    figures: Figures


@dataclass(frozen=True)
class Report:
    """Rows in order, and their sums: by currency, and of the base amounts by base currency."""

    rows: Sequence[Row]
    totals: Mapping[tuple[str, str], Figures] = field(default_factory=dict)

    @property
    def base_totals(self) -> dict[str, Figures]:
        """Return the sums by base currency, of which only the counts and base amounts mean anything."""
        sums: dict[str, Figures] = {}
        for (_, base), figures in self.totals.items():
            sums[base] = sums.get(base, Figures()) + figures
        return sums


class _Version(NamedTuple):
    number: int
    box_id: int
    box: str
    theory: Fraction


# What was played, one row a reel of a settled round. A round counts once, at its first reel.
_PLAYED: Final = """
    SELECT round.operator_id, round.settled_at AS moment, round.currency, round.base_currency, reel.box_version_id,
        round.funding, (reel.position = 1)::int AS rounds, 1 AS boxes,
        paid.yes * reel.bet_minor AS turnover, paid.yes * reel.base_bet_minor AS base_turnover,
        paid.yes * draw.value_minor AS payout, paid.yes * draw.base_value_minor AS base_payout,
        1 - paid.yes AS free_boxes, (1 - paid.yes) * draw.value_minor AS free_cost,
        (1 - paid.yes) * draw.base_value_minor AS base_free_cost,
        0 AS cashback, 0 AS base_cashback, 0 AS refunds, 0 AS base_refunds, 0 AS shipping, 0 AS base_shipping
    FROM purchases_round round
    JOIN purchases_reel reel ON reel.round_id = round.id
    JOIN purchases_draw draw ON draw.round_id = round.id AND draw.reel_index = reel.reel_index
    CROSS JOIN LATERAL (SELECT (round.funding = 'player')::int::bigint AS yes) paid
    WHERE round.operator_id = ANY(%(operators)s::bigint[]) AND round.settled_at >= %(start)s AND round.settled_at < %(end)s
"""
# What the wallet moved outside the play, by the ledger's numbers and times.
_CASHBACK: Final = """
    SELECT call.operator_id, call.resolved_at, call.currency, call.base_currency, reel.box_version_id, round.funding,
        0, 0, 0, 0, 0, 0, 0, 0, 0, call.amount_minor, call.base_amount_minor, 0, 0, 0, 0
    FROM wallet_walletcall call
    JOIN vault_inventoryitem item ON item.id = call.inventory_item_id
    JOIN purchases_round round ON round.id = item.round_id
    JOIN purchases_reel reel ON reel.round_id = item.round_id AND reel.reel_index = item.reel_index
    WHERE {of_the_ledger} AND call.reason = 'cashback'
"""
_REFUNDS: Final = """
    SELECT call.operator_id, call.resolved_at, call.currency, call.base_currency, reel.box_version_id, round.funding,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, reel.bet_minor, reel.base_bet_minor, 0, 0
    FROM wallet_walletcall call
    JOIN purchases_round round ON round.id = call.round_id
    JOIN purchases_reel reel ON reel.round_id = call.round_id
    WHERE {of_the_ledger} AND call.reason = 'refund'
"""
_SHIPPING: Final = """
    SELECT call.operator_id, call.resolved_at, call.currency, call.base_currency, NULL::bigint, NULL::text,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        CASE call.type WHEN 'wallet.debit' THEN call.amount_minor ELSE -call.amount_minor END,
        CASE call.type WHEN 'wallet.debit' THEN call.base_amount_minor ELSE -call.base_amount_minor END
    FROM wallet_walletcall call
    WHERE {of_the_ledger} AND (call.reason = 'shipping' OR (call.reason = 'refund' AND call.order_id IS NOT NULL))
"""
_OF_THE_LEDGER: Final = (
    "call.operator_id = ANY(%(operators)s::bigint[]) AND call.ledger_sequence IS NOT NULL "
    "AND call.resolved_at >= %(start)s AND call.resolved_at < %(end)s"
)
_MEASURES: Final = [one.name for one in dataclasses.fields(Figures) if one.name != "expected"]
_FIGURES: Final = f"""
WITH entry AS (
    {_PLAYED} UNION ALL {_CASHBACK} UNION ALL {_REFUNDS} UNION ALL {_SHIPPING}
)
SELECT entry.operator_id, CASE WHEN %(by_day)s THEN (moment AT TIME ZONE %(zone)s)::date END AS day, entry.currency,
    entry.base_currency, box_version_id, CASE WHEN %(by_funding)s THEN funding END AS funding,
    {", ".join(f"sum({name})::bigint" for name in _MEASURES)}
FROM entry LEFT JOIN catalog_boxversion version ON version.id = entry.box_version_id
WHERE (%(currency)s::text IS NULL OR entry.currency = %(currency)s)
  AND (%(box)s::bigint IS NULL OR version.box_id = %(box)s)
  AND (%(version)s::bigint IS NULL OR version.id = %(version)s)
  AND (%(funding)s::text IS NULL OR entry.funding = %(funding)s)
GROUP BY 1, 2, entry.currency, entry.base_currency, 5, 6
""".replace("{of_the_ledger}", _OF_THE_LEDGER)

# A version's RTP: what its prizes are worth by their odds, over its price.
_THEORY: Final = """
    SELECT version.id, version.number, box.id, box.slug, sum(prize.weight::numeric * prize.value_minor),
        version.total_weight::numeric * version.price_minor
    FROM catalog_boxversion version
    JOIN catalog_box box ON box.id = version.box_id
    JOIN catalog_prize prize ON prize.version_id = version.id
    WHERE version.id = ANY(%(versions)s::bigint[])
    GROUP BY version.id, box.id
"""


def revenue(selection: Selection) -> Report:
    """Return the figures of the selected days, split as asked, in order of what they are split by.

    A round belongs to the day on which it was drawn, and is a liability until then; what the wallet moved to the day on which
    the ledger says that it did.
    """
    found: list[tuple[Operator, tuple[Any, ...]]] = []
    for zone, operators in _by_zone(selection):
        known = {operator.pk: operator for operator in operators}
        found += [(known[row[0]], row) for row in db.rows(_FIGURES, _parameters(selection, zone, list(known)))]
    versions = _versions({row[4] for _, row in found if row[4] is not None})
    sums: dict[Key, Figures] = {}
    for operator, row in found:
        version = versions.get(row[4])
        key = _key(selection.by, operator, row, version)
        figures = Figures(**dict(zip(_MEASURES, row[6:], strict=True)))
        if version is not None:
            figures = dataclasses.replace(figures, expected=figures.turnover * version.theory)
        sums[key] = sums.get(key, Figures()) + figures
    rows = [Row(key, sums[key]) for key in sorted(sums, key=_order)]
    return Report(rows, total(rows))


def total(rows: Iterable[Row]) -> dict[tuple[str, str], Figures]:
    """Return the sums of rows by currency and base currency."""
    sums: dict[tuple[str, str], Figures] = {}
    for row in rows:
        of = (row.key.currency, row.key.base_currency)
        sums[of] = sums.get(of, Figures()) + row.figures
    return sums


def _by_zone(selection: Selection) -> list[tuple[str, list[Operator]]]:
    zones = [(selection.zone.of(operator), operator) for operator in selection.operators]
    zones.sort(key=lambda pair: (pair[0], pair[1].pk))
    return [(zone, [operator for _, operator in of]) for zone, of in groupby(zones, key=lambda pair: pair[0])]


def _parameters(selection: Selection, zone: str, operators: list[int]) -> dict[str, Any]:
    start, end = period(selection.first, selection.last, zone)
    return {
        "operators": operators,
        "start": start,
        "end": end,
        "zone": zone,
        "by_day": Dimension.DAY in selection.by,
        "by_funding": Dimension.FUNDING in selection.by,
        "currency": selection.currency,
        "box": selection.box_id,
        "version": selection.version_id,
        "funding": selection.funding,
    }


def _versions(ids: set[int]) -> dict[int | None, _Version]:
    found = db.rows(_THEORY, {"versions": sorted(ids)}) if ids else []
    return {
        version_id: _Version(number, box_id, slug, Fraction(worth) / Fraction(price))
        for version_id, number, box_id, slug, worth, price in found
    }


def _key(by: frozenset[Dimension], operator: Operator, row: tuple[Any, ...], version: _Version | None) -> Key:
    box = version if version and by & {Dimension.BOX, Dimension.VERSION} else None
    exact = version if version and Dimension.VERSION in by else None
    return Key(
        operator=operator.slug if Dimension.OPERATOR in by else None,
        day=row[1],
        currency=row[2],
        base_currency=row[3],
        box_id=box.box_id if box else None,
        box=box.box if box else None,
        version_id=row[4] if exact else None,
        version=exact.number if exact else None,
        funding=row[5],
    )


def _order(key: Key) -> tuple[Any, ...]:
    shown = (key.operator, key.day, key.box, key.version, key.funding, key.currency, key.base_currency)
    return tuple((value is None, value) if value is not None else (True,) for value in shown)


def _share(part: Fraction, whole: int) -> Decimal | None:
    if not whole:
        return None
    share = part / whole
    return (Decimal(share.numerator) / Decimal(share.denominator)).quantize(RTP_PLACES)
