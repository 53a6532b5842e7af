"""Boxes and their published versions, each with a page that shows what players win from it."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from catalog import charts, drafts
from catalog.admin.pages import OwnPages, Row, by
from catalog.comparing import compare
from catalog.contents import published_table
from catalog.models import Box, BoxDraft, BoxVersion, DraftState
from lootbox.core.wording import money, points
from operators.admin_base import OwnOperators, ReadOnlyAdmin, one

SHOWN_VERSIONS = 50


class Looked(OwnPages[Row], ReadOnlyAdmin[Row]):
    """Rows with a page of our own that change by named actions only."""


@admin.register(Box)
class BoxAdmin(Looked[Box]):
    """Boxes; a box's page shows its current version, all versions and the open draft."""

    list_display = ("slug", "shown_name", "operator", "state", "price", "edge", "draft")
    list_filter = (("operator", OwnOperators), "active")
    list_select_related = ("operator",)
    search_fields = ("=slug",)
    search_help_text = "A slug, exactly"
    ordering = ("slug",)
    change_list_template = "admin/catalogue/box_list.html"

    def get_queryset(self, request: HttpRequest) -> Any:
        """Return the person's boxes, each with its current version and open draft."""
        versions = BoxVersion.objects.filter(superseded_at=None).defer("snapshot")
        open_drafts = BoxDraft.objects.filter(state=DraftState.OPEN)
        return (
            super()
            .get_queryset(request)
            .prefetch_related(
                Prefetch("versions", versions, to_attr="current"), Prefetch("drafts", open_drafts, to_attr="open_drafts")
            )
        )

    def get_urls(self) -> list[URLPattern]:
        """Add where a draft is begun."""
        begin = require_POST(self.begin_draft)
        return [
            path("<path:object_id>/draft/", self.admin_site.admin_view(begin), name="catalog_box_draft"),
            *super().get_urls(),
        ]

    def begin_draft(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Begin a draft of the box from one of its versions, or empty, and go to it."""
        box = self.row(request, object_id)
        if not request.user.has_perm("catalog.add_boxdraft"):
            raise PermissionDenied
        version = None
        if (wanted := request.POST.get("version")) and (version := one(box.versions.all(), wanted)) is None:
            raise Http404
        try:
            draft = drafts.begin_from(box=box, version=version, by=by(request, "began a draft"), at=timezone.now())
        except drafts.NotPossible as refusal:
            messages.error(request, str(refusal))
            return HttpResponseRedirect(reverse("admin:catalog_box_change", args=[box.pk]))
        return HttpResponseRedirect(reverse("admin:catalog_boxdraft_change", args=[draft.pk]))

    def page(self, request: HttpRequest, row: Box) -> HttpResponse:
        """Answer the box's page."""
        versions = list(row.versions.order_by("-number").defer("snapshot")[:SHOWN_VERSIONS])
        current = next((version for version in versions if version.superseded_at is None), None)
        table = published_table(current) if current else None
        context = {
            "box": row,
            "name": row.name.get(row.operator.default_locale, row.slug),
            "current": current,
            "draft": next(iter(getattr(row, "open_drafts")), None),  # noqa: B009 - set by the prefetch
            "table": table,
            "versions": [(version, money(version.price_minor, version.currency)) for version in versions],
            "may_draft": request.user.has_perm("catalog.add_boxdraft"),
            **shown_table(table, locale=row.operator.default_locale),
        }
        return self.answer(request, "admin/catalogue/box.html", row.slug, context)

    @admin.display(description="name")
    def shown_name(self, box: Box) -> str:
        """Return the name in the operator's default locale."""
        return str(box.name.get(box.operator.default_locale, ""))

    @admin.display(description="state")
    def state(self, box: Any) -> str:
        """Return whether it is on sale, as a badge."""
        word = "unpublished" if not box.current else "live" if box.active else "offline"
        tone = {"unpublished": "", "live": "bo-live", "offline": "bo-stopped"}[word]
        return format_html('<span class="bo-badge {}">{}</span>', tone, word.capitalize())

    @admin.display(description="price")
    def price(self, box: Any) -> str:
        """Return what it costs."""
        return next((money(version.price_minor, version.currency) for version in box.current), "-")

    @admin.display(description="house edge")
    def edge(self, box: Any) -> str:
        """Return what the house keeps."""
        return next((points(version.house_edge_bps) for version in box.current), "-")

    @admin.display(description="draft")
    def draft(self, box: Any) -> str:
        """Return a link to the open draft."""
        for draft in box.open_drafts:
            address = reverse("admin:catalog_boxdraft_change", args=[draft.pk])
            return format_html('<a class="bo-link" href="{}">{}</a>', address, "scheduled" if draft.scheduled_for else "open")
        return "-"


@admin.register(BoxVersion)
class BoxVersionAdmin(Looked[BoxVersion]):
    """Published versions, which never change."""

    list_display = ("id", "box", "number", "operator", "price", "edge", "published_at", "superseded_at")
    list_filter = (("operator", OwnOperators),)
    list_select_related = ("operator", "box")
    search_fields = ("=id", "=box__slug")
    ordering = ("-id",)
    exclude = ("snapshot",)

    def related(self) -> tuple[str, ...]:
        """Return what is read with a version."""
        return ("operator", "box")

    def page(self, request: HttpRequest, row: BoxVersion) -> HttpResponse:
        """Answer the version's page: its prizes, and what changed from the one before."""
        locale = row.operator.default_locale
        table = published_table(row)
        before = BoxVersion.objects.filter(box=row.box_id, number=row.number - 1).prefetch_related("prizes__item").first()
        context = {
            "version": row,
            "table": table,
            "before": before,
            "difference": compare(before=published_table(before), after=table, locale=locale) if before else None,
            "may_draft": request.user.has_perm("catalog.add_boxdraft"),
            **shown_table(table, locale=locale),
        }
        return self.answer(request, "admin/catalogue/version.html", f"{row.box.slug} v{row.number}", context)

    @admin.display(description="price")
    def price(self, version: BoxVersion) -> str:
        """Return what it costs."""
        return money(version.price_minor, version.currency)

    @admin.display(description="house edge")
    def edge(self, version: BoxVersion) -> str:
        """Return what the house keeps."""
        return points(version.house_edge_bps)


def shown_table(table: Any, *, locale: str) -> dict[str, Any]:
    """Return a prize table as the pages show it: figures, lines and chart."""
    if table is None:
        return {}
    return {
        "price": money(table.price_minor, table.currency),
        "rtp": points(table.rtp_bps) if table.rtp_bps is not None else "-",
        "edge": points(table.house_edge_bps) if table.house_edge_bps is not None else "-",
        "largest": money(table.largest_minor, table.currency),
        "lines": [
            (line, line.name.get(locale, ""), money(line.value_minor, table.currency), table.odds(line)) for line in table.lines
        ],
        "chart": charts.table_chart(table, locale=locale),
    }
