"""Import and export of a whole catalogue as the file of `import_boxes`."""

import json
from collections.abc import Callable
from typing import Any, Final

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from catalog import importing
from catalog.admin.pages import OwnPages, by
from catalog.exporting import export_boxes
from catalog.forms import UploadForm
from catalog.models import CatalogueUpload
from lootbox.core.strict_json import MalformedJSON
from operators.admin_base import OwnOperators

LARGEST: Final = 2 * 1024 * 1024
# Of a form beside its file.
ENVELOPE: Final = 16 * 1024


@admin.register(CatalogueUpload)
class CatalogueUploadAdmin(OwnPages[CatalogueUpload]):
    """Files that were uploaded, and whether they were imported."""

    list_display = ("file_name", "operator", "uploaded_by", "uploaded_at", "imported_at")
    list_filter = (("operator", OwnOperators),)
    list_select_related = ("operator",)
    search_fields = ("=file_name", "=sha256")
    ordering = ("-id",)
    change_list_template = "admin/catalogue/upload_list.html"

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        """Return that a file stays as it was uploaded."""
        return False

    def get_urls(self) -> list[URLPattern]:
        """Put the limit before the upload, and add the export."""
        site = self.admin_site
        return [
            path("add/", _limited(site.admin_view(self.add_view)), name="catalog_catalogueupload_add"),
            path("export/", site.admin_view(self.export), name="catalog_catalogueupload_export"),
            *super().get_urls(),
        ]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:  # noqa: ARG002 - Django's signature
        """Take a file, and go on to the preview of its import."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        operator = self.operator_or_choice(request, "Import a catalogue file")
        if isinstance(operator, HttpResponse):
            return operator
        form = UploadForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            file = form.cleaned_data["file"]
            if file.size > LARGEST:
                form.add_error("file", "The file is larger than 2 MiB. Split it; what a file leaves out stays as it is.")
            else:
                try:
                    reason = by(request, "uploaded a catalogue file")
                    made = importing.upload(
                        operator=operator, file_name=file.name, raw=file.read(), by=reason, at=timezone.now()
                    )
                except MalformedJSON as error:
                    form.add_error("file", f"This is not a catalogue file: {error}.")
                else:
                    return HttpResponseRedirect(reverse("admin:act", args=["import_boxes", made.pk]))
        context = {"form": form, "operator": operator}
        return self.answer(request, "admin/catalogue/upload.html", f"Import a catalogue file of {operator.name}", context)

    def export(self, request: HttpRequest) -> HttpResponse:
        """Answer the catalogue as a file."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        operator = self.operator_or_choice(request, "Export the catalogue")
        if isinstance(operator, HttpResponse):
            return operator
        text = json.dumps(export_boxes(operator=operator), ensure_ascii=False, indent=2)
        response = HttpResponse(text + "\n", content_type="application/json")
        response["Content-Disposition"] = f'attachment; filename="boxes-{operator.slug}.json"'
        return response

    def page(self, request: HttpRequest, row: CatalogueUpload) -> HttpResponse:
        """Answer what was uploaded, and what became of it."""
        return self.answer(request, "admin/catalogue/uploaded.html", row.file_name, {"upload": row})


def _limited(view: Callable[..., Any]) -> Callable[..., Any]:
    """Return the view behind a limit on the body, which is asked before anything reads it, and so before the token is."""

    @csrf_exempt
    def limited(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if int(request.META.get("CONTENT_LENGTH") or 0) > LARGEST + ENVELOPE:
            return HttpResponse("The file is larger than 2 MiB.", status=413, content_type="text/plain")
        return view(request, *args, **kwargs)

    return limited
