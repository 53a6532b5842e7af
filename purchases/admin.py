"""Rounds and players, each with a page that tells what happened, and the search that finds either by any id."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html

from lootbox.core.ids import Prefix, parse_public_id, public_id
from lootbox.core.wording import money
from operators import guided
from operators.admin_base import FOUND, OwnOperators, ReadOnlyAdmin, of_player, one
from operators.models import Player
from purchases import acting, inspector, limits
from purchases.models import CapPeriod, Round, RoundState
from vault.models import InventoryItem
from webhooks.selectors import earliest_id

SHOWN_OF_A_PLAYER = 25

guided.register(*acting.ACTIONS)


class BoughtFilter(admin.SimpleListFilter):
    """Rounds of the last hour, day, week or month: ids begin with the time, so the primary key gives them."""

    title = "bought"
    parameter_name = "bought"
    spans: ClassVar[dict[str, dt.timedelta]] = {
        "hour": dt.timedelta(hours=1),
        "day": dt.timedelta(days=1),
        "week": dt.timedelta(days=7),
        "month": dt.timedelta(days=30),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        """Return the spans."""
        return [(name, f"in the last {name}") for name in self.spans]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002 - Django's signature
        """Return the rounds of the chosen span."""
        span = self.spans.get(self.value() or "")
        return queryset if span is None else queryset.filter(pk__gte=earliest_id(at=timezone.now() - span))


class UnfinishedFilter(admin.SimpleListFilter):
    """Rounds that wait for something; each choice has an index of its own."""

    title = "unfinished"
    parameter_name = "unfinished"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        """Return what a round may wait for."""
        return [("recovery", "waits for recovery"), ("expiry", "held, and will expire")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002 - Django's signature
        """Return the rounds that wait so."""
        if self.value() == "recovery":
            return queryset.filter(recover_at__isnull=False).order_by("recover_at")
        if self.value() == "expiry":
            return queryset.filter(state=RoundState.HELD, expires_at__isnull=False).order_by("expires_at")
        return queryset


@admin.register(Round)
class RoundAdmin(ReadOnlyAdmin[Round]):
    """Rounds, newest first; a round's page is its story."""

    list_display = ("public_id", "player", "operator", "shown_state", "mode", "funding", "bet", "payout", "purchased_at")
    list_filter = (("operator", OwnOperators), BoughtFilter, UnfinishedFilter)
    list_select_related = ("operator", "player")
    search_fields = ("player__external_id",)
    search_help_text = "A player's id, exactly. Any other id: use the search on the overview page"
    ordering = ("-id",)

    def found(self, term: str, operators: Sequence[int]) -> Sequence[UUID]:
        """Return the player's latest rounds, or the round of this id."""
        key = parse_public_id(Prefix.ROUND, term)
        return [key] if key else of_player(Round.objects.all(), "-purchased_at", term=term, operators=operators)

    def get_urls(self) -> list[URLPattern]:
        """Add the search."""
        return [
            path("find/", self.admin_site.admin_view(self.find), name="purchases_round_find"),
            *super().get_urls(),
        ]

    def find(self, request: HttpRequest) -> HttpResponse:
        """Go to what an id stands for, or show all that it may stand for."""
        text = request.GET.get("q", "").strip()
        found = inspector.find(text=text, user=request.user) if text and text.isprintable() else []  # type: ignore[arg-type]
        if len(found) == 1:
            return HttpResponseRedirect(reverse(f"admin:{found[0].view}", args=[found[0].pk]))
        context = {**self.admin_site.each_context(request), "title": "Find", "text": text, "found": found}
        return TemplateResponse(request, "admin/find.html", context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",  # noqa: ARG002 - Django's signature
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Answer the round's story."""
        related = self.get_queryset(request).select_related("operator", "player", "seed_pair").defer("seed_pair__server_seed")
        round_ = one(related, object_id)
        if round_ is None or not self.has_view_permission(request):
            raise Http404
        context = {
            **self.admin_site.each_context(request),
            **(extra_context or {}),
            "title": public_id(Prefix.ROUND, round_.pk),
            "story": inspector.story(round_),
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/round.html", context)

    @admin.display(description="round")
    def public_id(self, round_: Round) -> str:
        """Return the id that clients see."""
        return public_id(Prefix.ROUND, round_.pk)

    @admin.display(description="state")
    def shown_state(self, round_: Round) -> str:
        """Return the state as a badge."""
        return format_html('<span class="bo-badge bo-{}">{}</span>', round_.state, round_.get_state_display())

    @admin.display(description="bet")
    def bet(self, round_: Round) -> str:
        """Return what it cost."""
        return money(round_.bet_minor, round_.currency)

    @admin.display(description="payout")
    def payout(self, round_: Round) -> str:
        """Return what its prizes are worth."""
        return "none" if round_.payout_minor is None else money(round_.payout_minor, round_.currency)


@admin.register(Player)
class PlayerAdmin(ReadOnlyAdmin[Player]):
    """Players; a player's page shows what they bought, won and keep, and what holds them back."""

    list_display = ("external_id", "operator", "blocked", "capped", "created_at")
    list_filter = (("operator", OwnOperators),)
    list_select_related = ("operator",)
    search_fields = ("external_id",)
    search_help_text = "The operator's own id of the player, exactly"
    ordering = ("-id",)

    def found(self, term: str, operators: Sequence[int]) -> Sequence[int]:
        """Return the players of this id."""
        return list(Player.objects.filter(operator__in=operators, external_id=term).values_list("pk", flat=True)[:FOUND])

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",  # noqa: ARG002 - Django's signature
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Answer the player's page."""
        player = one(self.get_queryset(request).select_related("operator"), object_id)
        if player is None or not self.has_view_permission(request):
            raise Http404
        rounds = Round.objects.filter(operator=player.operator, player=player).order_by("-purchased_at", "-id")
        items = InventoryItem.objects.filter(operator=player.operator, player=player).order_by("-created_at", "-id")
        at = timezone.now()
        context = {
            **self.admin_site.each_context(request),
            **(extra_context or {}),
            "title": player.external_id,
            "player": player,
            "rounds": [_line(row) for row in rounds[:SHOWN_OF_A_PLAYER]],
            "held": [_line(row) for row in rounds.filter(state=RoundState.HELD)[:SHOWN_OF_A_PLAYER]],
            "items": [(item, money(item.value_minor, item.currency)) for item in items[:SHOWN_OF_A_PLAYER]],
            "spending": _spending(player, at),
            "caps": [
                _cap(cap) for cap in limits.limits_json(operator=player.operator, external_id=player.external_id, at=at)["caps"]
            ],
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/player.html", context)


def _line(round_: Round) -> dict[str, Any]:
    payout = "none" if round_.payout_minor is None else money(round_.payout_minor, round_.currency)
    shown = public_id(Prefix.ROUND, round_.pk)
    return {"round": round_, "public_id": shown, "bet": money(round_.bet_minor, round_.currency), "payout": payout}


def _cap(cap: dict[str, Any]) -> dict[str, str]:
    spent, amount = (money(cap[name], cap["currency"]) for name in ("spentMinor", "amountMinor"))
    return {"period": cap["period"], "spent": spent, "amount": amount}


def _spending(player: Player, at: dt.datetime) -> list[tuple[str, list[str]]]:
    currencies = player.operator.currencies
    return [
        (
            period.label.lower(),
            [money(limits.spent_minor(player=player, currency=code, since=since), code) for code in currencies],
        )
        for period in CapPeriod
        if (since := limits.period_start(period=period, at=at))
    ]
