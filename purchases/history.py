"""A player's history: every action and every movement back, newest first (contract section 7).

It is read from the actions and the wallet calls themselves, so it can't disagree with them. Both halves go down an index, so a
page costs the same at any depth.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from lootbox.core import db
from lootbox.core.fields import print_moment
from lootbox.core.ids import Prefix, public_id
from lootbox.core.pagination import Page, Position, paginate
from operators.models import Operator

TYPES: Final = ("purchase", "open", "refund", "cashback")

ROWS: Final = """
SELECT * FROM (
    SELECT action.id, action.created_at AS occurred_at,
        CASE action.kind WHEN 'prepay' THEN 'purchase' ELSE 'open' END AS type,
        round.id AS round_id, NULL::bigint AS inventory_item_id,
        CASE WHEN action.kind = 'open_held' OR round.funding = 'operator' THEN 0
             WHEN round.state = 'voided' AND debit.state <> 'accepted' THEN 0
             ELSE -round.bet_minor END AS amount_minor,
        CASE WHEN action.kind <> 'prepay' THEN round.payout_minor END AS payout_minor,
        CASE WHEN action.kind <> 'prepay' AND round.state = 'settled'
             THEN CASE WHEN payout.state = 'accepted' THEN round.credited_minor ELSE 0 END END AS credited_minor,
        round.currency, CASE round.state WHEN 'undoing' THEN 'pending' ELSE round.state END AS status, round.funding,
        CASE WHEN action.kind <> 'open_held' THEN debit.idempotency_key END AS idempotency_key,
        CASE WHEN action.kind <> 'open_held' THEN debit.provider_txn_ref END AS provider_txn_ref
    FROM (
        SELECT * FROM purchases_action
        WHERE operator_id = %(operator)s AND player_id = %(player)s AND kind = ANY(%(kinds)s::text[])
          AND created_at >= %(from)s AND created_at <= %(to)s AND (created_at, id) {beyond} (%(moment)s, %(row)s)
        ORDER BY created_at {order}, id {order} LIMIT %(limit)s
    ) action
    JOIN purchases_round round ON round.id = action.round_id
    LEFT JOIN wallet_walletcall debit ON debit.round_id = round.id AND debit.reason = 'purchase'
    LEFT JOIN wallet_walletcall payout ON payout.round_id = round.id AND payout.reason = 'payout'
    UNION ALL
    SELECT * FROM (
        SELECT id, created_at, reason, round_id, inventory_item_id, amount_minor, NULL::bigint, NULL::bigint, currency,
            CASE state WHEN 'accepted' THEN 'completed' ELSE 'pending' END, 'player', idempotency_key, provider_txn_ref
        FROM wallet_walletcall
        WHERE operator_id = %(operator)s AND player_id = %(player)s AND reason IN ('refund', 'cashback') AND order_id IS NULL
          AND reason = ANY(%(types)s::text[]) AND state IN ('pending', 'unknown', 'accepted')
          AND created_at >= %(from)s AND created_at <= %(to)s AND (created_at, id) {beyond} (%(moment)s, %(row)s)
        ORDER BY created_at {order}, id {order} LIMIT %(limit)s
    ) movement
) history
ORDER BY occurred_at {order}, id {order} LIMIT %(limit)s
"""
OLDER: Final = ROWS.format(beyond="<", order="DESC")
NEWER: Final = ROWS.format(beyond=">", order="ASC")
BEGINNING: Final = dt.datetime(1, 1, 2, tzinfo=dt.UTC)
END: Final = dt.datetime(9999, 12, 30, tzinfo=dt.UTC)
LAST_ID: Final = UUID(int=2**128 - 1)
KINDS: Final = {"purchase": ["prepay"], "open": ["open", "open_held"]}


@dataclass(frozen=True)
class HistoryRow:
    """One row, amounts in minor units of `currency`, signed from the player's side."""

    id: UUID
    occurred_at: dt.datetime
    type: str
    round_id: UUID | None
    inventory_item_id: int | None
    amount_minor: int
    payout_minor: int | None
    credited_minor: int | None
    currency: str
    status: str
    funding: str
    idempotency_key: str | None
    provider_txn_ref: str | None

    def as_json(self) -> dict[str, Any]:
        """Return the row as section 7 shows it."""
        shown: dict[str, Any] = {"id": public_id(Prefix.LEDGER, self.id), "type": self.type}
        if self.round_id is not None:
            shown["roundPublicId"] = public_id(Prefix.ROUND, self.round_id)
        if self.inventory_item_id is not None:
            shown["inventoryItemId"] = self.inventory_item_id
        shown["amountMinor"] = self.amount_minor
        if self.type == "open":
            shown |= {"payoutMinor": self.payout_minor, "creditedMinor": self.credited_minor}
        return shown | {
            "currency": self.currency,
            "status": self.status,
            "funding": self.funding,
            "idempotencyKey": self.idempotency_key or None,
            "providerTxnRef": self.provider_txn_ref or None,
            "occurredAt": print_moment(self.occurred_at),
        }


def history(
    *,
    operator: Operator,
    player_id: int,
    types: Collection[str],
    since: dt.datetime | None,
    until: dt.datetime | None,
    position: Position | None,
    limit: int,
) -> Page[HistoryRow]:
    """Return a page of a player's history, `since` and `until` included."""

    def fetch(position: Position | None, limit: int) -> Sequence[HistoryRow]:
        params = {
            "operator": operator.pk,
            "player": player_id,
            "kinds": [kind for name in types for kind in KINDS.get(name, [])],
            "types": list(types),
            "from": since or BEGINNING,
            "to": until or END,
            "moment": position.moment if position else END,
            "row": position.row_id if position else LAST_ID,
            "limit": limit,
        }
        sql = NEWER if position and position.backwards else OLDER
        return [HistoryRow(*row) for row in db.rows(sql, params)]

    return paginate(fetch=fetch, key=lambda row: (row.occurred_at, row.id), position=position, limit=limit)
