"""What a close covers, read by SQL in stretches of the ledger: a day may have a million movements.

The hash is of one line a movement: a JSON array without spaces, as Python and PostgreSQL both write it, times in UTC with
microseconds. It never changes, or earlier closes could not be proved any more.
"""

import datetime as dt
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from lootbox.core import db

STRETCH: Final = 10_000

# Told of each stretch: how many movements are read, and of how many.
Progress = Callable[[int, int], object]


@dataclass(frozen=True, kw_only=True)
class Covered:
    """What a close covers: numbered up to `upto`, moved before `ends_at`, and not both already for the close before.

    That one went up to the number `after` and the time `since`; where there is none, they are 0 and None. What was asked for
    before `starts_at` is late.
    """

    operator_id: int
    starts_at: dt.datetime
    ends_at: dt.datetime
    upto: int
    after: int
    since: dt.datetime | None

    def parameters(self) -> dict[str, Any]:
        """Return what the statements below want to know."""
        return {
            "operator": self.operator_id, "starts_at": self.starts_at, "ends_at": self.ends_at, "upto": self.upto,
            "after": self.after, "since": self.since,
        }  # fmt: skip


# Each branch by an index of its own: what moved since the close before, and what got its number since but moved earlier.
_NUMBERED: Final = """
    SELECT * FROM wallet_walletcall
    WHERE operator_id = %(operator)s AND ledger_sequence IS NOT NULL AND ledger_sequence <= %(upto)s
      AND resolved_at < %(ends_at)s
"""
_MOVEMENTS: Final = f"""
    {_NUMBERED} AND resolved_at >= COALESCE(%(since)s::timestamptz, '-infinity')
    UNION ALL
    {_NUMBERED} AND resolved_at < %(since)s::timestamptz AND ledger_sequence > %(after)s
"""
_SUMS: Final = f"""
SELECT currency, base_currency, type, CASE WHEN reason = 'refund' AND order_id IS NOT NULL THEN 'shipping' ELSE reason END,
    count(*), sum(sign * amount_minor)::bigint, sum(sign * base_amount_minor)::bigint,
    count(*) FILTER (WHERE created_at < %(starts_at)s),
    COALESCE(sum(sign * amount_minor) FILTER (WHERE created_at < %(starts_at)s), 0)::bigint,
    COALESCE(sum(sign * amount_minor) FILTER (WHERE resolved_at < %(starts_at)s), 0)::bigint
FROM ({_MOVEMENTS}) call CROSS JOIN LATERAL (SELECT CASE type WHEN 'wallet.debit' THEN -1 ELSE 1 END AS sign) side
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""
_EXTENT: Final = f"""
SELECT count(*), COALESCE(min(ledger_sequence), 1) - 1, COALESCE(max(ledger_sequence), 0) FROM ({_MOVEMENTS}) call
"""
_LATE: Final = f"""
SELECT id FROM ({_MOVEMENTS}) call WHERE created_at < %(starts_at)s ORDER BY ledger_sequence LIMIT %(most)s
"""


def _moment(column: str) -> str:
    return f"""'"' || to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"') || '"'"""


_LINE: Final = (
    "call.ledger_sequence::text",
    *(f"to_json(call.{name}::text)::text" for name in ("id", "type", "reason", "idempotency_key")),
    "call.amount_minor::text", "to_json(call.currency)::text", "call.base_amount_minor::text",
    "to_json(call.base_currency)::text", "to_json(player.external_id)::text",
    "COALESCE(to_json(call.round_id::text)::text, 'null')", "COALESCE(call.inventory_item_id::text, 'null')",
    "COALESCE(to_json(call.order_id::text)::text, 'null')", "to_json(call.provider_txn_ref)::text",
    _moment("call.created_at"), _moment("call.resolved_at"),
)  # fmt: skip
_LINES: Final = f"""
SELECT count(*), COALESCE(string_agg('[' || {" || ',' || ".join(_LINE)} || ']' || chr(10), '' ORDER BY ledger_sequence), '')
FROM wallet_walletcall call JOIN operators_player player ON player.id = call.player_id
WHERE call.operator_id = %(operator)s AND ledger_sequence > %(behind)s AND ledger_sequence <= %(last)s
  AND resolved_at < %(ends_at)s
  AND (resolved_at >= COALESCE(%(since)s::timestamptz, '-infinity') OR ledger_sequence > %(after)s)
"""


def sums(covered: Covered) -> list[dict[str, Any]]:
    """Return the sums of the movements by currency and reason, in minor units signed from the players' side."""
    return [
        {
            "currency": currency, "baseCurrency": base, "type": type_, "reason": reason, "movements": movements,
            "amountMinor": amount, "baseAmountMinor": base_amount, "late": late_, "lateMinor": late_amount,
            "earlierMinor": earlier,
        }
        for currency, base, type_, reason, movements, amount, base_amount, late_, late_amount, earlier
        in db.rows(_SUMS, covered.parameters())
    ]  # fmt: skip


def rows_hash(covered: Covered, *, progress: Progress = lambda _done, _of: None) -> str:
    """Return the hash of the movements in the ledger's order."""
    asked, digest, done = covered.parameters(), hashlib.sha256(), 0
    [(of, behind, last)] = db.rows(_EXTENT, asked)
    while behind < last:
        stretch = min(behind + STRETCH, last)
        [(count, lines)] = db.rows(_LINES, asked | {"behind": behind, "last": stretch})
        digest.update(lines.encode())
        done, behind = done + count, stretch
        progress(done, of)
    return digest.hexdigest()


def late(covered: Covered, *, most: int) -> list[UUID]:
    """Return the ids of up to `most` movements that were asked for before the day, in the ledger's order."""
    return [id_ for (id_,) in db.rows(_LATE, covered.parameters() | {"most": most})]
