"""The page of a guided action: what it will do, why it is done, and whether it takes a second person."""

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from operators import guided, staff_sessions


def act(request: HttpRequest, name: str, key: str) -> HttpResponse:
    """Show what an action will do, and do it once it has a reason."""
    action, user = guided.ACTIONS.get(name), request.user
    if action is None or not isinstance(user, User) or not user.has_perm(action.permission):
        raise PermissionDenied
    try:
        row = guided.find_row(action=action, key=key, user=user)
    except (ValidationError, ValueError) as error:
        raise Http404 from error
    if row is None:
        raise Http404
    if not staff_sessions.proved_lately(request, at=timezone.now()):
        return redirect_to_login(request.get_full_path(), reverse("admin:prove"))
    options = row._meta  # noqa: SLF001 - documented API
    back = reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[row.pk])
    form = action.form(request.POST or None)
    if form.is_valid():
        inputs = {name: value for name, value in form.cleaned_data.items() if name != "reason"}
        reason = form.cleaned_data["reason"]
        try:
            done = guided.start(action=action, row=row, inputs=inputs, reason=reason, user=user, clock=timezone.now)
            messages.success(request, done)
        except guided.Refused as refused:
            messages.error(request, str(refused))
        return HttpResponseRedirect(back)
    refusal = action.refusal(row)
    context = {
        **admin.site.each_context(request),
        "title": action.title,
        "action": action,
        "subject": action.subject(row),
        "refusal": refusal,
        "preview": () if refusal else action.preview(row, timezone.now()),
        "needs_second": action.needs_second(row),
        "form": form,
        "back": back,
    }
    return TemplateResponse(request, "admin/act.html", context)
