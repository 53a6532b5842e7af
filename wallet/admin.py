"""Wallet calls with their attempts: to be read, never to be written."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html

from lootbox.core.wording import duration, money
from operators import guided
from operators.admin_base import FOUND, OwnOperators, ReadOnlyAdmin, ReadOnlyInline
from wallet import acting
from wallet.models import WalletAttempt, WalletCall
from wallet.services import UNRESOLVED

guided.register(*acting.ACTIONS)


class UnresolvedFilter(admin.SimpleListFilter):
    """The money whose fate is not known: the queue of section "unresolved", the oldest first."""

    title = "unresolved"
    parameter_name = "unresolved"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        """Return the one choice."""
        return [("yes", "unresolved, oldest first")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002 - Django's signature
        """Return the calls that are neither done nor refused; a partial index holds just these."""
        return queryset.filter(Q(state__in=UNRESOLVED)).order_by("created_at") if self.value() else queryset


class AttemptInline(ReadOnlyInline[WalletAttempt, WalletCall]):
    """Every time that the call went out."""

    model = WalletAttempt
    fields = readonly_fields = ("number", "started_at", "latency_ms", "fate", "http_status", "detail", "excerpt")
    ordering = ("number",)


@admin.register(WalletCall)
class WalletCallAdmin(ReadOnlyAdmin[WalletCall]):
    """Every movement of money that a wallet was asked for."""

    list_display = (
        "idempotency_key",
        "operator",
        "player",
        "reason",
        "shown_state",
        "amount",
        "attempts",
        "age",
        "next_attempt_at",
    )
    list_filter = (("operator", OwnOperators), UnresolvedFilter)
    list_select_related = ("operator", "player")
    search_fields = ("idempotency_key",)
    search_help_text = "An idempotency key or the wallet's own reference, exactly"
    ordering = ("-id",)

    def found(self, term: str, operators: Sequence[int]) -> Sequence[UUID]:
        """Return the calls of this key or reference."""
        calls = WalletCall.objects.filter(operator__in=operators)
        keyed = calls.filter(idempotency_key=term).values_list("pk", flat=True)[:FOUND]
        return [*keyed, *calls.filter(~Q(provider_txn_ref=""), provider_txn_ref=term).values_list("pk", flat=True)[:FOUND]]

    fields = readonly_fields = (
        "idempotency_key", "operator", "player", "type", "reason", "shown_state", "amount", "attempts", "error_code",
        "provider_txn_ref", "created_at", "age", "last_attempt_at", "next_attempt_at", "resolved_at",
    )  # fmt: skip
    inlines = (AttemptInline,)
    change_form_template = "admin/with_actions.html"

    @admin.display(description="state")
    def shown_state(self, call: WalletCall) -> str:
        """Return the state as a badge."""
        return format_html('<span class="bo-badge bo-{}">{}</span>', call.state, call.get_state_display())

    @admin.display(description="amount")
    def amount(self, call: WalletCall) -> str:
        """Return the amount in words."""
        return money(call.amount_minor, call.currency)

    @admin.display(description="age")
    def age(self, call: WalletCall) -> str:
        """Return how long it took, or has been open for."""
        return duration(((call.resolved_at or timezone.now()) - call.created_at).total_seconds())
