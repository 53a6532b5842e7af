"""What an order costs its player: debited before it is made, given back if it comes to nothing (contract sections 7 and 10).

An order that waits for its debit is `unpaid`, its items locked by the debit. A retry of the order goes on with it; if nobody
retries, recovery voids the order for good, learns the debit's fate, and gives back what was taken.

Locks are taken in the order player, order, items by id, wallet calls.
"""

import datetime as dt
import hashlib
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Now

from lootbox.core import db
from lootbox.core.ids import Prefix, public_id
from operators.models import Operator
from vault import notices, selectors
from vault.models import InventoryItem, ItemState, OrderItem, OrderStatus, ShippingOrder
from vault.services import turns
from vault.services.turns import Clock
from wallet import schedule
from wallet import services as wallet
from wallet.models import CallState, CallType, Reason, WalletCall
from webhooks import outbox

# Owed whatever the wallet says: a refused one is asked for again.
OWED: Final = (Reason.REFUND, Reason.ROLLBACK)


def place(*, order: ShippingOrder, debit: WalletCall | None, at: dt.datetime) -> None:
    """Make an order that its debit paid for, or that is free, and tell of it, in the transaction that locks order and items."""
    ShippingOrder.objects.filter(pk=order.pk, status=OrderStatus.UNPAID).update(status=OrderStatus.PENDING, updated_at=at)
    free = items_of(order.pk).filter(state=ItemState.UNRESOLVED, locked_by=debit.pk if debit else None)
    shipped = free.update(state=ItemState.SHIP_REQUESTED, locked_by=None, resolved_at=at)
    assert shipped == order.lines.count(), "the row locks keep everyone else out"
    tell(order_id=order.pk, at=at)


def tell(*, order_id: UUID, at: dt.datetime) -> ShippingOrder:
    """Return the order as it is now, and tell its operator of it, in the caller's transaction."""
    order = selectors.order_with_items(order_id)
    outbox.record(operator=order.operator, event=notices.of_order(order=order, at=at), at=at)
    return order


def lock_order(*, order_id: UUID) -> ShippingOrder:
    """Return the order, locked with its items until the caller's transaction ends."""
    order = ShippingOrder.objects.select_for_update(of=("self",), no_key=True).select_related("player").get(pk=order_id)
    list(items_of(order_id).select_for_update(no_key=True).order_by("pk"))
    return order


def items_of(order_id: UUID) -> QuerySet[InventoryItem]:
    """Return the items of an order."""
    return InventoryItem.objects.filter(pk__in=OrderItem.objects.filter(order=order_id).values("inventory_item"))


def intend_debit(*, operator: Operator, order: ShippingOrder, base_cost_minor: int, at: dt.datetime) -> WalletCall:
    """Write down the debit of an order and lock its items by it, in the caller's transaction. Amounts are minor units.

    The key hashes operator, player and order, so a new order of the same items is another debit.
    """
    order_public_id = public_id(Prefix.ORDER, order.pk)
    hashed = hashlib.sha256(f"{operator.slug}\n{order.player.external_id}\n{order_public_id}".encode()).hexdigest()
    call = wallet.intend(
        operator=operator,
        player=order.player,
        call_type=CallType.DEBIT,
        reason=Reason.SHIPPING,
        idempotency_key=f"shipping:player:{hashed[:32]}",
        amount_minor=order.cost_minor,
        currency=order.currency,
        base_amount_minor=base_cost_minor,
        details={"orderPublicId": order_public_id},
        at=at,
        order_id=order.pk,
    )
    locked = items_of(order.pk).filter(state=ItemState.UNRESOLVED, locked_by=None).update(locked_by=call.pk)
    assert locked == order.lines.count(), "the row locks keep everyone else out"
    _leave_to_the_caller(call, at)
    return call


def intend_debit_again(*, debit: WalletCall, at: dt.datetime) -> WalletCall | None:
    """Return an unpaid order's debit with one more attempt counted; None when it is decided, or an attempt is under way."""
    again = turns.take_up(call=debit, at=at)
    if again is not None:
        _leave_to_the_caller(again, at)
    return again


def attempt(*, operator: Operator, call: WalletCall, clock: Clock) -> WalletCall:
    """Send a call of an order's once, record what became of it and of the order, and return it as it is then."""
    assert call.order_id is not None
    outcome = wallet.send(operator=operator, call=call, at=clock())
    at = clock()
    with db.phase():
        order = lock_order(order_id=call.order_id)
        recorded = wallet.record(call=call, outcome=outcome, at=at, refusal_decides=call.reason not in OWED)
        now = WalletCall.objects.get(pk=call.pk)
        if recorded and call.reason == Reason.SHIPPING:
            follow_debit(order=order, debit=now, at=at)
        elif recorded and call.reason == Reason.ROLLBACK:
            follow_rollback(order=order, rollback=now, at=at)
    return now


