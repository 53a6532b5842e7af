"""The house's own pages: operators, their keys and people, and the audit log."""

import csv
from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.contrib.auth.views import redirect_to_login
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django_otp.plugins.otp_totp.models import TOTPDevice

from lootbox.core.spreadsheets import defused
from lootbox.core.strict_json import canonical
from operators import acting, guided, guided_views, people_acting, settings_form, staff, staff_sessions
from operators.admin_base import FOUND, OwnOperators, ReadOnlyAdmin, ReadOnlyInline, one
from operators.models import ActionRequest, ApiKey, AuditEntry, Membership, Operator, RequestState

# Roles are said in code; accounts are shown by our own page; a device's secret is nobody else's business.
admin.site.unregister(Group)
admin.site.unregister(User)
admin.site.unregister(TOTPDevice)

guided.register(*acting.ACTIONS, *people_acting.ACTIONS)


@admin.register(Operator)
class OperatorAdmin(ReadOnlyAdmin[Operator]):
    """Operators; the page of one shows its settings and keys, which guided actions change."""

    operator_path = "pk"
    list_display = ("name", "slug", "base_currency", "shown_state", "created_at")
    search_fields = ("=slug", "name")
    ordering = ("name",)
    change_list_template = "admin/list_with_making.html"
    making = "operator"

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",  # noqa: ARG002 - Django's signature
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Answer the operator's page."""
        operator = one(self.get_queryset(request), object_id)
        if operator is None or not self.has_view_permission(request):
            raise Http404
        sees_keys = request.user.has_perm("operators.view_apikey")
        context = {
            **self.admin_site.each_context(request),
            **(extra_context or {}),
            "title": operator.name,
            "operator": operator,
            "groups": settings_form.as_shown(operator),
            "keys": operator.keys.order_by("-created_at") if sees_keys else None,
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/operator.html", context)

    @admin.display(description="state")
    def shown_state(self, operator: Operator) -> str:
        """Return the state as a badge."""
        return _badge("stopped", "suspended") if operator.suspended else _badge("live", "live")


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin[ApiKey]):
    """Inbound keys."""

    list_display = ("key_id", "operator", "label", "shown_state", "created_at", "expires_at", "last_used_at")
    list_filter = (("operator", OwnOperators),)
    list_select_related = ("operator",)
    search_fields = ("=key_id",)
    ordering = ("-created_at",)
    exclude = ("secret",)
    change_form_template = "admin/with_actions.html"

    @admin.display(description="state")
    def shown_state(self, key: ApiKey) -> str:
        """Return whether it works, as a badge."""
        if key.revoked_at is not None:
            return _badge("stopped", "revoked")
        expired = key.expires_at is not None and key.expires_at <= timezone.now()
        return _badge("expired", "expired") if expired else _badge("live", "live")


class MembershipInline(ReadOnlyInline[Membership, User]):
    """Which operators an account works for."""

    model = Membership
    fields = readonly_fields = ("operator", "external_id", "created_at")


@admin.register(User)
class PersonAdmin(ReadOnlyAdmin[User]):
    """Accounts, what they may do and for whom; guided actions make and change them."""

    list_display = ("username", "first_name", "roles", "operators", "shown_state", "second_factor", "last_login")
    search_fields = ("=username", "=email", "first_name")
    ordering = ("username",)
    fields = readonly_fields = (
        "username", "first_name", "email", "roles", "shown_state", "second_factor", "last_login", "date_joined",
    )  # fmt: skip
    inlines = (MembershipInline,)
    change_form_template = "admin/with_actions.html"
    change_list_template = "admin/list_with_making.html"
    making = "account"

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Return the people who work for operators that the person sees, and for no other."""
        people = staff.accounts_under(request.user).order_by("username")
        return people.prefetch_related("groups", "memberships__operator", "totpdevice_set")

    @admin.display(description="roles")
    def roles(self, user: User) -> str:
        """Return the names of the roles."""
        return ", ".join(role.name for role in user.groups.all()) or ("everything" if user.is_superuser else "none")

    @admin.display(description="works for")
    def operators(self, user: User) -> str:
        """Return the operators' names."""
        return ", ".join(str(membership.operator) for membership in user.memberships.all()) or "the platform"

    @admin.display(description="state")
    def shown_state(self, user: User) -> str:
        """Return whether the account is on, as a badge."""
        return _badge("live", "on") if user.is_active else _badge("stopped", "off")

    @admin.display(description="second factor", boolean=True)
    def second_factor(self, user: User) -> bool:
        """Return whether one is set up."""
        return any(device.confirmed for device in user.totpdevice_set.all())  # type: ignore[attr-defined]  # django-otp is untyped


