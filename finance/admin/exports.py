"""Files that were asked for: how far they are, what they are known by, and their download."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html

from finance.models import Export, ExportState
from finance.services import exporting
from finance.shown import NOTHING
from lootbox.core.wording import money
from operators.admin_base import OwnOperators, ReadOnlyAdmin, one
from operators.audit import By


@admin.register(Export)
class ExportAdmin(ReadOnlyAdmin[Export]):
    """Files made in the background, the newest first."""

    list_display = ("what", "operator", "shown_state", "rows", "shown_size", "requested_by", "requested_at")
    list_filter = (("operator", OwnOperators),)
    list_select_related = ("operator",)
    ordering = ("-id",)

    def get_urls(self) -> list[URLPattern]:
        """Add the download."""
        download = self.admin_site.admin_view(self.download)
        return [path("<uuid:key>/download/", download, name="finance_export_download"), *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",  # noqa: ARG002 - Django's signature
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Answer how far the file is, or what it is known by."""
        export = one(self.get_queryset(request).select_related("operator"), object_id)
        if export is None or not self.has_view_permission(request):
            raise Http404
        unfinished = export.state in (ExportState.WAITING, ExportState.RUNNING)
        context = {
            **self.admin_site.each_context(request),
            **(extra_context or {}),
            "title": exporting.wanted_of(export).filename,
            "export": export,
            "unfinished": unfinished,
            "percent": 100 * export.rows // export.rows_expected if export.rows_expected else 0,
            "rows": f"{export.rows:,}",
            "rows_expected": f"{export.rows_expected or 0:,}",
            "totals": [
                (f"Sum of {name}", money(amount, currency))
                for currency, sums in export.totals.items()
                for name, amount in sums.items()
            ],
            "opts": self.opts,
        }
        answer = TemplateResponse(request, "admin/finance/export.html", context)
        if unfinished:
            answer["Refresh"] = "2"
        return answer

    def download(self, request: HttpRequest, key: UUID) -> HttpResponseBase:
        """Answer the file, with an entry in the audit log."""
        export = self.get_queryset(request).select_related("operator").filter(pk=key).first()
        if export is None or not self.has_view_permission(request) or export.state != ExportState.READY:
            raise Http404
        by = By(request.user.get_username(), "downloaded in the administration")
        exporting.record_download(export, by=by, at=timezone.now())
        wanted = exporting.wanted_of(export)
        return FileResponse(
            exporting.location(export).open("rb"),
            as_attachment=True,
            filename=wanted.filename,
            content_type=wanted.format.content_type,
        )

    @admin.display(description="file")
    def what(self, export: Export) -> str:
        """Return what it holds."""
        return exporting.wanted_of(export).filename

    @admin.display(description="state")
    def shown_state(self, export: Export) -> str:
        """Return the state as a badge."""
        return format_html('<span class="bo-badge bo-{}">{}</span>', export.state, export.get_state_display())

    @admin.display(description="size")
    def shown_size(self, export: Export) -> str:
        """Return the size in words."""
        return filesizeformat(export.size) if export.size is not None else NOTHING
