"""The catalogue: items, boxes with their versions, and exchange rates."""

from django.contrib import admin

from catalog.models import Box, BoxVersion, ExchangeRate, Item
from lootbox.core.wording import money
from operators.admin_base import OwnOperators, ReadOnlyAdmin, ReadOnlyInline


@admin.register(Item)
class ItemAdmin(ReadOnlyAdmin[Item]):
    """What can be won."""

    list_display = ("sku", "operator", "type", "value", "cashback_minor", "shippable")
    list_filter = (("operator", OwnOperators), "type")
    list_select_related = ("operator",)
    search_fields = ("=sku",)
    ordering = ("-id",)

    @admin.display(description="value")
    def value(self, item: Item) -> str:
        """Return what it is worth now."""
        return money(item.value_minor, item.currency)


class VersionInline(ReadOnlyInline[BoxVersion, Box]):
    """The versions of a box, newest first."""

    model = BoxVersion
    fields = readonly_fields = (
        "number",
        "price_minor",
        "currency",
        "total_weight",
        "house_edge_bps",
        "published_at",
        "superseded_at",
    )
    ordering = ("-number",)
    show_change_link = True


@admin.register(Box)
class BoxAdmin(ReadOnlyAdmin[Box]):
    """Boxes."""

    list_display = ("slug", "operator", "active", "refundable")
    list_filter = (("operator", OwnOperators), "active")
    list_select_related = ("operator",)
    search_fields = ("=slug",)
    ordering = ("slug",)
    inlines = (VersionInline,)


@admin.register(BoxVersion)
class BoxVersionAdmin(ReadOnlyAdmin[BoxVersion]):
    """Published versions, which never change."""

    list_display = ("id", "box", "number", "operator", "price", "house_edge_bps", "published_at", "superseded_at")
    list_filter = (("operator", OwnOperators),)
    list_select_related = ("operator", "box")
    search_fields = ("=id", "=box__slug")
    ordering = ("-id",)
    exclude = ("snapshot",)

    @admin.display(description="price")
    def price(self, version: BoxVersion) -> str:
        """Return what it costs."""
        return money(version.price_minor, version.currency)


@admin.register(ExchangeRate)
class ExchangeRateAdmin(ReadOnlyAdmin[ExchangeRate]):
    """Exchange rates, which belong to no operator: whoever sees all operators sees them."""

    operator_path = ""
    list_display = ("base", "quote", "rate", "source", "at")
    search_fields = ("=base", "=quote")
    ordering = ("-id",)
