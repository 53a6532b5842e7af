"""Statements: uploaded, mapped, matched, with every difference explained."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html

from finance import tasks
from finance.exports.formats import Format
from finance.matching import listing
from finance.matching.errors import BrokenFile
from finance.matching.forms import ColumnsForm, UploadForm
from finance.matching.previewing import preview
from finance.models import Category, Statement, StatementState
from finance.services import statements
from operators.admin_base import OwnOperators, ReadOnlyAdmin, one
from operators.audit import By
from operators.staff import operators_seen

MATCH: Final = "finance.match_statement"


@admin.register(Statement)
class StatementAdmin(ReadOnlyAdmin[Statement]):
    """Statements of casinos, the newest first."""

    list_display = (
        "file_name",
        "operator",
        "days",
        "shown_state",
        "lines",
        "matched",
        "differing",
        "uploaded_by",
        "uploaded_at",
    )
    list_filter = (("operator", OwnOperators), "state")
    list_select_related = ("operator",)
    ordering = ("-uploaded_at",)
    change_list_template = "admin/statement_list.html"

    def get_urls(self) -> list[URLPattern]:
        """Add uploading, mapping, matching again, and the files to take away."""
        view = self.admin_site.admin_view
        return [
            path("upload/", view(self.upload), name="finance_statement_upload"),
            path("<uuid:key>/columns/", view(self.columns), name="finance_statement_columns"),
            path("<uuid:key>/again/", view(self.again), name="finance_statement_again"),
            path("<uuid:key>/differences.<slug:form>", view(self.export), name="finance_statement_export"),
            path("<uuid:key>/file/", view(self.file), name="finance_statement_file"),
            *super().get_urls(),
        ]

    def upload(self, request: HttpRequest) -> HttpResponse:
        """Take a file in, and go on to its columns or its matching."""
        self._may(request, MATCH)
        form = UploadForm(
            request.POST or None, request.FILES or None, operators=operators_seen(request.user), today=timezone.localdate()
        )
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            try:
                statement = statements.receive(
                    operator=given["operator"],
                    chunks=given["file"].chunks(),
                    file_name=given["file"].name,
                    first_day=given["first_day"],
                    last_day=given["last_day"],
                    tolerance_minor=given["tolerance_minor"],
                    by=_by(request, "uploaded"),
                    at=timezone.now(),
                )
            except (BrokenFile, statements.NotPossible) as refusal:
                form.add_error(None, str(refusal))
            else:
                return self._go_on(statement)
        return self._page(request, "admin/statement_upload.html", "Upload a statement", {"form": form})

    def columns(self, request: HttpRequest, key: UUID) -> HttpResponse:
        """Have a person say, or confirm, which column is what, with a preview of ten lines."""
        self._may(request, MATCH)
        statement = self._found(request, key)
        try:
            begins = statements.sample(statement=statement)
            suggested = statements.suggest(statement=statement, begins=begins)
        except BrokenFile as broken:
            messages.error(request, str(broken))
            return HttpResponseRedirect(reverse("admin:finance_statement_changelist"))
        form = ColumnsForm(request.POST or None, begins=begins, form=suggested)
        chosen = suggested
        if form.is_valid():
            chosen = form.form
            if "confirm" in request.POST:
                try:
                    statements.confirm(statement=statement, form=chosen, by=_by(request, "mapped"), at=timezone.now())
                except statements.NotPossible as refusal:
                    messages.error(request, str(refusal))
                return self._go_on(statement)
        shown = preview(statement=statement, form=chosen)
        more = {"statement": statement, "form": form, "preview": shown, "begins": begins}
        return self._page(request, "admin/statement_columns.html", f"Columns of {statement.file_name}", more)

    def again(self, request: HttpRequest, key: UUID) -> HttpResponse:
        """Match a statement once more."""
        self._may(request, MATCH)
        statement = self._found(request, key)
        if request.method == "POST":
            try:
                statements.again(statement=statement, by=_by(request, "matched again"), at=timezone.now())
            except statements.NotPossible as refusal:
                messages.error(request, str(refusal))
        return self._go_on(statement)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",  # noqa: ARG002 - Django's signature
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Answer how far a statement is, or what came of it and a page of its differences."""
        statement = one(self.get_queryset(request).select_related("operator"), object_id)
        if statement is None or not self.has_view_permission(request):
            raise Http404
        category = request.GET.get("category", "")
        sought = request.GET.get("key", "").strip()
        after = request.GET.get("after", "0")
        if category not in Category.values:
            category = ""
        if not (after.isascii() and after.isdigit() and len(after) < 19) or not sought.isprintable():
            raise Http404
        rows = list(listing.differences(statement, category=category, key=sought, after=int(after))[: listing.PAGE + 1])
        more = {
            "statement": statement,
            "waits": statement.state in {StatementState.WAITING, StatementState.RUNNING},
            "stage": listing.stage(statement),
            "lines": f"{statement.lines_read:,}",
            "left_out": f"{statement.result.get('leftOut', 0):,}",
            "result": listing.shown_result(statement),
            "sums": listing.worked_sums(statement),
            "chart": listing.chart(statement),
            "rows": [listing.listed(row) for row in rows[: listing.PAGE]],
            "next": rows[listing.PAGE - 1].pk if len(rows) > listing.PAGE else None,
            "category": category,
            "kind": Category(category).label if category else "",
            "sought": sought,
            "formats": [form.value for form in Format],
            "may_match": request.user.has_perm(MATCH),
        }
        return self._page(request, "admin/statement.html", str(statement), more | (extra_context or {}))

    def export(self, request: HttpRequest, key: UUID, form: str) -> HttpResponseBase:
        """Answer a statement's differences as a file."""
        statement = self._found(request, key)
        if form not in set(Format):
            raise Http404
        category = request.GET.get("category", "")
        chosen = category if category in Category.values else ""
        response = StreamingHttpResponse(
            listing.export(statement, form=Format(form), category=chosen), content_type=Format(form).content_type
        )
        name = f"differences-{statement.operator.slug}-{statement.first_day}.{form}"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        return response

    def file(self, request: HttpRequest, key: UUID) -> HttpResponseBase:
        """Answer the file exactly as it was uploaded."""
        statement = self._found(request, key)
        response = StreamingHttpResponse(statements.file_of(statement=statement), content_type="application/octet-stream")
        response["Content-Disposition"] = f'attachment; filename="statement-{statement.pk}"'
        return response

    def _found(self, request: HttpRequest, key: UUID) -> Statement:
        if not self.has_view_permission(request):
            raise PermissionDenied
        statement = self.get_queryset(request).select_related("operator").filter(pk=key).first()
        if statement is None:
            raise Http404
        return statement

    def _may(self, request: HttpRequest, permission: str) -> None:
        if not request.user.has_perm(permission):
            raise PermissionDenied

    def _go_on(self, statement: Statement) -> HttpResponse:
        """Match what is small at once, wake a worker for the rest, and go to where a person is needed next."""
        if statement.state == StatementState.UNMAPPED:
            return HttpResponseRedirect(reverse("admin:finance_statement_columns", args=[statement.pk]))
        if statement.state == StatementState.WAITING and statement.file_size <= statements.SMALL:
            statements.run(statement_id=statement.pk, clock=timezone.now)
        elif statement.state == StatementState.WAITING:
            tasks.wake_matching()
        return HttpResponseRedirect(reverse("admin:finance_statement_change", args=[statement.pk]))

    def _page(self, request: HttpRequest, template: str, title: str, more: Mapping[str, Any]) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "title": title, "opts": self.opts, **more}
        return TemplateResponse(request, template, context)

    @admin.display(description="days")
    def days(self, statement: Statement) -> str:
        """Return the days that it is of."""
        first, last = statement.first_day, statement.last_day
        return f"{first}" if first == last else f"{first} to {last}"

    @admin.display(description="state")
    def shown_state(self, statement: Statement) -> str:
        """Return the state as a badge."""
        return format_html('<span class="bo-badge bo-{}">{}</span>', statement.state, statement.get_state_display())

    @admin.display(description="lines")
    def lines(self, statement: Statement) -> str:
        """Return how many lines were read."""
        return f"{statement.lines_read:,}"

    @admin.display(description="matched")
    def matched(self, statement: Statement) -> str:
        """Return how many lines matched."""
        return f"{statement.result.get('counts', {}).get(Category.MATCHED.value, 0):,}" if statement.result else "none yet"

    @admin.display(description="differences")
    def differing(self, statement: Statement) -> str:
        """Return how many differences there are."""
        if not statement.result:
            return "none yet"
        counts = statement.result.get("counts", {})
        return f"{sum(counts.values()) - counts.get(Category.MATCHED.value, 0):,}"


def _by(request: HttpRequest, what: str) -> By:
    return By(request.user.get_username(), f"{what} on the statements' pages")
