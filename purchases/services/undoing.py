"""Undoing a pending round that nobody retried: learn the debit's fate, give it back, void the round (contract section 5)."""

import datetime as dt
from uuid import UUID

from lootbox.core import db
from lootbox.core.ids import Prefix, public_id
from operators.models import MYSTERY_BOX, Operator
from purchases.models import Round, RoundState
from purchases.services.refunding import attempt_refund, end_round, intend_refund, refund_key
from purchases.services.settling import Clock
from wallet import schedule
from wallet import services as wallet
from wallet.models import CallState, CallType, Reason, WalletCall
from wallet.outcomes import Fate

# Given to a debit that never left us: its wallet was never reached.
NEVER_SENT = "NEVER_SENT"
ROLLED_BACK = "ROLLED_BACK"


def undo(*, round_id: UUID, clock: Clock) -> None:
    """Take an undoing round one step on: to its end, or to the next time that its wallet is asked."""
    round_ = Round.objects.select_related("operator", "player").get(pk=round_id)
    if round_.state != RoundState.UNDOING:
        return
    operator = round_.operator
    debit = WalletCall.objects.filter(round_id=round_id, reason=Reason.PURCHASE).first()
    if debit is None:
        _void(operator, round_, clock)
    elif debit.state == CallState.ACCEPTED:
        _give_back(operator, round_, clock)
    elif debit.state in (CallState.REFUSED, CallState.CLOSED):
        _void(operator, round_, clock)
    elif not debit.maybe_sent:
        _void(operator, round_, clock, never_sent=debit)
    elif operator.wallet_rollback:
        _roll_back(operator, round_, debit, clock)
    else:
        _probe(operator, round_, debit, clock)


def _probe(operator: Operator, round_: Round, debit: WalletCall, clock: Clock) -> None:
    """Learn the debit's fate by sending it again under its key."""
    with db.phase():
        again = wallet.intend_again(call=debit, at=clock())
    if again is None:
        return
    outcome = wallet.send(operator=operator, call=again, at=clock())
    at = clock()
    with db.phase():
        recorded = wallet.record(call=again, outcome=outcome, at=at)
        if recorded and outcome.fate not in (Fate.ACCEPTED, Fate.REFUSED):
            _try_later(round_, attempts=again.attempts, at=at)
    if recorded and outcome.fate is Fate.ACCEPTED:
        _give_back(operator, round_, clock)
    elif recorded and outcome.fate is Fate.REFUSED:
        _void(operator, round_, clock)


def _roll_back(operator: Operator, round_: Round, debit: WalletCall, clock: Clock) -> None:
    """Have the wallet undo the debit, taken or not, and refuse it from then on."""
    at = clock()
    with db.phase():
        # People may have said meanwhile what became of the debit; they hold this lock then.
        Round.objects.select_for_update(of=("self",)).get(pk=round_.pk)
        if not WalletCall.objects.filter(pk=debit.pk, state__in=wallet.UNRESOLVED).exists():
            return
        key = f"rollback:{debit.idempotency_key}"
        earlier = WalletCall.objects.filter(operator=operator, idempotency_key=key).first()
        call = (wallet.intend_again(call=earlier, at=at) or earlier) if earlier else _intend_rollback(round_, debit, key, at)
    outcome = wallet.send(operator=operator, call=call, at=clock())
    at = clock()
    with db.phase():
        recorded = wallet.record(call=call, outcome=outcome, at=at, refusal_decides=False)
        if recorded and outcome.fate is Fate.ACCEPTED:
            close_rolled_back(round_id=round_.pk, at=at)
        elif recorded:
            _try_later(round_, attempts=call.attempts, at=at)
    if recorded and outcome.fate is Fate.ACCEPTED:
        _void(operator, round_, clock)


def _intend_rollback(round_: Round, debit: WalletCall, key: str, at: dt.datetime) -> WalletCall:
    return wallet.intend(
        operator=round_.operator,
        player=round_.player,
        call_type=CallType.ROLLBACK,
        reason=Reason.ROLLBACK,
        idempotency_key=key,
        amount_minor=debit.amount_minor,
        currency=debit.currency,
        base_amount_minor=debit.base_amount_minor,
        details={"roundPublicId": public_id(Prefix.ROUND, round_.pk), "gameKey": MYSTERY_BOX, "mode": round_.mode},
        at=at,
        round_id=round_.pk,
        rollback_of=debit.idempotency_key,
    )


def _give_back(operator: Operator, round_: Round, clock: Clock) -> None:
    """Refund the accepted debit. From here on the refund's own row is what recovery goes by."""
    at = clock()
    with db.phase():
        locked = Round.objects.select_for_update(of=("self",)).select_related("player").get(pk=round_.pk)
        if locked.state != RoundState.UNDOING or locked.recover_at is None:
            return
        key = refund_key(public_id(Prefix.ROUND, locked.pk))
        call = intend_refund(operator=operator, round_=locked, idempotency_key=key, at=at)
        Round.objects.filter(pk=locked.pk).update(recover_at=None)
    attempt_refund(operator=operator, call=call, clock=clock)


def _void(operator: Operator, round_: Round, clock: Clock, *, never_sent: WalletCall | None = None) -> None:
    at = clock()
    with db.phase():
        locked = Round.objects.select_for_update(of=("self",)).get(pk=round_.pk)
        if locked.state == RoundState.UNDOING:
            if never_sent is not None:
                _close(never_sent, NEVER_SENT, at)
            end_round(operator=operator, round_=locked, at=at)


def close_rolled_back(*, round_id: UUID, at: dt.datetime) -> None:
    """Close the debit of a round that its wallet rolled back, in the caller's transaction."""
    for debit in WalletCall.objects.filter(round_id=round_id, reason=Reason.PURCHASE):
        _close(debit, ROLLED_BACK, at)


def _close(debit: WalletCall, why: str, at: dt.datetime) -> None:
    WalletCall.objects.filter(pk=debit.pk, state__in=wallet.UNRESOLVED).update(
        state=CallState.CLOSED, error_code=why, next_attempt_at=None, resolved_at=at
    )


def _try_later(round_: Round, *, attempts: int, at: dt.datetime) -> None:
    Round.objects.filter(pk=round_.pk, state=RoundState.UNDOING).update(
        recover_at=schedule.next_attempt(attempts=attempts, at=at)
    )
