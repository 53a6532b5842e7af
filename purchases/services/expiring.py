"""Held rounds whose time is up: refunded like a cancel (contract section 5)."""

from uuid import UUID

from lootbox.core import db
from lootbox.core.ids import Prefix, public_id
from purchases.models import Funding, Round, RoundState
from purchases.services.refunding import attempt_refund, end_round, intend_refund, refund_key
from purchases.services.settling import Clock
from wallet.models import WalletCall


def expire_held(*, clock: Clock, limit: int) -> int:
    """Begin to refund up to `limit` held rounds whose time is up; return how many. Locked ones wait for their lock's end.

    What a wallet does not accept at once stays owed, and recovery asks for it again.
    """
    due = Round.objects.filter(state=RoundState.HELD, expires_at__lte=clock(), locked_by__isnull=True)
    expired = 0
    for round_id in due.order_by("expires_at").values_list("pk", flat=True)[:limit]:
        expired += _expire(round_id, clock)
    return expired


def _expire(round_id: UUID, clock: Clock) -> bool:
    at = clock()
    call: WalletCall | None = None
    with db.phase():
        round_ = (
            Round.objects.select_for_update(of=("self",), skip_locked=True)
            .select_related("player", "operator")
            .filter(pk=round_id, state=RoundState.HELD, expires_at__lte=at, locked_by__isnull=True)
            .first()
        )
        if round_ is None:
            return False
        round_.expiring = True
        if round_.funding == Funding.OPERATOR or round_.bet_minor == 0:
            Round.objects.filter(pk=round_.pk).update(expiring=True)
            end_round(operator=round_.operator, round_=round_, at=at)
        else:
            key = refund_key(public_id(Prefix.ROUND, round_.pk))
            call = intend_refund(operator=round_.operator, round_=round_, idempotency_key=key, at=at)
            Round.objects.filter(pk=round_.pk).update(expiring=True, locked_by=call.pk)
    if call is not None:
        attempt_refund(operator=round_.operator, call=call, clock=clock)
    return True
