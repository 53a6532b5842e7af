"""The console for webhooks: how endpoints are doing, every delivery with its attempts, and sending again."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.paginator import InfinitePaginator

from lootbox.core.ids import Prefix, parse_public_id, public_id
from operators import guided
from operators.admin_base import FOUND, OwnOperators, ReadOnlyAdmin, ReadOnlyInline, SortedByIndex
from webhooks import acting, selectors
from webhooks.models import Delivery, DeliveryAttempt, Endpoint, Event
from webhooks.selectors import Health

UNDELIVERED_FOR = dt.timedelta(days=7)

guided.register(*acting.ACTIONS)


class Prepared(admin.SimpleListFilter):
    """When the event happened, told by its id, which the list is in order of."""

    title = "when"
    parameter_name = "when"
    spans: ClassVar = {"hour": ("the last hour", 1), "day": ("the last 24 hours", 24), "week": ("the last 7 days", 168)}

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        """Return the choices."""
        return [(name, label) for name, (label, _) in self.spans.items()]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Delivery]) -> QuerySet[Delivery]:
        """Return the deliveries of events of that time."""
        _, hours = self.spans.get(self.value() or "", ("", 0))
        if not hours:
            return queryset
        since = timezone.now() - dt.timedelta(hours=hours)
        return queryset.filter(pk__gte=selectors.earliest_id(at=since))


class AttemptInline(ReadOnlyInline[DeliveryAttempt, Delivery]):
    """What was sent, and what came back."""

    model = DeliveryAttempt
    verbose_name_plural = "attempts"
    ordering = ["-number"]
    fields = readonly_fields = ("number", "started_at", "outcome", "http_status", "latency_ms", "request", "detail", "excerpt")

    @admin.display(description="request")
    def request(self, attempt: DeliveryAttempt) -> SafeString:
        """Return what was sent beside the body; signatures are not kept."""
        timestamp = int(attempt.started_at.timestamp())
        lines = [
            f"POST {attempt.url}",
            "Content-Type: application/json",
            f"X-Timestamp: {timestamp}",
            f"webhook-id: {public_id(Prefix.EVENT, attempt.delivery_id)}",
            f"webhook-timestamp: {timestamp}",
            "and X-Signature, webhook-signature",
        ]
        return format_html("<pre>{}</pre>", "\n".join(lines))


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin[Delivery]):
    """Deliveries, the newest event first."""

    list_display = ["event_id_shown", "operator", "what", "shown_state", "attempts", "next_attempt_at", "delivered_at"]
    list_filter = ["state", ("event__operator", OwnOperators), Prepared]
    # By way of the event, whose index by operator and id gives a page of any operator's at once.
    operator_path = "event__operator"
    ordering = ["-event_id"]
    list_select_related = ["event", "operator"]
    list_per_page = 50
    show_full_result_count = False
    paginator = InfinitePaginator
    search_fields = ("event__subject",)
    search_help_text = "An event's id, or the id of the round or order that it tells of."
    fields = readonly_fields = (
        "event_id_shown",
        "operator",
        "type",
        "subject",
        "state",
        "attempts",
        "next_attempt_at",
        "delivered_at",
        "body",
    )
    inlines = [AttemptInline]
    acts_on_many = ("send_delivery",)
    change_form_template = "admin/with_actions.html"

    def found(self, term: str, operators: Sequence[int]) -> Sequence[UUID]:
        """Return the event of this id, or the latest events about what the id stands for."""
        key = parse_public_id(Prefix.EVENT, term)
        about = Event.objects.filter(operator__in=operators, subject=term).order_by("-pk")
        return [key] if key else list(about.values_list("pk", flat=True)[:FOUND])

    @admin.display(description="event")
    def event_id_shown(self, delivery: Delivery) -> str:
        """Return the event's id as the receiver gets it."""
        return public_id(Prefix.EVENT, delivery.pk)

    @admin.display(description="type")
    def type(self, delivery: Delivery) -> str:
        """Return what kind of event it is."""
        return delivery.event.type

    @admin.display(description="what")
    def what(self, delivery: Delivery) -> SafeString:
        """Return the kind of event with the id of what it tells of."""
        event = delivery.event
        return format_html('{}<div class="bo-detail">{}</div>', event.type, event.subject)

    @admin.display(description="state")
    def shown_state(self, delivery: Delivery) -> SafeString:
        """Return the state as a badge."""
        return format_html('<span class="bo-badge bo-{}">{}</span>', delivery.state, delivery.get_state_display())

    @admin.display(description="about")
    def subject(self, delivery: Delivery) -> str:
        """Return the id of what the event tells of."""
        return delivery.event.subject

    @admin.display(description="body, as it is sent")
    def body(self, delivery: Delivery) -> SafeString:
        """Return the exact text."""
        return format_html("<pre>{}</pre>", bytes(delivery.event.body).decode())


