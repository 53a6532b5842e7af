"""The page of money whose fate is not known."""

from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from purchases import unresolved


def unresolved_money(request: HttpRequest) -> HttpResponse:
    """Answer what waits, the oldest first, of one operator if the address names it."""
    user, wanted = request.user, request.GET.get("operator", "")
    if not isinstance(user, User) or not user.has_perm("wallet.view_walletcall"):
        raise PermissionDenied
    operator_id = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 10 else None
    after = request.GET.get("after", "")
    context = {
        **admin.site.each_context(request),
        "title": "Unresolved money",
        "queue": unresolved.queue(user=user, operator_id=operator_id, after=after, at=timezone.now()),
        "operators": unresolved.choices(user=user),
        "operator_id": operator_id,
    }
    return TemplateResponse(request, "admin/unresolved.html", context)
