"""The events that tell an operator of its players' items and orders (contract section 11)."""

import datetime as dt

from lootbox.core.ids import Prefix, public_id
from vault.models import InventoryItem, ShippingOrder
from vault.serializers import order_json, won_item_json
from webhooks import outbox
from webhooks.models import EventType
from webhooks.outbox import PreparedEvent


def of_item(*, event: EventType, item: InventoryItem, cashback_minor: int | None, at: dt.datetime) -> PreparedEvent:
    """Return the event that carries an item; `cashback_minor` is what it was cashed back for, in its own currency."""
    shown = won_item_json(
        inventory_item_id=item.pk,
        item_id=item.item_id,
        name=item.name,
        cashback_minor=cashback_minor,
        currency=item.currency,
        state=item.state,
    )
    return outbox.prepare(
        type=event, subject=str(item.pk), player_external_id=item.player.external_id, data={"item": shown}, at=at
    )


def of_order(*, order: ShippingOrder, at: dt.datetime) -> PreparedEvent:
    """Return the event that carries an order; its player and items have to be loaded beside it."""
    return outbox.prepare(
        type=EventType.FULFILLMENT_NOTICE,
        subject=public_id(Prefix.ORDER, order.pk),
        player_external_id=order.player.external_id,
        data={"order": order_json(order)},
        at=at,
    )
