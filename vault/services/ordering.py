"""Shipping orders: made of won items, all or nothing, then moved on by people until they arrive (contract section 7)."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from catalog import rates
from lootbox.core import db
from lootbox.core.errors import ApiError, ErrorCode, refused_by_wallet
from lootbox.core.ids import new_id
from lootbox.core.money import convert
from operators.models import Operator, Player
from vault import selectors
from vault.models import InventoryItem, ItemState, OrderItem, OrderStatus, ShippingOrder
from vault.requests import OrderRequest
from vault.serializers import is_shippable, order_json
from vault.services import paying, turns
from vault.services.turns import Clock
from wallet import breaker
from wallet.models import CallState, Reason, WalletCall

NEXT: Final[Mapping[OrderStatus, tuple[OrderStatus, ...]]] = {
    OrderStatus.PENDING: (OrderStatus.PROCESSING, OrderStatus.CANCELLED),
    OrderStatus.PROCESSING: (OrderStatus.SHIPPED, OrderStatus.CANCELLED),
    OrderStatus.SHIPPED: (OrderStatus.DELIVERED,),
}


class StatusNotAllowed(Exception):
    """An order can't be moved on like this; the message is a sentence that says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class Ordered:
    """An order, the wallet's last word where it was paid for, and whether the call was a retry."""

    order: ShippingOrder
    balance_after_minor: int | None
    replayed: bool

    def as_json(self) -> dict[str, Any]:
        """Return the answer of section 7."""
        return {"order": order_json(self.order), "balanceAfterMinor": self.balance_after_minor}


class _Turn(NamedTuple):
    order: ShippingOrder
    debit: WalletCall | None
    replayed: bool


class _Cost(NamedTuple):
    """What a player is charged, in minor units of a currency and of the base."""

    amount_minor: int
    currency: str
    base_minor: int


def create_order(*, request: OrderRequest, charge_in: str | None, clock: Clock) -> Ordered:
    """Make an order of all the items, or of none, and return it. Contract section 7.

    `charge_in` is the currency that the player pays the shipping cost in, None where the operator sees to that. An order that
    costs something is made once its debit was accepted. The same request under the same key answers the same order, as it is
    now; without a key the same items, address and e-mail do, until the order is cancelled.

    Raises `SHIPPING_DISABLED`, `INVENTORY_ITEM_NOT_FOUND`, `INVENTORY_NOT_SHIPPABLE`, `IDEMPOTENCY_CONFLICT`,
    `UNSUPPORTED_CURRENCY`; the wallet's refusal, which leaves no order and the key free; `WALLET_UNAVAILABLE`, with the items
    locked until the same call, or recovery, knows what became of the debit; `ACTION_IN_PROGRESS` while the same call runs.
    """
    waiting = turns.Waiting()
    while True:
        turn = _take_turn(request, charge_in, clock())
        if turn is not None:
            debit = turn.debit
            if debit is not None and debit.state != CallState.ACCEPTED:
                debit = paying.attempt(operator=request.operator, call=debit, clock=clock)
            if debit is None or debit.state != CallState.PENDING:
                return _answer(selectors.order_with_items(turn.order.pk), debit, replayed=turn.replayed)
        waiting.a_moment()


def advance_order(
    *,
    order: ShippingOrder,
    status: OrderStatus,
    at: dt.datetime,
    carrier: str = "",
    tracking_number: str = "",
    witness: db.Witness | None = None,
) -> ShippingOrder:
    """Move an order on to its next status, tell its operator, and return it. Contract section 7.

    Shipping it needs carrier and tracking number, and fulfils its items. Cancelling gives the items back, with their time to
    expire counted anew, and what the player paid for shipping is refunded by recovery. Raises `StatusNotAllowed`.
    `witness` is called in the transaction of the change.
    """
    with db.phase():
        now = paying.lock_order(order_id=order.pk)
        if status not in NEXT.get(OrderStatus(now.status), ()):
            raise StatusNotAllowed(f"The order is {now.status}, so it can't become {status.value}. Reload it and look again.")
        if status is OrderStatus.SHIPPED:
            _ship(now, carrier, tracking_number)
        elif status is OrderStatus.CANCELLED:
            _give_items_back(now, at)
            paying.owe_refund(order=now, at=at)
        ShippingOrder.objects.filter(pk=now.pk, status=now.status).update(status=status, updated_at=at)
        if witness is not None:
            witness()
        return paying.tell(order_id=now.pk, at=at)


def _take_turn(request: OrderRequest, charge_in: str | None, at: dt.datetime) -> _Turn | None:
    """Return the order, new or known, with the debit to send or that was accepted; None while an attempt is under way."""
    with db.phase():
        # One player's orders are made one after the other, so of two equal ones at once the second finds the first.
        player = (
            Player.objects.select_for_update(no_key=True).filter(operator=request.operator, external_id=request.player).first()
        )
        fingerprint = request.fingerprint(charged=charge_in is not None)
        known = _find(request, player, fingerprint)
        if known is None:
            return _make(request, player, fingerprint, charge_in, at)
        if bytes(known.fingerprint) != fingerprint:
            raise ApiError(ErrorCode.IDEMPOTENCY_CONFLICT)
        debit = WalletCall.objects.filter(order_id=known.pk, reason=Reason.SHIPPING).first()
        if known.status == OrderStatus.UNPAID and debit is not None:
            again = paying.intend_debit_again(debit=debit, at=at)
            return _Turn(known, again, replayed=True) if again else None
        return _Turn(known, debit, replayed=True)


