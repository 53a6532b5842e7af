"""The comparison's own SQL: lines go into a temporary table by COPY, and one statement says of all what they are.

One statement sees one moment of the wallet calls, however long it takes. Only calls of the statement's operator are ever
looked at, so a key of another operator's is as unknown as one that never was.

A call is known to stand on another statement without any list of what matched: that statement covers the call's time, was
matched after the call was decided, and has no difference about it.
"""

import datetime as dt
import re
from dataclasses import dataclass
from typing import IO, Any, Final
from uuid import UUID

from django.db import connection

from finance.matching.formats import UNSIGNED
from finance.models import Category, Statement
from lootbox.core import db
from lootbox.core.ids import Prefix, parse_public_id
from webhooks.selectors import earliest_id

# Closer than this to an end of the period, the casino's clock decides on which side of it a booking falls.
EDGE: Final = dt.timedelta(minutes=15)
_BLOCK: Final = 256 * 1024

_THEIRS: Final = """
CREATE TEMPORARY TABLE theirs (
    number bigint, key text COLLATE "C", reference text, player text, moved bigint, currency text, at timestamptz
) ON COMMIT DROP
"""
_VERDICT: Final = """
CREATE TEMPORARY TABLE verdict (
    category text, reason text, line_number bigint, key text COLLATE "C", reference text, player text, theirs_minor bigint,
    theirs_currency text, theirs_at timestamptz, call_id uuid, round_id uuid, ours_minor bigint, ours_currency text,
    ours_state text, ours_at timestamptz
) ON COMMIT DROP
"""
_COPY: Final = "COPY theirs FROM STDIN (FORMAT csv, FORCE_NOT_NULL (key, reference, player, currency))"

# A call is asked for at `created_at` and known to be decided at `resolved_at`; the money moved somewhere between.
_ON_ANOTHER: Final = """EXISTS (
    SELECT FROM finance_statement other
    WHERE other.operator_id = %(operator)s AND other.state = 'matched'
      AND (other.ends_at <= %(starts)s OR other.starts_at >= %(ends)s)
      AND other.starts_at <= call.resolved_at AND other.ends_at > call.created_at AND other.matched_at >= call.resolved_at
      AND NOT EXISTS (SELECT FROM finance_difference told WHERE told.statement_id = other.id AND told.call_id = call.id)
)"""

