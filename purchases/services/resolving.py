"""What people do about money that the platform alone can't settle: have the wallet asked at once, or say what it did."""

import datetime as dt

from django.db.models.functions import Now

from lootbox.core import db
from lootbox.core.errors import ApiError, ErrorCode
from purchases.models import Round, RoundState
from purchases.services.refunding import end_round
from wallet.models import CallState, CallType, Reason, WalletCall

NOT_TAKEN = "NOT_TAKEN"
RESOLVABLE = (Reason.PURCHASE, Reason.PAYOUT, Reason.REFUND)


def refusal(*, call: WalletCall) -> str | None:
    """Return why a call's fate can't be said by people, None when it can."""
    if call.state != CallState.UNKNOWN:
        return "Only a call of unknown fate can be resolved; this one is " + call.get_state_display().lower() + "."
    if call.reason not in RESOLVABLE or call.round_id is None:
        return "Only debits, payouts and refunds of rounds can be resolved here. Have the wallet asked again."
    undoing = Round.objects.filter(pk=call.round_id, state=RoundState.UNDOING)
    if call.reason == Reason.PURCHASE and not undoing.exists():
        return "The round is still open to a retry of its player's. Wait until the platform undoes it."
    return None


def ask_now(*, call: WalletCall, witness: db.Witness) -> None:
    """Have recovery ask the wallet at once. Raises `ACTION_IN_PROGRESS` for a call that is under way or decided."""
    with db.phase():
        due = WalletCall.objects.filter(pk=call.pk, state=CallState.UNKNOWN).update(next_attempt_at=Now())
        if due and call.reason == Reason.PURCHASE and call.round_id is not None:
            due = Round.objects.filter(pk=call.round_id, state=RoundState.UNDOING, recover_at__isnull=False).update(
                recover_at=Now()
            )
        if not due:
            raise ApiError(ErrorCode.ACTION_IN_PROGRESS, "The wallet is being asked already, or has answered. Look again.")
        witness()


def resolve(*, call: WalletCall, taken: bool, reference: str, at: dt.datetime, witness: db.Witness) -> None:
    """Write down what the operator says its wallet did with a call of unknown fate, and let the round follow.

    `taken` with the wallet's own `reference`: it moved the money. Otherwise it did not and never will, which only a debit can
    be closed by: a credit is owed. The round of a debit goes on being undone by recovery; that of a refund ends here. Raises
    `ACTION_IN_PROGRESS` when the call's fate is known by now, `VALIDATION_FAILED` when it can't be resolved so.
    """
    with db.phase():
        rounds = Round.objects.select_for_update(of=("self",)).select_related("operator")
        round_ = rounds.filter(pk=call.round_id).first() if call.round_id else None
        locked = WalletCall.objects.select_for_update(of=("self",)).get(pk=call.pk)
        if locked.state != CallState.UNKNOWN:
            raise ApiError(ErrorCode.ACTION_IN_PROGRESS, "The call's fate is known by now. Look again.")
        if round_ is None or (why := refusal(call=locked)) is not None:
            raise ApiError(ErrorCode.VALIDATION_FAILED, why if round_ else None)
        if not taken and locked.type != CallType.DEBIT:
            raise ApiError(ErrorCode.VALIDATION_FAILED, "A credit is owed. Have the wallet asked again instead of closing it.")
        WalletCall.objects.filter(pk=locked.pk).update(
            state=CallState.ACCEPTED if taken else CallState.CLOSED,
            error_code="" if taken else NOT_TAKEN,
            provider_txn_ref=reference,
            next_attempt_at=None,
            resolved_at=at,
        )
        if locked.reason == Reason.PURCHASE:
            Round.objects.filter(pk=round_.pk).update(recover_at=Now())
        elif locked.reason == Reason.REFUND:
            end_round(operator=round_.operator, round_=round_, at=at)
        witness()