class HealthList(SortedByIndex):
    """Endpoints with how they are doing, which one statement finds out for a whole page."""

    def get_results(self, request: HttpRequest) -> None:
        """Fetch the page, and the health of what is on it."""
        super().get_results(request)
        endpoints = list(self.result_list)
        found = selectors.health(operator_ids=[each.pk for each in endpoints], since=timezone.now() - UNDELIVERED_FOR)
        for endpoint in endpoints:
            endpoint.health = found[endpoint.pk]
        self.result_list = endpoints


@admin.register(Endpoint)
class EndpointAdmin(ReadOnlyAdmin[Endpoint]):
    """Every operator's endpoint at a glance, those that are off first."""

    list_display = ["operator", "status", "due", "waiting_since", "undelivered", "successes", "latency"]
    ordering = ["enabled", "operator__name"]
    list_select_related = ["operator"]
    fields = readonly_fields = ("operator", "status", "failing_since", "disabled_at", "last_sequence")
    acts_on_many = ("test_endpoint", "turn_on_endpoint", "turn_off_endpoint")
    change_form_template = "admin/with_actions.html"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # noqa: ARG002 - Django's signature
        """Return the list that knows how endpoints are doing."""
        return HealthList

    @admin.display(description="status")
    def status(self, endpoint: Endpoint) -> str:
        """Return whether it is on, and since when it fails, or why it is off."""
        if not endpoint.enabled:
            return f"off: {endpoint.get_disabled_reason_display()}"
        return "on" if endpoint.failing_since is None else f"failing since {endpoint.failing_since:%Y-%m-%d %H:%M}"

    @admin.display(description="due")
    def due(self, endpoint: Endpoint) -> str:
        """Return how many deliveries wait for their time."""
        return _counted(_health(endpoint).due)

    @admin.display(description="earliest due")
    def waiting_since(self, endpoint: Endpoint) -> dt.datetime | None:
        """Return when the next attempt was or is to be made."""
        return _health(endpoint).waiting_since

    @admin.display(description="failed or stopped, 7 days")
    def undelivered(self, endpoint: Endpoint) -> str:
        """Return how many deliveries wait for a person."""
        return _counted(_health(endpoint).undelivered)

    @admin.display(description="successes, last 200")
    def successes(self, endpoint: Endpoint) -> str:
        """Return the success rate of the latest attempts."""
        health = _health(endpoint)
        return f"{health.successes * 100 // health.attempts} %" if health.attempts else "none"

    @admin.display(description="latency p50 / p95")
    def latency(self, endpoint: Endpoint) -> str:
        """Return the latencies of the latest attempts."""
        health = _health(endpoint)
        return f"{health.p50_ms} / {health.p95_ms} ms" if health.attempts else "none"


def _health(endpoint: Endpoint) -> Health:
    health: Health = endpoint.health  # type: ignore[attr-defined]
    return health


def _counted(count: int) -> str:
    return f"{count}+" if count >= selectors.COUNT_LIMIT else str(count)