_VERDICTS: Final = f"""
INSERT INTO verdict
WITH found AS MATERIALIZED (
    SELECT theirs.number, call.id FROM theirs
    JOIN wallet_walletcall call ON call.operator_id = %(operator)s AND call.idempotency_key = theirs.key
    WHERE theirs.key <> ''
    UNION ALL
    SELECT theirs.number, min(call.id::text)::uuid FROM theirs
    JOIN wallet_walletcall call ON call.operator_id = %(operator)s AND call.provider_txn_ref = theirs.reference
    WHERE theirs.key = '' AND theirs.reference <> '' GROUP BY theirs.number
), paired AS (
    SELECT theirs.*, theirs.at IS NULL OR (theirs.at >= %(starts)s AND theirs.at < %(ends)s) AS theirs_in,
        call.id AS call_id, call.round_id, call.idempotency_key, call.type, call.state, call.created_at, call.resolved_at,
        call.currency AS call_currency, player.external_id AS call_player,
        call.created_at < %(ends)s AND coalesce(call.resolved_at, %(now)s) >= %(starts)s AS ours_in,
        CASE WHEN call.type = 'wallet.debit' AND NOT %(unsigned)s THEN -call.amount_minor ELSE call.amount_minor END
            AS expected,
        row_number() OVER (
            PARTITION BY coalesce(call.id::text, 'k' || nullif(theirs.key, ''), 'r' || theirs.reference)
            ORDER BY theirs.at IS NULL OR (theirs.at >= %(starts)s AND theirs.at < %(ends)s) DESC, theirs.number
        ) AS turn
    FROM theirs
    LEFT JOIN found USING (number)
    LEFT JOIN wallet_walletcall call ON call.id = found.id
    LEFT JOIN operators_player player ON player.id = call.player_id
), judged AS (
    SELECT paired.*, CASE
        WHEN NOT theirs_in AND ours_in IS NOT TRUE THEN 'left_out'
        WHEN moved = 0 AND (state IS DISTINCT FROM 'accepted' OR turn > 1) THEN 'left_out'
        WHEN turn > 1 THEN 'duplicate twice'
        WHEN call_id IS NULL AND key LIKE 'check:%%' THEN 'missing_ours check'
        WHEN call_id IS NULL AND key = '' THEN 'missing_ours by_reference'
        WHEN call_id IS NULL AND key ~ %(our_form)s THEN 'missing_ours our_form'
        WHEN call_id IS NULL THEN 'missing_ours foreign'
        WHEN state IN ('pending', 'unknown') THEN 'state unknown'
        WHEN state <> 'accepted' AND EXISTS (
            SELECT FROM wallet_walletcall undo WHERE undo.operator_id = %(operator)s AND undo.state = 'accepted'
              AND undo.idempotency_key = 'rollback:' || paired.idempotency_key)
            THEN CASE WHEN EXISTS (
                SELECT FROM theirs undo WHERE undo.key = 'rollback:' || paired.idempotency_key AND undo.moved <> 0)
                THEN 'matched' ELSE 'state rollback_missing' END
        WHEN state <> 'accepted' THEN 'state ' || state
        WHEN type = 'wallet.rollback' AND moved = 0 THEN 'left_out'
        WHEN type = 'wallet.rollback' AND NOT EXISTS (
            SELECT FROM theirs debit WHERE debit.key = substr(paired.idempotency_key, 10)) THEN 'state rollback_alone'
        WHEN currency <> call_currency THEN 'amount currency'
        WHEN player <> '' AND player <> call_player THEN 'amount player'
        WHEN abs(moved - expected) > %(tolerance)s THEN CASE
            WHEN moved = -expected THEN 'amount sign'
            WHEN abs(expected) IN (abs(moved) * 100, abs(moved) * 1000) THEN 'amount unit'
            WHEN abs(moved) IN (abs(expected) * 100, abs(expected) * 1000) THEN 'amount unit'
            ELSE 'amount amount' END
        WHEN theirs_in AND ours_in THEN 'matched'
        WHEN theirs_in AND EXISTS (SELECT FROM wallet_walletcall call WHERE call.id = paired.call_id AND {_ON_ANOTHER})
            THEN 'duplicate twice_other_day'
        ELSE 'timing other_side'
    END AS judgement
    FROM paired
), unmatched AS (
    SELECT call.*, player.external_id AS player, CASE
        WHEN call.state <> 'accepted' THEN 'timing unresolved'
        WHEN EXISTS (
            SELECT FROM finance_difference told WHERE told.call_id = call.id AND told.statement_id <> %(statement)s
              AND told.category = 'timing' AND told.line_number IS NOT NULL) THEN 'timing on_another'
        WHEN call.created_at < %(starts)s OR call.resolved_at >= %(ends)s THEN 'timing late'
        WHEN call.created_at < %(starts)s + %(edge)s OR call.resolved_at >= %(ends)s - %(edge)s THEN 'timing near_edge'
        ELSE 'missing_theirs accepted'
    END AS judgement
    FROM wallet_walletcall call JOIN operators_player player ON player.id = call.player_id
    WHERE call.operator_id = %(operator)s AND call.type <> 'wallet.rollback'
      AND call.state IN ('accepted', 'pending', 'unknown')
      -- Ids begin with the time of their making; what was decided later than asked for is found by its place in the ledger.
      AND ((call.id >= %(first_id)s AND call.id < %(last_id)s AND call.created_at >= %(starts)s AND call.created_at < %(ends)s)
        OR (call.ledger_sequence IS NOT NULL AND call.resolved_at >= %(starts)s AND call.resolved_at < %(ends)s
            AND call.created_at < %(starts)s))
      AND NOT EXISTS (SELECT FROM found WHERE found.id = call.id)
      AND NOT ((call.created_at < %(starts)s OR call.resolved_at >= %(ends)s) AND {_ON_ANOTHER})
)
SELECT split_part(judgement, ' ', 1), split_part(judgement, ' ', 2), number,
    coalesce(nullif(key, ''), idempotency_key, ''), reference, coalesce(nullif(player, ''), call_player, ''),
    moved, currency, at, call_id, round_id,
    CASE WHEN turn = 1 THEN expected END, CASE WHEN turn = 1 THEN coalesce(call_currency, '') ELSE '' END,
    coalesce(state, ''), created_at
FROM judged
UNION ALL
SELECT split_part(judgement, ' ', 1), split_part(judgement, ' ', 2), NULL, idempotency_key, provider_txn_ref, player,
    NULL, '', NULL, id, round_id,
    CASE WHEN type = 'wallet.debit' AND NOT %(unsigned)s THEN -amount_minor ELSE amount_minor END, currency, state, created_at
FROM unmatched
"""
_OUR_FORM: Final = (
    "^((round|payout:round|refund:round|rollback:round):r_[0-9A-HJKMNP-TV-Z]{26}"
    "|cashback:inventory:[0-9]+|(rollback:)?shipping:player:[0-9a-f]+)$"
)
_NAMED_ROUND: Final = re.compile("r_[0-9A-Z]{26}$")
_LOST: Final = "SELECT DISTINCT key FROM verdict WHERE reason = 'our_form' AND key LIKE '%%:r\\_%%' LIMIT 10000"
# A line that names one of our rounds is worth a look at the round, though the call is unknown.
_NAME_ROUNDS: Final = """
UPDATE verdict SET round_id = round.id, reason = 'lost_with_round'
FROM unnest(%(keys)s::text[], %(rounds)s::uuid[]) AS named (key, round_id)
JOIN purchases_round round ON round.id = named.round_id AND round.operator_id = %(operator)s
WHERE verdict.reason = 'our_form' AND verdict.key = named.key
"""

