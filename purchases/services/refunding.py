"""Giving a debit back: by one credit, only after the debit was accepted, its end written down with the round's (section 6)."""

import datetime as dt
from dataclasses import dataclass

from lootbox.core import db
from lootbox.core.ids import Prefix, public_id
from operators.models import MYSTERY_BOX, Operator
from purchases import notices, rounds
from purchases.models import Round, RoundState
from purchases.rounds import RoundFacts
from purchases.services.settling import Clock
from wallet import services as wallet
from wallet.models import CallType, Reason, WalletCall
from wallet.outcomes import Fate
from webhooks import outbox
from webhooks.models import EventType


@dataclass(frozen=True)
class RefundEnd:
    """A refund and its round as they stand after one attempt."""

    call: WalletCall
    facts: RoundFacts


def refund_key(public_id: str) -> str:
    """Return the idempotency key of a round's refund, unless the caller brings one (contract section 10)."""
    return f"refund:round:{public_id}"


def intend_refund(*, operator: Operator, round_: Round, idempotency_key: str, at: dt.datetime) -> WalletCall:
    """Write down the credit of what was debited, inside the caller's transaction.

    Raises `IDEMPOTENCY_CONFLICT` when the key stands for another movement; a database trigger refuses a refund without its
    accepted debit.
    """
    round_public_id = public_id(Prefix.ROUND, round_.id)
    earlier = WalletCall.objects.filter(operator=operator, idempotency_key=idempotency_key, round_id=round_.id).first()
    if earlier is not None and earlier.reason == Reason.REFUND:
        again = wallet.intend_again(call=earlier, at=at)
        if again is not None:
            return again
    return wallet.intend(
        operator=operator,
        player=round_.player,
        call_type=CallType.CREDIT,
        reason=Reason.REFUND,
        idempotency_key=idempotency_key,
        amount_minor=round_.bet_minor,
        currency=round_.currency,
        base_amount_minor=round_.base_bet_minor,
        details={"roundPublicId": round_public_id, "gameKey": MYSTERY_BOX, "mode": round_.mode},
        at=at,
        round_id=round_.id,
    )


def attempt_refund(*, operator: Operator, call: WalletCall, clock: Clock) -> RefundEnd:
    """Send a refund that was written down, once, and record what became of it and of the round.

    A held round that its player cancels is unlocked by a refusal. A round that is undone or has expired owes the money, so a
    refused refund is asked for again.
    """
    assert call.round_id is not None
    outcome = wallet.send(operator=operator, call=call, at=clock())
    at = clock()
    with db.phase():
        round_ = Round.objects.select_for_update(of=("self",)).get(pk=call.round_id)
        owed = round_.state == RoundState.UNDOING or round_.expiring
        if wallet.record(call=call, outcome=outcome, at=at, refusal_decides=not owed):
            if outcome.fate is Fate.ACCEPTED:
                end_round(operator=operator, round_=round_, at=at)
            elif outcome.fate is Fate.REFUSED and not owed:
                Round.objects.filter(pk=round_.pk, locked_by=call.pk).update(locked_by=None)
    facts = rounds.load(operator=operator, round_id=round_.pk)
    assert facts is not None
    return RefundEnd(WalletCall.objects.get(pk=call.pk), facts)


def end_round(*, operator: Operator, round_: Round, at: dt.datetime) -> None:
    """Write down the end of a round that is not drawn, and tell of it, in the caller's transaction, which locked the row."""
    if round_.state == RoundState.UNDOING:
        state, event = RoundState.VOIDED, EventType.ROUND_VOIDED
    elif round_.expiring:
        state, event = RoundState.EXPIRED, EventType.ROUND_REFUNDED
    else:
        state, event = RoundState.REFUNDED, EventType.ROUND_REFUNDED
    Round.objects.filter(pk=round_.pk).update(state=state, ended_at=at, locked_by=None, recover_at=None)
    facts = rounds.load(operator=operator, round_id=round_.pk)
    assert facts is not None
    outbox.record(operator=operator, event=notices.of_round(event=event, facts=facts, operator=operator, at=at), at=at)
