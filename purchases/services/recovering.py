"""Recovery: everything unresolved is taken up when it is due, from PostgreSQL alone, for ever (contract section 5).

What is due is claimed with SKIP LOCKED and moved out of the way for as long as an attempt may take, so any number of workers
may run, and what a worker that dies had claimed comes back by itself. A worker takes few of one operator's at a time, so a
dead wallet keeps nobody else waiting.
"""

import datetime as dt
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import structlog
from django.conf import settings
from django.db import connections

from lootbox.core import db, patience
from operators.models import Operator
from purchases import statements
from purchases.services.expiring import expire_held
from purchases.services.refunding import attempt_refund
from purchases.services.settling import Clock
from purchases.services.undoing import undo
from vault.services import cashing, paying, turns
from wallet import numbering, schedule
from wallet import services as wallet
from wallet.models import Reason, WalletCall

logger = structlog.get_logger(__name__)

AT_ONCE_PER_OPERATOR: Final = 4
THREADS: Final = 16
EXPIRED_AT_ONCE: Final = 100

# A pending round that is due becomes an undoing one right here: from this commit on nothing draws it any more.
CLAIM_ROUNDS: Final = """
UPDATE purchases_round SET state = 'undoing', undone_at = coalesce(undone_at, now()), fence = fence + 1, lease_until = NULL,
    recover_at = now() + make_interval(secs => %(lease_s)s)
WHERE id IN (
    SELECT due.id
    FROM (SELECT DISTINCT operator_id FROM purchases_round WHERE recover_at <= %(due)s) operator,
    LATERAL (
        SELECT id FROM purchases_round round
        WHERE round.operator_id = operator.operator_id AND recover_at <= %(due)s AND state IN ('pending', 'undoing')
        ORDER BY recover_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ) due)
RETURNING id
"""
CLAIM_CALLS: Final = """
UPDATE wallet_walletcall SET next_attempt_at = now() + make_interval(secs => %(lease_s)s)
WHERE id IN (
    SELECT due.id
    FROM (
        SELECT DISTINCT operator_id FROM wallet_walletcall
        WHERE state IN ('pending', 'unknown') AND next_attempt_at <= %(due)s AND reason NOT IN ('purchase', 'rollback')
    ) operator,
    LATERAL (
        SELECT id FROM wallet_walletcall call
        WHERE call.operator_id = operator.operator_id AND state IN ('pending', 'unknown') AND next_attempt_at <= %(due)s
          AND reason NOT IN ('purchase', 'rollback')
        ORDER BY next_attempt_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ) due)
RETURNING id
"""

# After a day without its wallet an operator's open money would wait for up to another one. While the wallet answers new debits,
# it is asked every ten minutes.
CAP_ROUNDS: Final = """
UPDATE purchases_round SET recover_at = now() + interval '10 minutes'
WHERE state = 'undoing' AND recover_at > now() + interval '10 minutes' AND NOT EXISTS (
    SELECT FROM wallet_breaker breaker WHERE breaker.operator_id = purchases_round.operator_id AND breaker.failures > 0)
RETURNING id
"""
CAP_CALLS: Final = """
UPDATE wallet_walletcall SET next_attempt_at = now() + interval '10 minutes'
WHERE state IN ('pending', 'unknown') AND next_attempt_at > now() + interval '10 minutes'
  AND reason IN ('payout', 'refund', 'cashback') AND NOT EXISTS (
    SELECT FROM wallet_breaker breaker WHERE breaker.operator_id = wallet_walletcall.operator_id AND breaker.failures > 0)
RETURNING id
"""


@dataclass(frozen=True)
class Pass:
    """What one pass took up."""

    rounds: int
    calls: int
    expired: int

    def __bool__(self) -> bool:
        """Return whether there was anything to do."""
        return bool(self.rounds or self.calls or self.expired)


def recover_due(*, clock: Clock) -> Pass:
    """Take up, once each, all rounds and wallet calls that are due now, and return how many there were.

    Movements that wait for their place in the ledger get it too, so that it goes on without a broker.
    """
    # What fails now and is due again at once belongs to the next pass.
    [(due,)] = db.rows("SELECT now()", {})
    db.rows(CAP_ROUNDS, {})
    db.rows(CAP_CALLS, {})
    expired = expire_held(clock=clock, limit=EXPIRED_AT_ONCE)
    taken_rounds = taken_calls = 0
    with ThreadPoolExecutor(THREADS, thread_name_prefix="recovery") as pool:
        while True:
            due_rounds, due_calls = _claim(CLAIM_ROUNDS, due), _claim(CLAIM_CALLS, due)
            if not due_rounds and not due_calls:
                numbering.number_movements()
                return Pass(taken_rounds, taken_calls, expired)
            jobs = [pool.submit(_in_thread, undo, round_id=row, clock=clock) for row in due_rounds]
            jobs += [pool.submit(_in_thread, ask_again, call_id=row, clock=clock) for row in due_calls]
            for job in jobs:
                job.result()
            taken_rounds += len(due_rounds)
            taken_calls += len(due_calls)


def ask_again(*, call_id: UUID, clock: Clock) -> None:
    """Ask a wallet once more for a credit that is owed, or an asset's call of unknown fate, and record what became of it."""
    call = WalletCall.objects.select_related("operator", "player").filter(pk=call_id, state__in=wallet.UNRESOLVED).first()
    if call is not None:
        _finisher(call)(operator=call.operator, call=call, clock=clock)


def pay_again(*, operator: Operator, call: WalletCall, clock: Clock) -> None:
    """Ask for a payout once more. Refused or not answered, it stays owed."""
    again = _counted(call, clock)
    if again is None:
        return
    started_at = clock()
    outcome = wallet.send(operator=operator, call=again, at=started_at)
    at = clock()
    statements.record_payout(
        call_id=again.pk,
        attempt=again.attempts,
        action_id=None,
        outcome=outcome,
        again_in_s=schedule.wait_s(attempts=again.attempts),
        started_at=started_at,
        at=at,
    )


def refund_again(*, operator: Operator, call: WalletCall, clock: Clock) -> None:
    """Ask for a round's refund once more."""
    again = _counted(call, clock)
    if again is not None:
        attempt_refund(operator=operator, call=again, clock=clock)


def _counted(call: WalletCall, clock: Clock) -> WalletCall | None:
    with db.phase():
        return turns.take_up(call=call, at=clock())


def _finisher(call: WalletCall) -> Callable[..., None]:
    match Reason(call.reason):
        case Reason.PAYOUT:
            return pay_again
        case Reason.CASHBACK:
            return cashing.finish_cashback
        case Reason.SHIPPING:
            return paying.finish_shipping_debit
        case Reason.REFUND if call.order_id is not None:
            return paying.finish_shipping_refund
        case Reason.REFUND:
            return refund_again
        case reason:
            raise ValueError(f"a call of reason {reason} is not recovery's to ask again by itself")


def _claim(sql: str, due: dt.datetime) -> list[UUID]:
    lease_s = settings.LOOTBOX_WALLET_TIMEOUT_S * 2 + statements.LEASE_MARGIN_S
    return [row[0] for row in db.rows(sql, {"lease_s": lease_s, "limit": AT_ONCE_PER_OPERATOR, "due": due})]


def _in_thread(job: Callable[..., None], **arguments: Any) -> None:
    try:
        with patience.limited():
            job(**arguments)
    except Exception:
        # One row that can't be taken on must not stop the others; it is due again when its lease ends, and stays visible.
        logger.exception("recovery_failed", **{name: str(value) for name, value in arguments.items() if name != "clock"})
    finally:
        connections.close_all()
