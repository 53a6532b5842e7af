"""Exchange rates: shown, and typed by the platform's people."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from catalog.models import ExchangeRate
from lootbox.core.money import is_currency
from operators import audit
from operators.admin_base import ReadOnlyAdmin


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
