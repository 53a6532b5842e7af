"""How the API shows won items and orders (contract sections 5, 6 and 7)."""

from typing import Any

from catalog.models import ItemType
from lootbox.core.fields import print_moment
from lootbox.core.ids import Prefix, public_id
from lootbox.core.pagination import Page
from operators.models import Operator
from vault.cashback import Cashable, cashback_minor
from vault.models import InventoryItem, ItemState, OrderStatus, ShippingOrder
from vault.requests import ADDRESS


def won_item_json(
    *, inventory_item_id: int, item_id: int, name: str, cashback_minor: int | None, currency: str, state: str
) -> dict[str, Any]:
    """Return an item as `wonItems` of a round and the events of an item show it; the amount in the item's own currency."""
    return {
        "inventoryItemId": inventory_item_id,
        "itemId": item_id,
        "name": name,
        "cashbackMinor": cashback_minor,
        "currency": currency,
        "state": state,
    }


def is_free(item: InventoryItem) -> bool:
    """Return whether the item waits to be resolved, and no wallet's answer decides over it."""
    return item.state == ItemState.UNRESOLVED and item.locked_by is None


def is_shippable(item: InventoryItem) -> bool:
    """Return whether the item could be ordered now; the catalogue's item has to be loaded beside it."""
    return is_free(item) and item.type == ItemType.PHYSICAL and item.item.shippable


def inventory_json(page: Page[InventoryItem], *, operator: Operator) -> dict[str, Any]:
    """Return a page of a player's items (contract section 7)."""
    cashable = [Cashable(item.item_id, item.value_minor, is_free(item)) for item in page.rows]
    amounts = dict(zip((item.pk for item in page.rows), cashback_minor(operator=operator, items=cashable), strict=True))
    return page.as_json(lambda item: _inventory_item_json(item, amounts[item.pk]))


def order_json(order: ShippingOrder) -> dict[str, Any]:
    """Return an order (contract section 7), with carrier and tracking number once it has them."""
    shown: dict[str, Any] = {
        "publicId": public_id(Prefix.ORDER, order.pk),
        "status": order.status,
        "currency": order.currency,
        "shippingCostMinor": order.cost_minor,
        "address": {name: order.address[name] for name in ADDRESS if name in order.address},
        "contact": {"email": order.email},
        "createdAt": print_moment(order.created_at),
        "items": [
            {
                "inventoryItemId": line.inventory_item.pk,
                "itemId": line.inventory_item.item_id,
                "name": line.inventory_item.name,
                "valueMinor": line.inventory_item.value_minor,
                "currency": line.inventory_item.currency,
            }
            for line in order.lines.all()
        ],
    }
    if order.status in {OrderStatus.SHIPPED, OrderStatus.DELIVERED}:
        shown |= {"carrier": order.carrier, "trackingNumber": order.tracking_number}
    return shown


def _inventory_item_json(item: InventoryItem, amount: int | None) -> dict[str, Any]:
    return {
        "id": item.pk,
        "itemId": item.item_id,
        "name": item.name,
        "type": item.type,
        "imageUrl": item.item.image_url or None,
        "valueMinor": item.value_minor,
        "currency": item.currency,
        "state": item.state,
        "cashbackMinor": amount,
        "shippable": is_shippable(item),
        "wonAtRoundPublicId": public_id(Prefix.ROUND, item.round_id),
        "createdAt": print_moment(item.created_at),
    }
