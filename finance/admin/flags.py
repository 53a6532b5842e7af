"""Flags, each with a page that shows its evidence."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html

from finance import acting
from finance.evidence import facts_of, picture_of
from finance.models import Flag, FlagState
from finance.models.flags import UNRESOLVED
from operators import guided
from operators.admin_base import OwnOperators, ReadOnlyAdmin, one

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
        context = {
            **self.admin_site.each_context(request),
            **(extra_context or {}),
            "title": flag.get_kind_display(),
            "flag": flag,
            "facts": facts_of(flag),
            "chart": picture_of(flag, at=timezone.now()),
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/flag.html", context)

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
