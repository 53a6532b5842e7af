"""The house's own pages: operators, their keys and people, and the audit log."""

import csv
from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Group, User
from django.contrib.auth.views import redirect_to_login
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django_otp.plugins.otp_totp.models import TOTPDevice

from lootbox.core.strict_json import canonical
from operators import guided, guided_views, staff, staff_sessions
from operators.admin_base import OwnOperators, ReadOnlyAdmin, ReadOnlyInline, ScopedAdmin, one
from operators.models import ActionRequest, ApiKey, AuditEntry, Membership, Operator, RequestState

# Roles are said in code; accounts are shown by our own page; a device's secret is nobody else's business.
admin.site.unregister(Group)
admin.site.unregister(User)
admin.site.unregister(TOTPDevice)


class KeyInline(ReadOnlyInline[ApiKey, Operator]):
    """An operator's keys; a secret is never shown again."""

    model = ApiKey
    fields = readonly_fields = ("key_id", "label", "created_at", "expires_at", "revoked_at", "last_used_at", "allowed_ips")


@admin.register(Operator)
class OperatorAdmin(ReadOnlyAdmin[Operator]):
    """Operators and their settings, which `set_operator` changes."""

    operator_path = "pk"
    list_display = ("name", "slug", "base_currency", "suspended", "created_at")
    search_fields = ("=slug", "name")
    ordering = ("name",)
    exclude = ("outbound_secret", "previous_outbound_secret")
    inlines = (KeyInline,)


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin[ApiKey]):
    """Inbound keys, which `create_key` makes and `revoke_key` revokes."""

    list_display = ("key_id", "operator", "label", "created_at", "expires_at", "revoked_at", "last_used_at")
    list_filter = (("operator", OwnOperators),)
    list_select_related = ("operator",)
    search_fields = ("=key_id",)
    ordering = ("-created_at",)
    exclude = ("secret",)


class MembershipInline(ReadOnlyInline[Membership, User]):
    """Which operators an account works for."""

    model = Membership
    fields = readonly_fields = ("operator", "external_id", "created_at")


class RolesForm(forms.ModelForm[User]):
    """Roles of one account, and why they change."""

    reason = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 2, "class": "bo-input"}), help_text="Goes into the audit log."
    )

    class Meta:
        model = User
        fields = ("groups",)


@admin.register(User)
class PersonAdmin(ScopedAdmin[User]):
    """Accounts and their roles. Accounts come by single sign-on, or by `createsuperuser`."""

    form = RolesForm
    list_display = ("username", "first_name", "email", "is_active", "last_login")
    search_fields = ("=username", "=email", "first_name")
    ordering = ("username",)
    fields = ("username", "first_name", "email", "is_active", "last_login", "groups", "reason")
    readonly_fields = ("username", "first_name", "email", "is_active", "last_login")
    filter_horizontal = ("groups",)
    inlines = (MembershipInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Return the people who work for operators that the person sees, and for no other."""
        return staff.accounts_under(request.user).order_by("username")

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        """Return that accounts are not made by hand here."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Return that accounts stay: the audit log names them."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Return whether the person may grant roles to this account."""
        return bool(request.user.has_perm("operators.grant_roles")) and self.in_scope(request, obj)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer the roles that the person may grant."""
        if db_field.name == "groups":
            everywhere = staff.operator_ids(request.user) is None
            kwargs["queryset"] = Group.objects.filter(name__in=staff.ROLES if everywhere else staff.GRANTABLE)
            kwargs["widget"] = forms.CheckboxSelectMultiple()
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: ARG002, FBT001 - Django's signature
        """Grant the roles by the service, which says so in the audit log."""
        try:
            staff.grant_roles(
                user=form.instance,
                roles=form.cleaned_data["groups"],
                giver=request.user,  # type: ignore[arg-type]
                reason=form.cleaned_data["reason"],
                at=timezone.now(),
            )
        except staff.NotAllowed as refusal:
            messages.error(request, str(refusal))
        for formset in formsets:
            formset.save()  # its rows are read-only; Django asks it afterwards what it did

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature
        """Leave the row alone: only its roles can change here."""


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
        return format_html('<span class="bo-badge bo-{}">{}</span>', asked.state, asked.get_state_display())


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin[AuditEntry]):
    """What people did, newest first."""

    list_display = ("at", "actor", "confirmed_by", "action", "subject", "operator", "reason")
    list_filter = (("operator", OwnOperators),)
    list_select_related = ("operator",)
    search_fields = ("=subject", "=actor")
    search_help_text = "An id or a person, exactly"
    ordering = ("-sequence",)
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
        yield writer.writerow([_plain(value) for value in row])


def _plain(value: object) -> str:
    # A spreadsheet takes a text that begins so for a formula; a reason is free text of a person's.
    text = str(value)
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text