def finish_shipping_debit(*, operator: Operator, call: WalletCall, clock: Clock) -> None:
    """Void an order that nobody retried, and ask the wallet once what became of its debit; for recovery.

    From here on no retry makes the order. Where the wallet can roll back, it is told to, in place of the same debit again.
    """
    assert call.order_id is not None
    at = clock()
    with db.phase():
        order = lock_order(order_id=call.order_id)
        question = _question(operator, order, call, at)
        if question is not None:
            _void(order, at)
    if question is not None:
        attempt(operator=operator, call=question, clock=clock)


def finish_shipping_refund(*, operator: Operator, call: WalletCall, clock: Clock) -> None:
    """Ask the wallet once more to give back what an order cost; for recovery."""
    assert call.order_id is not None
    with db.phase():
        lock_order(order_id=call.order_id)
        again = turns.take_up(call=call, at=clock())
    if again is not None:
        attempt(operator=operator, call=again, clock=clock)


def owe_refund(*, order: ShippingOrder, at: dt.datetime) -> None:
    """Write down that what an order cost is owed back, in the caller's transaction. Recovery sends it until it lands."""
    debit = WalletCall.objects.filter(order_id=order.pk, reason=Reason.SHIPPING, state=CallState.ACCEPTED).first()
    if debit is None:
        return
    call = wallet.intend(
        operator=debit.operator,
        player=debit.player,
        call_type=CallType.CREDIT,
        reason=Reason.REFUND,
        idempotency_key=f"refund:{debit.idempotency_key}",
        amount_minor=debit.amount_minor,
        currency=debit.currency,
        base_amount_minor=debit.base_amount_minor,
        details={"orderPublicId": public_id(Prefix.ORDER, order.pk)},
        at=at,
        order_id=order.pk,
    )
    WalletCall.objects.filter(pk=call.pk).update(attempts=0, maybe_sent=False, last_attempt_at=None, next_attempt_at=Now())


def follow_debit(*, order: ShippingOrder, debit: WalletCall, at: dt.datetime) -> None:
    """Let the order, locked by the caller, follow its debit: made by one that was taken, unless it was voided before."""
    if debit.state == CallState.UNKNOWN:
        if order.status == OrderStatus.UNPAID:
            _leave_to_the_caller(debit, at)
    elif debit.state == CallState.ACCEPTED and order.status == OrderStatus.UNPAID:
        place(order=order, debit=debit, at=at)
    else:
        _void(order, at)
        items_of(order.pk).filter(locked_by=debit.pk).update(locked_by=None)
        owe_refund(order=order, at=at)


def follow_rollback(*, order: ShippingOrder, rollback: WalletCall, at: dt.datetime) -> None:
    """Let the order, locked by the caller, and its debit follow a rollback."""
    debit = WalletCall.objects.filter(order_id=order.pk, reason=Reason.SHIPPING)
    if rollback.state != CallState.ACCEPTED:
        # Recovery goes by the debit, and comes to its rollback from there.
        debit.update(next_attempt_at=schedule.next_attempt(attempts=rollback.attempts, at=at))
    else:
        debit.update(state=CallState.CLOSED, error_code="ROLLED_BACK", next_attempt_at=None, resolved_at=at)
        items_of(order.pk).filter(locked_by__in=debit.values("pk")).update(locked_by=None)


def _void(order: ShippingOrder, at: dt.datetime) -> None:
    # Its idempotency key is free again, as no order was made under it.
    unpaid = ShippingOrder.objects.filter(pk=order.pk, status=OrderStatus.UNPAID)
    unpaid.update(status=OrderStatus.VOIDED, idempotency_key=None, updated_at=at)


def _leave_to_the_caller(debit: WalletCall, at: dt.datetime) -> None:
    abandoned_at = at + dt.timedelta(seconds=settings.LOOTBOX_ABANDON_AFTER_S)
    WalletCall.objects.filter(pk=debit.pk).update(next_attempt_at=abandoned_at)


def _question(operator: Operator, order: ShippingOrder, debit: WalletCall, at: dt.datetime) -> WalletCall | None:
    """Return what to ask the wallet of an abandoned debit: the debit again, or its rollback; None for nothing now."""
    rollback = WalletCall.objects.filter(order_id=order.pk, reason=Reason.ROLLBACK).first()
    if rollback is not None:
        return turns.take_up(call=rollback, at=at)
    # Also before a rollback: with one more attempt counted, a late answer to an older one counts for nothing.
    again = turns.take_up(call=debit, at=at)
    if again is None or not operator.wallet_rollback:
        return again
    return wallet.intend(
        operator=operator,
        player=order.player,
        call_type=CallType.ROLLBACK,
        reason=Reason.ROLLBACK,
        idempotency_key=f"rollback:{debit.idempotency_key}",
        amount_minor=debit.amount_minor,
        currency=debit.currency,
        base_amount_minor=debit.base_amount_minor,
        details={"orderPublicId": public_id(Prefix.ORDER, order.pk)},
        at=at,
        order_id=order.pk,
        rollback_of=debit.idempotency_key,
    )
