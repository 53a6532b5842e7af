"""What holds after every scenario with won items: once all fates are known, nothing is locked, unpaid or paid twice."""

import datetime as dt

from django.db.models import Q
from django.utils import timezone

from operators.models import Operator
from tests.casino_wallet import Casino
from tests.invariants import assert_books_agree
from vault.models import InventoryItem, ItemState, OrderItem, OrderStatus, ShippingOrder
from vault.services.cashing import finish_cashback
from vault.services.paying import finish_shipping_debit, finish_shipping_refund
from wallet.models import CallState, Reason, WalletCall

FINISHERS = {
    Reason.CASHBACK: finish_cashback,
    Reason.SHIPPING: finish_shipping_debit,
    Reason.REFUND: finish_shipping_refund,
}
UNRESOLVED = Q(state__in=[CallState.PENDING, CallState.UNKNOWN]) & ~Q(reason=Reason.ROLLBACK)


def much_later() -> dt.datetime:
    """Return a time when everything is due, and nobody can still be at work."""
    return timezone.now() + dt.timedelta(days=2)


def recover() -> int:
    """Take up, once each, what is unresolved of items and orders, as the recovery worker does; return how many."""
    calls = WalletCall.objects.filter(UNRESOLVED, round_id=None).select_related("operator")
    for call in list(calls):
        FINISHERS[Reason(call.reason)](operator=call.operator, call=call, clock=much_later)
    return len(calls)


def assert_vault_sound(operator: Operator, casino: Casino) -> None:
    """Let the wallet be well and recovery end everything, then assert that items, orders and both ledgers fit together."""
    casino.play()
    casino.wallet.refuse = None
    for _ in range(5):
        if not recover():
            break
    assert not WalletCall.objects.filter(UNRESOLVED).exists()
    assert not InventoryItem.objects.exclude(locked_by=None).exists()
    accepted = WalletCall.objects.filter(state=CallState.ACCEPTED)
    for item in InventoryItem.objects.all():
        cashed = accepted.filter(reason=Reason.CASHBACK, inventory_item_id=item.pk).count()
        assert cashed == (1 if item.state == ItemState.CASHED_BACK else 0)
        alive = OrderItem.objects.filter(inventory_item=item).exclude(
            order__status__in=[OrderStatus.VOIDED, OrderStatus.CANCELLED]
        )
        assert alive.count() == (1 if item.state in {ItemState.SHIP_REQUESTED, ItemState.FULFILLED} else 0)
    for order in ShippingOrder.objects.all():
        paid = accepted.filter(reason=Reason.SHIPPING, order_id=order.pk).count()
        refunded = accepted.filter(reason=Reason.REFUND, order_id=order.pk).count()
        made = order.status not in {OrderStatus.UNPAID, OrderStatus.VOIDED, OrderStatus.CANCELLED}
        assert order.status != OrderStatus.UNPAID
        assert paid - refunded == (1 if made and order.cost_minor else 0)
    assert_books_agree(operator, casino.wallet)
