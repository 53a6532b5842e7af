"""The catalogue: items, boxes with their versions, and exchange rates."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from catalog.models import Box, BoxVersion, ExchangeRate, Item
from lootbox.core.money import is_currency
from lootbox.core.wording import money
from operators import audit
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


class TypedRate(forms.ModelForm[ExchangeRate]):
    """A rate that a person types: one unit of the first currency is so many of the second."""

    reason = forms.CharField(max_length=200, help_text="Goes into the audit log.")

    class Meta:
        model = ExchangeRate
        fields = ("base", "quote", "rate")

    def clean(self) -> dict[str, Any]:
        """Check both currencies."""
        cleaned = super().clean() or {}
        for field in ("base", "quote"):
            if cleaned.get(field) and not is_currency(cleaned[field]):
                self.add_error(field, "This is not an ISO 4217 currency. Type a code such as EUR.")
        return cleaned


@admin.register(ExchangeRate)
class ExchangeRateAdmin(ReadOnlyAdmin[ExchangeRate]):
    """Exchange rates, which belong to no operator: whoever sees all operators sees them, and may type a new one."""

    operator_path = ""
    form = TypedRate
    list_display = ("base", "quote", "rate", "source", "at")
    search_fields = ("=base", "=quote")
    ordering = ("-id",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return whether the person may type a rate. Rates are only ever added."""
        return bool(request.user.has_perm("catalog.add_exchangerate"))

    def save_model(self, request: HttpRequest, obj: ExchangeRate, form: Any, change: bool) -> None:  # noqa: ARG002, FBT001 - Django's signature
        """Keep the rate from now on, with who typed it, and say so in the audit log."""
        actor = request.user.get_username()
        obj.source, obj.at = f"typed by {actor}"[:40], timezone.now()
        with transaction.atomic():
            obj.save()
            audit.record(
                by=audit.By(actor=actor, reason=form.cleaned_data["reason"]),
                action="set a rate",
                operator=None,
                subject=f"{obj.base} {obj.quote}",
                at=obj.at,
                after={"rate": str(obj.rate)},
            )
