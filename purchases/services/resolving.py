"""What people do about money that the platform alone can't settle: have the wallet asked at once, or say what it did."""

import datetime as dt
from uuid import UUID

from django.db.models.functions import Now

from lootbox.core import db
from lootbox.core.errors import ApiError, ErrorCode
from purchases.models import Round, RoundState
from purchases.services import undoing
from purchases.services.refunding import end_round
from vault.services import resolving as items_and_orders
from wallet import services as wallet
from wallet.models import CallState, Reason, WalletCall


def refusal(*, call: WalletCall) -> str | None:
    """Return why a call's fate can't be said by people, None when it can."""
    if not wallet.is_resting(call):
        return "Only a call of unknown fate can be resolved; this one is " + call.get_state_display().lower() + "."
    if call.round_id is None:
        return items_and_orders.refusal(call=call)
    return _still_open(call.round_id) if call.reason == Reason.PURCHASE else None


def _still_open(round_id: UUID) -> str | None:
    if not Round.objects.filter(pk=round_id, state=RoundState.UNDOING).exists():
        return "The round is still open to a retry of its player's. Wait until the platform undoes it."
    return wallet.rollback_under_way(round_id=round_id)


def may_be_not_taken(*, call: WalletCall) -> bool:
    """Return whether people can close a call as never done: a debit or a cashback. Anything else is owed."""
    return call.reason in (Reason.PURCHASE, Reason.SHIPPING, Reason.CASHBACK)


def ask_now(*, call: WalletCall, witness: db.Witness) -> None:
    """Have recovery ask the wallet at once. Raises `ACTION_IN_PROGRESS` for a call that is under way or decided."""
    with db.phase():
        due = WalletCall.objects.filter(wallet.RESTING, pk=call.pk).update(next_attempt_at=Now())
        if due and call.reason == Reason.ROLLBACK and call.order_id is not None:
            # Recovery comes to an order's rollback from its debit.
            due = WalletCall.objects.filter(order_id=call.order_id, reason=Reason.SHIPPING).update(next_attempt_at=Now())
        elif due and call.reason in (Reason.PURCHASE, Reason.ROLLBACK) and call.round_id is not None:
            due = Round.objects.filter(pk=call.round_id, state=RoundState.UNDOING, recover_at__isnull=False).update(
                recover_at=Now()
            )
        if not due:
            raise ApiError(ErrorCode.ACTION_IN_PROGRESS, "The wallet is being asked already, or has answered. Look again.")
        witness()


def resolve(*, call: WalletCall, taken: bool, reference: str, at: dt.datetime, witness: db.Witness) -> None:
    """Write down what the operator says its wallet did with a call of unknown fate, and let its round, item or order follow.

    `taken` with the wallet's own `reference`: it moved the money, or rolled it back. Otherwise it did not and never will,
    which a debit or a cashback can be closed by: any other credit is owed. The round of a debit goes on being undone by
    recovery; that of a refund ends here. Raises `ACTION_IN_PROGRESS` when the call's fate is known by now,
    `VALIDATION_FAILED` when it can't be resolved so.
    """
    if not taken and not may_be_not_taken(call=call):
        raise ApiError(ErrorCode.VALIDATION_FAILED, "This is owed. Have the wallet asked again instead of closing it.")
    with db.phase():
        resolve_one = items_and_orders.resolve if call.round_id is None else _resolve_of_round
        if not resolve_one(call=call, taken=taken, reference=reference, at=at):
            raise ApiError(ErrorCode.ACTION_IN_PROGRESS, "The call's fate is known by now, or is being found out. Look again.")
        witness()


def _resolve_of_round(*, call: WalletCall, taken: bool, reference: str, at: dt.datetime) -> bool:
    assert call.round_id is not None, "the caller looked"
    round_ = Round.objects.select_for_update(of=("self",)).select_related("operator").get(pk=call.round_id)
    state = CallState.ACCEPTED if taken else CallState.CLOSED
    decided = wallet.decide(call=call, state=state, reference=reference, at=at)
    if decided is None:
        return False
    if call.reason == Reason.PURCHASE and (why := _still_open(round_.pk)) is not None:
        raise ApiError(ErrorCode.VALIDATION_FAILED, why)
    if decided.reason == Reason.ROLLBACK:
        undoing.close_rolled_back(round_id=round_.pk, at=at)
    if decided.reason in (Reason.PURCHASE, Reason.ROLLBACK):
        Round.objects.filter(pk=round_.pk).update(recover_at=Now())
    elif decided.reason == Reason.REFUND:
        end_round(operator=round_.operator, round_=round_, at=at)
    return True
