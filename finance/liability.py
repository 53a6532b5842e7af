"""What is owed to players: boxes that wait unopened, items that wait unclaimed, credits that no wallet has accepted yet."""

import datetime as dt
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lootbox.core import db
from operators.models import Operator


class Kind(enum.StrEnum):
    """What is owed. An amount is in exactly one of them."""

    HELD_BOX = "held_box"
    FREE_BOX = "free_box"
    UNCLAIMED_ITEM = "unclaimed_item"
    OWED_CREDIT = "owed_credit"

    @property
    def label(self) -> str:
        """Return it in words."""
        return {
            Kind.HELD_BOX: "Boxes paid for and not opened",
            Kind.FREE_BOX: "Free boxes not opened",
            Kind.UNCLAIMED_ITEM: "Won items not claimed",
            Kind.OWED_CREDIT: "Credits owed",
        }[self]


# Whole days since it came to be owed: from how many on, and how that is called.
AGES: Final = ((0, "up to a day"), (1, "1 to 7 days"), (7, "7 to 30 days"), (30, "30 to 90 days"), (90, "over 90 days"))


@dataclass(frozen=True)
class LiabilityRow:
    """What is owed of one kind, age and currency. Amounts in minor units of `currency` and of `base_currency`."""

    operator: str
    kind: Kind
    age: int
    currency: str
    base_currency: str
    count: int
    amount: int
    base_amount: int

    @property
    def age_label(self) -> str:
        """Return the age in words."""
        return AGES[self.age][1]


# Each branch goes down an index of its own: what is open now, and what was open at a moment that is past by now. A box is held
# from its debit on, or where it is free from its purchase on, until it was drawn or given back.
_HELD: Final = """
    SELECT round.operator_id, CASE round.funding WHEN 'player' THEN 'held_box' ELSE 'free_box' END AS kind,
        round.purchased_at AS since, round.currency, round.base_currency, round.bet_minor AS amount,
        round.base_bet_minor AS base_amount
    FROM purchases_round round
    LEFT JOIN wallet_walletcall debit ON debit.round_id = round.id AND debit.reason = 'purchase'
    WHERE {open} AND round.operator_id = ANY(%(operators)s::bigint[]) AND round.mode = 'prepay'
      AND coalesce(debit.resolved_at, round.purchased_at) < %(at)s
"""
_UNCLAIMED: Final = """
    SELECT item.operator_id, 'unclaimed_item', item.created_at, item.currency, round.base_currency, item.value_minor,
        draw.base_value_minor
    FROM vault_inventoryitem item
    JOIN purchases_round round ON round.id = item.round_id
    JOIN purchases_draw draw ON draw.round_id = item.round_id AND draw.reel_index = item.reel_index
    WHERE {open} AND item.operator_id = ANY(%(operators)s::bigint[]) AND item.created_at < %(at)s
"""
# A cashback on its way stands as its item, the refund of a held box as that box: both are owed once.
_CREDITS: Final = """
    SELECT call.operator_id, 'owed_credit', call.created_at, call.currency, call.base_currency, call.amount_minor,
        call.base_amount_minor
    FROM wallet_walletcall call LEFT JOIN purchases_round round ON round.id = call.round_id
    WHERE {open} AND call.operator_id = ANY(%(operators)s::bigint[]) AND call.created_at < %(at)s
      AND call.type = 'wallet.credit' AND call.reason <> 'cashback'
      AND (call.reason <> 'refund' OR call.order_id IS NOT NULL OR round.undone_at IS NOT NULL)
"""
_BRANCHES: Final = (
    _HELD.format(open="round.state = 'held'"),
    _HELD.format(open="round.settled_at >= %(at)s"),
    _HELD.format(open="round.ended_at >= %(at)s AND round.state IN ('refunded', 'expired')"),
    _UNCLAIMED.format(open="item.state = 'unresolved'"),
    _UNCLAIMED.format(open="item.resolved_at >= %(at)s AND item.state <> 'unresolved'"),
    _CREDITS.format(open="call.state IN ('pending', 'unknown')"),
    _CREDITS.format(open="call.ledger_sequence IS NOT NULL AND call.resolved_at >= %(at)s"),
)
_OWED: Final = f"""
WITH owed AS ({" UNION ALL ".join(_BRANCHES)})
SELECT operator_id, kind, width_bucket(extract(epoch FROM %(at)s::timestamptz - since)::bigint, %(ages)s::bigint[]) - 1 AS age,
    currency, base_currency, count(*), sum(amount)::bigint, sum(base_amount)::bigint
FROM owed GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4
"""


def liability(*, operators: Sequence[Operator], at: dt.datetime) -> list[LiabilityRow]:
    """Return what is owed at `at`, by operator, kind, age and currency; one snapshot.

    A past moment is told from what has happened since. It is exact but for won items that were in an order then, which was
    cancelled later: they count as unclaimed.
    """
    slugs = {operator.pk: operator.slug for operator in operators}
    ages = [days * 86400 for days, _ in AGES]
    found = db.rows(_OWED, {"operators": list(slugs), "at": at, "ages": ages})
    return [LiabilityRow(slugs[operator_id], Kind(kind), *rest) for operator_id, kind, *rest in found]
