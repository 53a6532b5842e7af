"""What each report exports: the names of its columns, and where their values come from."""

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from finance.liability import LiabilityRow
from finance.reports import Row
from lootbox.core.ids import Prefix


class ReportName(enum.StrEnum):
    """What can be exported."""

    REVENUE = "revenue"
    LIABILITY = "liability"
    MOVEMENTS = "movements"


# A number, a text of our own making, or one that may be anything that an operator, its wallet or a player chose.
Kind = Literal["number", "own", "foreign"]


@dataclass(frozen=True)
class Column:
    """One column of a report that is made in memory. Texts are of others' making; numbers stay numbers in every format."""

    name: str
    value: Callable[[Any], str | int | None]


@dataclass(frozen=True)
class SqlColumn:
    """One column of the movements, as SQL; of kind `Prefix` are UUIDs that are shown as public ids."""

    name: str
    sql: str
    kind: Kind | Prefix = "own"


def _key(name: str, attribute: str) -> Column:
    return Column(name, lambda row: _plain(getattr(row.key, attribute)))


def _figure(name: str, attribute: str) -> Column:
    return Column(name, lambda row: _plain(getattr(row.figures, attribute)))


def _plain(value: object) -> str | int | None:
    return value if value is None or isinstance(value, int) else str(value)


REVENUE: Final[Sequence[Column]] = (
    _key("operator", "operator"),
    _key("day", "day"),
    _key("box", "box"),
    _key("boxId", "box_id"),
    _key("version", "version"),
    _key("boxVersionId", "version_id"),
    _key("funding", "funding"),
    _key("currency", "currency"),
    _figure("rounds", "rounds"),
    _figure("boxes", "boxes"),
    _figure("freeBoxes", "free_boxes"),
    _figure("turnoverMinor", "turnover"),
    _figure("payoutMinor", "payout"),
    _figure("grossRevenueMinor", "gross_revenue"),
    _figure("rtp", "rtp"),
    _figure("rtpTheory", "rtp_theory"),
    _figure("freeCostMinor", "free_cost"),
    _figure("cashbackMinor", "cashback"),
    _figure("refundsMinor", "refunds"),
    _figure("shippingMinor", "shipping"),
    _key("baseCurrency", "base_currency"),
    _figure("baseTurnoverMinor", "base_turnover"),
    _figure("basePayoutMinor", "base_payout"),
    _figure("baseGrossRevenueMinor", "base_gross_revenue"),
    _figure("baseFreeCostMinor", "base_free_cost"),
    _figure("baseCashbackMinor", "base_cashback"),
    _figure("baseRefundsMinor", "base_refunds"),
    _figure("baseShippingMinor", "base_shipping"),
)
LIABILITY: Final[Sequence[Column]] = (
    Column("operator", lambda row: row.operator),
    Column("kind", lambda row: row.kind.value),
    Column("age", lambda row: row.age_label),
    Column("currency", lambda row: row.currency),
    Column("count", lambda row: row.count),
    Column("amountMinor", lambda row: row.amount),
    Column("baseCurrency", lambda row: row.base_currency),
    Column("baseAmountMinor", lambda row: row.base_amount),
)

MOVEMENTS: Final[Sequence[SqlColumn]] = (
    SqlColumn("operator", "operator.slug"),
    SqlColumn("sequence", "call.ledger_sequence", "number"),
    SqlColumn("id", "call.id", Prefix.LEDGER),
    SqlColumn("type", "call.type"),
    SqlColumn("reason", "call.reason"),
    SqlColumn("idempotencyKey", "call.idempotency_key", "foreign"),
    SqlColumn("amountMinor", "CASE call.type WHEN 'wallet.debit' THEN -call.amount_minor ELSE call.amount_minor END", "number"),
    SqlColumn("currency", "call.currency"),
    SqlColumn(
        "baseAmountMinor",
        "CASE call.type WHEN 'wallet.debit' THEN -call.base_amount_minor ELSE call.base_amount_minor END",
        "number",
    ),
    SqlColumn("baseCurrency", "call.base_currency"),
    SqlColumn("playerExternalId", "player.external_id", "foreign"),
    SqlColumn("roundPublicId", "call.round_id", Prefix.ROUND),
    SqlColumn("inventoryItemId", "call.inventory_item_id", "number"),
    SqlColumn("orderPublicId", "call.order_id", Prefix.ORDER),
    SqlColumn("providerTxnRef", "nullif(call.provider_txn_ref, '')", "foreign"),
    SqlColumn("balanceAfterMinor", "call.balance_after_minor", "number"),
    SqlColumn(
        "occurredAt",
        # In a third of the time that to_char takes.
        "replace(left((call.resolved_at AT TIME ZONE 'UTC')::text, 19), ' ', 'T') || 'Z'",
    ),
)


def values(columns: Sequence[Column], row: Row | LiabilityRow) -> list[str | int | None]:
    """Return a row's values in the order of the columns."""
    return [column.value(row) for column in columns]
