"""What people say became of a wallet call about an item or an order, where the wallet can't be asked any more.

Locks are taken in the order player, order, items by id, wallet calls.
"""

import datetime as dt

from lootbox.core.errors import ApiError, ErrorCode
from vault.models import OrderStatus, ShippingOrder
from vault.services import cashing, paying
from wallet import services as wallet
from wallet.models import CallState, Reason, WalletCall


def refusal(*, call: WalletCall) -> str | None:
    """Return why the fate of an item's or order's call can't be said by people, None when it can."""
    if call.reason != Reason.SHIPPING or call.order_id is None:
        return None
    if ShippingOrder.objects.filter(pk=call.order_id, status=OrderStatus.UNPAID).exists():
        return "The order is still open to a retry of its player's. Wait until the platform gives it up."
    return wallet.rollback_under_way(order_id=call.order_id)


def resolve(*, call: WalletCall, taken: bool, reference: str, at: dt.datetime) -> bool:
    """Write down what the wallet did, in the caller's transaction, and let item or order follow.

    Returns False when the call's fate is known or being found out. Raises `VALIDATION_FAILED` when `refusal` says so.

    A cashback that was not paid leaves its item free: the same key asks again, so it can't be paid twice. A shipping debit that
    was taken is given back, as its order came to nothing. What gives an order's money back can only be said to have been paid.
    """
    if call.inventory_item_id is not None:
        item = cashing.locked_item(call.inventory_item_id)
        state = CallState.ACCEPTED if taken else CallState.REFUSED
        decided = wallet.decide(call=call, state=state, reference=reference, at=at)
        if decided is not None:
            cashing.follow(operator=decided.operator, item=item, call=decided, at=at)
        return decided is not None
    assert call.order_id is not None, "what is not about an item is about an order"
    order = paying.lock_order(order_id=call.order_id)
    if (why := refusal(call=call)) is not None:
        raise ApiError(ErrorCode.VALIDATION_FAILED, why)
    state = CallState.ACCEPTED if taken else CallState.CLOSED
    decided = wallet.decide(call=call, state=state, reference=reference, at=at)
    if decided is not None and decided.reason == Reason.SHIPPING:
        paying.follow_debit(order=order, debit=decided, at=at)
    elif decided is not None and decided.reason == Reason.ROLLBACK:
        paying.follow_rollback(order=order, rollback=decided, at=at)
    return decided is not None
