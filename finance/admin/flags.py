"""Flags, and the pages of the RTP watch."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html

from catalog.models import BoxVersion
from finance import acting, rtp, watch
from finance.evidence import facts_of, picture_of
from finance.models import Flag, FlagState
from finance.models.flags import UNRESOLVED
from operators import guided
from operators.admin_base import OwnOperators, ReadOnlyAdmin, one
from operators.staff import operator_ids, scoped

guided.register(*acting.ACTIONS)


class StateFilter(admin.SimpleListFilter):
    """Where flags stand; unless something else is chosen, those that nobody has closed."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        """Return the states, and all of them."""
        return [*((state.value, state.label) for state in FlagState), ("all", "All")]

    def choices(self, changelist: Any) -> Any:
        """Name the choice that holds when none was made."""
        first, *others = super().choices(changelist)
        return [{**first, "display": "Not closed"}, *others]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002 - Django's signature
        """Return the flags that stand so."""
        if self.value() == "all":
            return queryset
        return queryset.filter(state=self.value()) if self.value() else queryset.filter(state__in=UNRESOLVED)


@admin.register(Flag)
class FlagAdmin(ReadOnlyAdmin[Flag]):
    """What should be looked at, the newest first; a flag's page shows its evidence."""

    list_display = ("shown_summary", "kind", "shown_severity", "operator", "shown_state", "seen_at", "handled_by")
    list_filter = (("operator", OwnOperators), StateFilter, "kind", "severity")
    list_select_related = ("operator",)
    search_fields = ("=player__external_id", "=box__slug")
    search_help_text = "A player's id or a box's slug, exactly"
    ordering = ("-id",)

    def get_urls(self) -> list[URLPattern]:
        """Add the pages of the RTP watch."""
        view = self.admin_site.admin_view
        return [
            path("rtp/", view(self.rtp_watch), name="finance_rtp_watch"),
            path("rtp/<int:version_id>/", view(self.rtp), name="finance_rtp"),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",  # noqa: ARG002 - Django's signature
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Answer the flag with its evidence."""
        flag = one(self.get_queryset(request).select_related("operator", "player", "box", "box_version"), object_id)
        if flag is None or not self.has_view_permission(request):
            raise Http404
        more = {"flag": flag, "facts": facts_of(flag), "chart": picture_of(flag, at=timezone.now())}
        return self._page(request, "admin/flag.html", flag.get_kind_display(), more | (extra_context or {}))

    def rtp_watch(self, request: HttpRequest) -> HttpResponse:
        """Answer every series that drew lately, against its odds."""
        self._may_view(request)
        found = rtp.watched(at=timezone.now(), operator_ids=operator_ids(request.user))
        off = {
            (flag.box_version_id, flag.currency, flag.funding): flag.pk
            for flag in self.get_queryset(request).filter(kind="rtp", state__in=UNRESOLVED)[: rtp.MOST_SERIES]
        }
        series = [(one, off.get((one.series.version_id, one.series.currency, one.series.funding))) for one in found]
        return self._page(request, "admin/rtp_watch.html", "RTP watch", {"series": series, "most": rtp.MOST_SERIES})

    def rtp(self, request: HttpRequest, version_id: int) -> HttpResponse:
        """Answer one box version: what was drawn against what its odds say."""
        self._may_view(request)
        version = scoped(BoxVersion.objects.all(), user=request.user, path="operator").filter(pk=version_id).first()
        if version is None:
            raise Http404
        at = timezone.now()
        found = rtp.watched(at=at, operator_ids=None, version_id=version_id)
        chosen = rtp.chosen(found, request.GET)
        table = watch.table(version_id)
        name = version.box.name[version.operator.default_locale]
        more: Mapping[str, Any] = {
            "version": version,
            "found": found,
            "chosen": chosen,
            "report": rtp.report(series=chosen.series, at=at) if chosen else None,
            "theory": watch.percent(float(table.law.mean / version.price_minor)),
            "alpha": watch.probability(watch.alpha()),
            "false_alarms": settings.LOOTBOX_RTP_FALSE_ALARMS,
        }
        return self._page(request, "admin/rtp.html", f"RTP of {name}, version {version.number}", more)

    def _may_view(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied

    def _page(self, request: HttpRequest, template: str, title: str, more: Mapping[str, Any]) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "title": title, "opts": self.opts, **more}
        return TemplateResponse(request, template, context)

    @admin.display(description="flag")
    def shown_summary(self, flag: Flag) -> str:
        """Return what it says, as far as there is room."""
        return flag.summary if len(flag.summary) <= 110 else f"{flag.summary[:107]}…"

    @admin.display(description="severity", ordering="severity")
    def shown_severity(self, flag: Flag) -> str:
        """Return the severity as a badge."""
        shown = flag.get_severity_display()
        return format_html('<span class="bo-badge bo-{}">{}</span>', shown.lower(), shown)

    @admin.display(description="state")
    def shown_state(self, flag: Flag) -> str:
        """Return the state as a badge."""
        return format_html('<span class="bo-badge bo-{}">{}</span>', flag.state, flag.get_state_display())
