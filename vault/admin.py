"""What players won and ordered: to be read here; people put orders forward by guided actions."""

from collections.abc import Sequence
from uuid import UUID

from django.contrib import admin
from django.db.models import Q

from lootbox.core.ids import Prefix, parse_public_id, public_id
from lootbox.core.wording import money
from operators.admin_base import FOUND, OwnOperators, ReadOnlyAdmin, ReadOnlyInline, of_player
from vault.models import InventoryItem, OrderItem, ShippingOrder


@admin.register(InventoryItem)
class InventoryItemAdmin(ReadOnlyAdmin[InventoryItem]):
    """Won items, newest first."""

    list_display = ("id", "name", "player", "operator", "state", "value", "created_at", "expires_at")
    list_filter = (("operator", OwnOperators),)
    list_select_related = ("operator", "player")
    search_fields = ("player__external_id",)
    search_help_text = "An item's number or a player's id, exactly"
    ordering = ("-id",)

    def found(self, term: str, operators: Sequence[int]) -> Sequence[int]:
        """Return the player's latest items, and the item of this number."""
        numbered = [int(term)] if term.isascii() and term.isdigit() and len(term) < 19 else []
        return numbered + of_player(InventoryItem.objects.all(), "-created_at", term=term, operators=operators)

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
    search_fields = ("player__external_id",)
    search_help_text = "An order's id, a player's id or a tracking number, exactly"
    ordering = ("-id",)

    def found(self, term: str, operators: Sequence[int]) -> Sequence[UUID]:
        """Return the player's latest orders, or those that the id or number stands for."""
        key = parse_public_id(Prefix.ORDER, term)
        if key:
            return [key]
        shipped = ShippingOrder.objects.filter(~Q(tracking_number=""), tracking_number=term).values_list("pk", flat=True)[
            :FOUND
        ]
        return [*shipped, *of_player(ShippingOrder.objects.all(), "-created_at", term=term, operators=operators)]

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