def _find(request: OrderRequest, player: Player | None, fingerprint: bytes) -> ShippingOrder | None:
    orders = ShippingOrder.objects.select_for_update(of=("self",), no_key=True).filter(operator=request.operator, player=player)
    if request.idempotency_key is not None:
        return orders.filter(idempotency_key=request.idempotency_key).first()
    alive = orders.exclude(status__in=[OrderStatus.CANCELLED, OrderStatus.VOIDED])
    return alive.filter(idempotency_key=None, fingerprint=fingerprint).first()


def _make(request: OrderRequest, player: Player | None, fingerprint: bytes, charge_in: str | None, at: dt.datetime) -> _Turn:
    operator = request.operator
    if not operator.shipping:
        raise ApiError(ErrorCode.SHIPPING_DISABLED)
    items = _free_items(request, player)
    assert player is not None, "no player, no items"
    cost = _cost(operator, charge_in, at)
    order = ShippingOrder.objects.create(
        id=new_id(),
        operator=operator,
        player=player,
        idempotency_key=request.idempotency_key,
        fingerprint=fingerprint,
        status=OrderStatus.UNPAID,
        currency=cost.currency,
        cost_minor=cost.amount_minor,
        address=dict(request.address),
        email=request.email,
        created_at=at,
        updated_at=at,
    )
    OrderItem.objects.bulk_create(OrderItem(order=order, inventory_item=items[item_id]) for item_id in request.item_ids)
    if cost.amount_minor == 0:
        paying.place(order=order, debit=None, at=at)
        return _Turn(order, None, replayed=False)
    debit = paying.intend_debit(operator=operator, order=order, base_cost_minor=cost.base_minor, at=at)
    return _Turn(order, debit, replayed=False)


def _free_items(request: OrderRequest, player: Player | None) -> dict[int, InventoryItem]:
    """Return the items of the order by id, locked. Raises `INVENTORY_ITEM_NOT_FOUND`, `INVENTORY_NOT_SHIPPABLE`."""
    owned = InventoryItem.objects.filter(operator=request.operator, player=player, pk__in=request.item_ids)
    locked = owned.select_for_update(of=("self",), no_key=True).select_related("item").order_by("pk")
    items = {item.pk: item for item in locked}
    if len(items) < len(request.item_ids):
        raise ApiError(ErrorCode.INVENTORY_ITEM_NOT_FOUND)
    stuck = [item.pk for item in items.values() if not is_shippable(item)]
    if stuck:
        raise ApiError(ErrorCode.INVENTORY_NOT_SHIPPABLE, f"Item {stuck[0]} can't be shipped, so no order was made.")
    return items


def _cost(operator: Operator, charge_in: str | None, at: dt.datetime) -> _Cost:
    base_minor = operator.shipping_cost_minor
    if charge_in is None or base_minor == 0:
        return _Cost(0, charge_in or operator.base_currency, 0)
    rate = rates.quoted_rate(operator=operator, currency=charge_in, at=at)
    amount_minor = convert(amount_minor=base_minor, source=operator.base_currency, target=charge_in, rate=rate.rate)
    if amount_minor > 0 and not operator.wallet_url:
        raise ApiError(ErrorCode.WALLET_UNAVAILABLE, "The operator has no wallet address yet. Set walletUrl, then try again.")
    pause = breaker.pause_left(operator=operator) if amount_minor > 0 else 0.0
    if pause:
        message = "The operator's wallet has not answered lately, so nothing new is tried for a moment."
        raise ApiError(ErrorCode.WALLET_UNAVAILABLE, message, money_moved="none", retry_after=max(1, round(pause)))
    return _Cost(amount_minor, charge_in, base_minor)


def _answer(order: ShippingOrder, debit: WalletCall | None, *, replayed: bool) -> Ordered:
    beside = {"balanceAfterMinor": debit.balance_after_minor if debit else None}
    if debit is not None and debit.state == CallState.REFUSED:
        raise refused_by_wallet(wallet_code=debit.error_code, beside=beside)
    if order.status == OrderStatus.UNPAID:
        raise ApiError(ErrorCode.WALLET_UNAVAILABLE, money_moved="unknown", retry_after=1, beside=beside)
    if order.status == OrderStatus.VOIDED:
        message = "The wallet did not answer in time, so no order was made and nothing is kept. Order again."
        raise ApiError(ErrorCode.WALLET_UNAVAILABLE, message, money_moved="unknown", retryable=False, beside=beside)
    return Ordered(order=order, balance_after_minor=beside["balanceAfterMinor"], replayed=replayed)


def _ship(order: ShippingOrder, carrier: str, tracking_number: str) -> None:
    for text in (carrier, tracking_number):
        if not text.strip() or len(text) > 100:
            raise StatusNotAllowed("Say the carrier and the tracking number, each in up to 100 characters.")
    ShippingOrder.objects.filter(pk=order.pk).update(carrier=carrier, tracking_number=tracking_number)
    paying.items_of(order.pk).update(state=ItemState.FULFILLED)


def _give_items_back(order: ShippingOrder, at: dt.datetime) -> None:
    items = paying.items_of(order.pk)
    items.update(state=ItemState.UNRESOLVED, resolved_at=None)
    days = order.operator.item_expiry_days
    items.filter(expires_at__isnull=False).update(expires_at=None if days is None else at + dt.timedelta(days=days))
