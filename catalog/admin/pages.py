"""What the catalogue's own pages share."""

from collections.abc import Mapping
from typing import Any, TypeVar

from django.contrib.admin import AdminSite
from django.contrib.auth.models import User
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from operators.admin_base import ScopedAdmin, one
from operators.audit import By
from operators.models import Operator
from operators.staff import operators_seen

Row = TypeVar("Row", bound=Model)


class OwnPages(ScopedAdmin[Row]):
    """A list of the theme's, and a page of our own for each row. Nothing is deleted: what was published points to it."""

    def has_delete_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Return that nobody may."""
        return False

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",  # noqa: ARG002 - Django's signature
        extra_context: dict[str, Any] | None = None,  # noqa: ARG002 - Django's signature
    ) -> HttpResponse:
        """Answer the row's own page."""
        return self.page(request, self.row(request, object_id))

    def row(self, request: HttpRequest, object_id: str) -> Any:
        """Return a row that the person may see. Raises `Http404`."""
        row = one(self.get_queryset(request).select_related(*self.related()), object_id)
        if row is None or not self.has_view_permission(request):
            raise Http404
        return row

    def related(self) -> tuple[str, ...]:
        """Return what is read with a row."""
        return ("operator",)

    def page(self, request: HttpRequest, row: Any) -> HttpResponse:
        """Answer the page of a row."""
        raise NotImplementedError

    def answer(self, request: HttpRequest, template: str, title: str, context: Mapping[str, Any]) -> HttpResponse:
        """Answer a page of the back-office."""
        return answer(self.admin_site, request, template, {"title": title, "opts": self.opts, **context})

    def operator_or_choice(self, request: HttpRequest, title: str) -> Operator | HttpResponse:
        """Return whose row is to be made; the page that asks for it where the person sees several operators."""
        operators = list(operators_seen(request.user))
        chosen = [row for row in operators if len(operators) == 1 or str(row.pk) == request.GET.get("operator")]
        if chosen:
            return chosen[0]
        return self.answer(request, "admin/catalogue/whose.html", title, {"operators": operators})


def answer(site: AdminSite, request: HttpRequest, template: str, context: Mapping[str, Any]) -> HttpResponse:
    """Answer a page of the back-office."""
    return TemplateResponse(request, template, {**site.each_context(request), **context})


def by(request: HttpRequest, reason: str) -> By:
    """Return who acts in this request, and why."""
    assert isinstance(request.user, User)
    return By(request.user.get_username(), reason)
