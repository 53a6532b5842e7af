"""What players won and ordered: to be read here; people put orders forward by guided actions."""

from django.contrib import admin

from lootbox.core.ids import Prefix, public_id
from lootbox.core.wording import money
from operators.admin_base import OwnOperators, ReadOnlyAdmin, ReadOnlyInline
from vault.models import InventoryItem, OrderItem, ShippingOrder


@admin.register(InventoryItem)
class InventoryItemAdmin(ReadOnlyAdmin[InventoryItem]):
    """Won items, newest first."""

    list_display = ("id", "name", "player", "operator", "state", "value", "created_at", "expires_at")
    list_filter = (("operator", OwnOperators),)
    list_select_related = ("operator", "player")
    search_fields = ("=id", "=player__external_id")
    search_help_text = "An item's number or a player's id, exactly"
    ordering = ("-id",)

    @admin.display(description="value")
    def value(self, item: InventoryItem) -> str:
        """Return what it was worth when it was won."""
        return money(item.value_minor, item.currency)


class LineInline(ReadOnlyInline[OrderItem, ShippingOrder]):
    """The items of an order."""

    model = OrderItem
    fields = readonly_fields = ("inventory_item",)


@admin.register(ShippingOrder)
class ShippingOrderAdmin(ReadOnlyAdmin[ShippingOrder]):
    """Orders, newest first."""

    list_display = ("public_id", "player", "operator", "status", "cost", "carrier", "tracking_number", "created_at")
    list_filter = (("operator", OwnOperators),)
    list_select_related = ("operator", "player")
    search_fields = ("=player__external_id", "=tracking_number")
    search_help_text = "A player's id or a tracking number, exactly"
    ordering = ("-id",)
    exclude = ("fingerprint",)
    inlines = (LineInline,)
    change_form_template = "admin/with_actions.html"

    @admin.display(description="order")
    def public_id(self, order: ShippingOrder) -> str:
        """Return the id that clients see."""
        return public_id(Prefix.ORDER, order.pk)

    @admin.display(description="cost")
    def cost(self, order: ShippingOrder) -> str:
        """Return what the player pays for the parcel."""
        return money(order.cost_minor, order.currency)