@admin.register(ActionRequest)
class ActionRequestAdmin(ReadOnlyAdmin[ActionRequest]):
    """What waits for a second person, and what became of it."""

    list_display = ("action", "subject", "operator", "requested_by", "shown_state", "reason", "requested_at", "decided_by")
    list_filter = (("operator", OwnOperators), "state")
    list_select_related = ("operator", "requested_by", "decided_by")
    search_fields = ("=subject",)
    ordering = ("-id",)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",  # noqa: ARG002 - Django's signature
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Answer the request, and confirm or decline it."""
        asked = one(self.get_queryset(request).select_related("operator", "requested_by", "decided_by"), object_id)
        if asked is None or not self.has_view_permission(request):
            raise Http404
        action, user = guided.ACTIONS[asked.action], request.user
        assert isinstance(user, User)
        if request.method == "POST":
            if not staff_sessions.proved_lately(request, at=timezone.now()):
                return redirect_to_login(request.get_full_path(), reverse("admin:prove"))
            confirm = request.POST.get("decision") == "confirm"
            return guided_views.answer(
                request,
                lambda: guided.decide(request=asked, confirm=confirm, user=user, clock=timezone.now),
                back=request.get_full_path(),
            )
        row = guided.find_row(action=action, key=asked.inputs["key"], user=user)
        open_ = row is not None and asked.state == RequestState.WAITING and action.refusal(row) is None
        context = {
            **self.admin_site.each_context(request),
            **(extra_context or {}),
            "title": action.title,
            "asked": asked,
            "action": action,
            "inputs": [(name, value) for name, value in asked.inputs.items() if value and name not in {"key", "seen"}],
            "preview": action.preview(row, timezone.now()) if open_ else (),
            "details": action.details(row) if open_ else {},
            "may_decide": asked.requested_by_id != user.pk and user.has_perm(action.permission),
        }
        return TemplateResponse(request, "admin/action_request.html", context)

    @admin.display(description="state")
    def shown_state(self, asked: ActionRequest) -> str:
        """Return the state as a badge."""
        return _badge(asked.state, asked.get_state_display())


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin[AuditEntry]):
    """What people did, newest first."""

    list_display = ("at", "actor", "confirmed_by", "action", "subject", "operator", "reason")
    list_filter = (("operator", OwnOperators),)
    list_select_related = ("operator",)
    search_fields = ("subject",)
    search_help_text = "An id or a person, exactly"
    ordering = ("-sequence",)

    def found(self, term: str, operators: Sequence[int]) -> Sequence[int]:  # noqa: ARG002 - entries of no operator are found too
        """Return the latest entries about an id, or by a person."""
        latest = AuditEntry.objects.order_by("-sequence").values_list("pk", flat=True)
        return [*latest.filter(subject=term)[:FOUND], *latest.filter(actor=term)[:FOUND]]

    change_list_template = "admin/audit_list.html"

    def get_urls(self) -> list[URLPattern]:
        """Add the export."""
        return [
            path("export/", self.admin_site.admin_view(self.export), name="operators_auditentry_export"),
            *super().get_urls(),
        ]

    def export(self, request: HttpRequest) -> HttpResponseBase:
        """Answer all entries that the person may see as CSV, row by row."""
        if not request.user.has_perm("operators.export_audit"):
            return HttpResponse("Your roles do not allow the export.", status=403)
        entries = self.get_queryset(request).select_related("operator").order_by("sequence")
        response = StreamingHttpResponse(_csv(entries), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = 'attachment; filename="audit.csv"'
        return response


def _badge(tone: str, text: str) -> str:
    return format_html('<span class="bo-badge bo-{}">{}</span>', tone, text)


class _Line:
    def write(self, text: str) -> str:
        return text


def _csv(entries: QuerySet[AuditEntry]) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield writer.writerow(
        ["sequence", "at", "operator", "actor", "confirmedBy", "action", "subject", "reason", "before", "after", "hash"]
    )
    for entry in entries.iterator(chunk_size=2000):
        row = [
            entry.sequence, entry.at.isoformat(), entry.operator.slug if entry.operator else "", entry.actor,
            entry.confirmed_by, entry.action, entry.subject, entry.reason, canonical(entry.before).decode(),
            canonical(entry.after).decode(), entry.hash,
        ]  # fmt: skip
        yield writer.writerow([defused(str(value)) for value in row])
