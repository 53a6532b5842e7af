"""The ledger's order: what moved money gets a gapless number per operator after its commit (contract section 7).

An id or a time is taken before the commit, so a reader who remembers the highest one he saw would miss a row that was taken
earlier and committed later. A number is given only to what is committed, by one numberer at a time for each operator, who
commits before the next one starts: behind a number that somebody has seen, nothing ever appears. Purchases don't queue for it.

A movement is an accepted debit or credit, also one that people accepted on the operator's word. A rollback is none: it undoes
a debit that was never accepted here, so neither of them is ever numbered, and amounts still add up to what the wallet moved.
"""

from typing import Final

from lootbox.core import db

BATCH: Final = 5000
# The upper half of an advisory lock's key; the lower one is the operator.
_LOCK_SPACE: Final = 0x6C656467 << 32

UNNUMBERED: Final = "state = 'accepted' AND ledger_sequence IS NULL AND type IN ('wallet.debit', 'wallet.credit')"
_WAITING: Final = f"SELECT DISTINCT operator_id FROM wallet_walletcall WHERE {UNNUMBERED}"
_LOCK: Final = "SELECT true FROM pg_advisory_xact_lock(%(key)s)"
_TRY_LOCK: Final = "SELECT pg_try_advisory_xact_lock(%(key)s)"
# A statement of its own, because it must look at the table after the lock was won.
_NUMBER: Final = f"""
    WITH fresh AS (
        SELECT id, row_number() OVER (ORDER BY resolved_at, id) AS place
        FROM (
            SELECT id, resolved_at FROM wallet_walletcall WHERE operator_id = %(operator)s AND {UNNUMBERED}
            ORDER BY resolved_at, id LIMIT %(batch)s
        ) earliest
    ), newest AS (
        SELECT coalesce(max(ledger_sequence), 0) AS sequence FROM wallet_walletcall
        WHERE operator_id = %(operator)s AND ledger_sequence IS NOT NULL
    ), numbered AS (
        UPDATE wallet_walletcall call SET ledger_sequence = newest.sequence + fresh.place
        FROM fresh, newest WHERE call.id = fresh.id
        RETURNING call.id
    )
    SELECT count(*) FROM numbered
"""


def number_movements(*, operator_id: int | None = None) -> int:
    """Give committed movements their place in the ledger, and return how many got one.

    With `operator_id` all of that operator's, after waiting for whoever is numbering them; without it everybody's, passing over
    whom another process is busy with.
    """
    if operator_id is not None:
        return _number(operator_id, lock=_LOCK)
    return sum(_number(waiting, lock=_TRY_LOCK) for (waiting,) in db.rows(_WAITING, {}))


def is_complete(*, operator_id: int) -> bool:
    """Return whether every movement of the operator that is committed by now has its number."""
    sql = f"SELECT EXISTS (SELECT FROM wallet_walletcall WHERE operator_id = %(operator)s AND {UNNUMBERED})"
    return not db.rows(sql, {"operator": operator_id})[0][0]


def _number(operator_id: int, *, lock: str) -> int:
    total = 0
    while True:
        with db.phase():
            numbered = 0
            if db.rows(lock, {"key": _LOCK_SPACE | operator_id})[0][0]:
                numbered = db.rows(_NUMBER, {"operator": operator_id, "batch": BATCH})[0][0]
        total += numbered
        if numbered < BATCH:
            return total
