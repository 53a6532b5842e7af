"""The ledger feed: every movement of an operator's wallet in the order of its gapless numbers (contract section 7)."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from uuid import UUID

from lootbox.core import db
from lootbox.core.fields import print_moment
from lootbox.core.ids import Prefix, public_id
from operators.models import Operator
from wallet.numbering import number_movements

_PAGE: Final = """
    SELECT call.ledger_sequence, call.id, call.type, call.reason, call.idempotency_key,
        CASE call.type WHEN 'wallet.debit' THEN -call.amount_minor ELSE call.amount_minor END, call.currency,
        CASE call.type WHEN 'wallet.debit' THEN -call.base_amount_minor ELSE call.base_amount_minor END, call.base_currency,
        player.external_id, call.round_id, call.inventory_item_id, call.order_id, call.provider_txn_ref,
        call.balance_after_minor, call.resolved_at
    FROM wallet_walletcall call JOIN operators_player player ON player.id = call.player_id
    WHERE call.operator_id = %(operator)s AND call.ledger_sequence > %(after)s
    ORDER BY call.ledger_sequence LIMIT %(limit)s
"""


@dataclass(frozen=True)
class LedgerRow:
    """One movement. Amounts are minor units, signed from the player's side: a debit is negative."""

    sequence: int
    id: UUID
    type: str
    reason: str
    idempotency_key: str
    amount_minor: int
    currency: str
    base_amount_minor: int
    base_currency: str
    player_external_id: str
    round_id: UUID | None
    inventory_item_id: int | None
    order_id: UUID | None
    provider_txn_ref: str
    balance_after_minor: int | None
    occurred_at: dt.datetime

    def as_json(self) -> dict[str, Any]:
        """Return the row as the feed gives it."""
        return {
            "sequence": self.sequence,
            "id": public_id(Prefix.LEDGER, self.id),
            "type": self.type,
            "reason": self.reason,
            "idempotencyKey": self.idempotency_key,
            "amountMinor": self.amount_minor,
            "currency": self.currency,
            "baseAmountMinor": self.base_amount_minor,
            "baseCurrency": self.base_currency,
            "playerExternalId": self.player_external_id,
            "roundPublicId": public_id(Prefix.ROUND, self.round_id) if self.round_id else None,
            "inventoryItemId": self.inventory_item_id,
            "orderPublicId": public_id(Prefix.ORDER, self.order_id) if self.order_id else None,
            "providerTxnRef": self.provider_txn_ref or None,
            "balanceAfterMinor": self.balance_after_minor,
            "occurredAt": print_moment(self.occurred_at),
        }


class LedgerPage(NamedTuple):
    """Some movements in order, and the number to go on after; None at the end."""

    rows: Sequence[LedgerRow]
    next: int | None


def read_ledger(*, operator: Operator, after: int, limit: int) -> LedgerPage:
    """Return up to `limit` movements whose number is above `after`; every movement that is committed by now has one."""
    number_movements(operator_id=operator.pk)
    found = db.rows(_PAGE, {"operator": operator.pk, "after": after, "limit": limit + 1})
    rows = [LedgerRow(*row) for row in found[:limit]]
    return LedgerPage(rows, rows[-1].sequence if len(found) > limit else None)