# What we do not hold for moved counts as nothing on our side.
_TOTALS: Final = """
SELECT category, currency, count(*) FILTER (WHERE theirs), count(*) FILTER (WHERE NOT theirs),
    coalesce(sum(minor) FILTER (WHERE theirs), 0)::text, coalesce(sum(minor) FILTER (WHERE NOT theirs), 0)::text
FROM (
    SELECT category, theirs_currency AS currency, true AS theirs, theirs_minor AS minor
    FROM verdict WHERE line_number IS NOT NULL
    UNION ALL
    SELECT category, ours_currency, false, ours_minor
    FROM verdict
    WHERE ours_minor IS NOT NULL AND category NOT IN ('left_out', 'state')
      AND (ours_state = 'accepted' OR category = 'matched')
) sides
GROUP BY category, currency ORDER BY currency, category
"""
_COUNTS: Final = "SELECT category, count(*), count(line_number) FROM verdict GROUP BY category"
_KEEP: Final = """
INSERT INTO finance_difference
    (operator_id, statement_id, category, reason, line_number, key, reference, player_external_id, theirs_minor,
     theirs_currency, theirs_at, call_id, round_id, ours_minor, ours_currency, ours_state, ours_at)
SELECT %(operator)s, %(statement)s, category, reason, line_number, key, reference, player, theirs_minor, theirs_currency,
    theirs_at, call_id, round_id, ours_minor, ours_currency, ours_state, ours_at
FROM verdict WHERE category NOT IN ('matched', 'left_out')
ORDER BY category, coalesce(theirs_at, ours_at), line_number
"""


@dataclass(frozen=True)
class Compared:
    """What came of a comparison. `sums` has a row a currency and category, amounts in minor units of the player's balance."""

    lines: int
    left_out: int
    counts: dict[str, int]
    sums: list[dict[str, Any]]

    def as_json(self) -> dict[str, Any]:
        """Return it as it is stored and shown."""
        return {"lines": self.lines, "leftOut": self.left_out, "counts": self.counts, "sums": self.sums}


def compare(*, statement: Statement, lines: IO[bytes], at: dt.datetime) -> Compared:
    """Compare the lines, as `COPY … CSV` takes them, with our calls in the caller's transaction, and keep the differences.

    Earlier differences of the same statement make room. Returns counts and sums.
    """
    with connection.cursor() as cursor:
        cursor.execute(_THEIRS)
        cursor.execute(_VERDICT)
        with cursor.copy(_COPY) as copy:
            while block := lines.read(_BLOCK):
                copy.write(block)
        cursor.execute("CREATE INDEX ON theirs (key)")
        cursor.execute("ANALYZE theirs")
    which = {"operator": statement.operator_id, "statement": statement.pk}
    statement.differences.all().delete()
    _execute(_VERDICTS, which | _period(statement, at))
    _name_rounds(statement)
    _execute(_KEEP, which)
    counts = {category: (whole, with_line) for category, whole, with_line in db.rows(_COUNTS, {})}
    return Compared(
        lines=sum(with_line for _, with_line in counts.values()),
        left_out=counts.get("left_out", (0, 0))[0],
        counts={category: counts.get(category, (0, 0))[0] for category in Category.values},
        sums=[
            {
                "currency": currency, "category": category, "lines": theirs, "calls": ours,
                "theirsMinor": int(theirs_minor), "oursMinor": int(ours_minor),
            }
            for category, currency, theirs, ours, theirs_minor, ours_minor in db.rows(_TOTALS, {})
        ],
    )  # fmt: skip


def _period(statement: Statement, at: dt.datetime) -> dict[str, object]:
    slack = dt.timedelta(minutes=10)  # between the clock that a call's id came from and the one that dates it
    return {
        "starts": statement.starts_at,
        "ends": statement.ends_at,
        "now": at,
        "edge": EDGE,
        "tolerance": statement.tolerance_minor,
        "unsigned": (statement.mapping or {}).get("sign") == UNSIGNED,
        "our_form": _OUR_FORM,
        "first_id": earliest_id(at=statement.starts_at - slack),
        "last_id": earliest_id(at=statement.ends_at + slack),
    }


def _name_rounds(statement: Statement) -> None:
    named: dict[str, UUID] = {}
    for (key,) in db.rows(_LOST, {}):
        match = _NAMED_ROUND.search(key)
        round_id = parse_public_id(Prefix.ROUND, match[0]) if match else None
        if round_id is not None:
            named[key] = round_id
    if named:
        rounds = list(named.values())
        _execute(_NAME_ROUNDS, {"operator": statement.operator_id, "keys": list(named), "rounds": rounds})


def _execute(sql: str, params: dict[str, Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
