"""The pages of guided actions: what one will do, why it is done, and whether it takes a second person."""

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache

from operators import guided, staff_sessions
from operators.guided import Guided, Making, ReasonForm, Refused, ShownOnce

AT_ONCE: Final = 100


@never_cache
def act(request: HttpRequest, name: str, key: str) -> HttpResponse:
    """Show what an action will do, and do it once it has a reason."""
    action, user = _permitted(request, guided.ACTIONS.get(name))
    try:
        row = guided.find_row(action=action, key=key, user=user)
    except (ValidationError, ValueError) as error:
        raise Http404 from error
    if row is None:
        raise Http404
    if not staff_sessions.proved_lately(request, at=timezone.now()):
        return _prove_first(request)
    back = _page_of(row)
    form = action.new_form(row, user, request.POST or None)
    if form.is_valid():
        inputs, reason = _split(form)
        return answer(
            request,
            lambda: guided.start(action=action, row=row, inputs=inputs, reason=reason, user=user, clock=timezone.now),
            back=back,
        )
    refusal = action.refusal(row)
    return _ask(
        request,
        action,
        form,
        back,
        subject=action.subject(row),
        refusal=refusal,
        preview=() if refusal else action.preview(row, timezone.now()),
        details={} if refusal else action.details(row),
        needs_second=action.needs_second(row),
    )


@never_cache
def make(request: HttpRequest, name: str) -> HttpResponse:
    """Ask for what is to be made, and make it once there is a reason."""
    making, user = _permitted(request, guided.MAKINGS.get(name))
    if not staff_sessions.proved_lately(request, at=timezone.now()):
        return _prove_first(request)
    back = reverse(f"admin:{making.lists}")
    form = making.new_form(user, request.POST or None)
    if form.is_valid():
        inputs, reason = _split(form)
        try:
            done = guided.make(making=making, inputs=inputs, reason=reason, user=user, clock=timezone.now)
        except Refused as refused:
            form.add_error(None, str(refused))
        else:
            return answer(request, lambda: done, back=back)
    return _ask(request, making, form, back, preview=making.preview())


@never_cache
def act_many(request: HttpRequest, name: str) -> HttpResponse:
    """Show what an action will do to each of the chosen rows, and do it to those that it can be done to."""
    action, user = _permitted(request, guided.ACTIONS.get(name))
    options = action.model._meta  # noqa: SLF001 - documented API
    back = reverse(f"admin:{options.app_label}_{options.model_name}_changelist")
    if not staff_sessions.proved_lately(request, at=timezone.now()):
        return _prove_first(request)
    try:
        rows = list(action.rows(user).filter(pk__in=request.GET.get("keys", "").split(",")[:AT_ONCE]))
    except (ValidationError, ValueError) as error:
        raise Http404 from error
    if not rows:
        raise Http404
    form = ReasonForm(request.POST or None)
    if form.is_valid():
        for row in rows:
            try:
                reason = form.cleaned_data["reason"]
                done = guided.start(action=action, row=row, inputs={}, reason=reason, user=user, clock=timezone.now)
                messages.success(request, f"{action.subject(row)}: {done}")
            except Refused as refused:
                messages.error(request, f"{action.subject(row)}: {refused}")
        return HttpResponseRedirect(back)
    chosen = [(action.subject(row), action.refusal(row) or " ".join(action.preview(row, timezone.now()))) for row in rows]
    needs_second = any(action.needs_second(row) for row in rows)
    return _ask(request, action, form, back, chosen=chosen, needs_second=needs_second)


def choose(name: str) -> Callable[[Any, HttpRequest, QuerySet[Model]], HttpResponse | None]:
    """Return a list's action that goes on to the page of a guided action on the selected rows."""

    def go_on(console: Any, request: HttpRequest, queryset: QuerySet[Model]) -> HttpResponse | None:
        keys = [str(key) for key in queryset.values_list("pk", flat=True)[: AT_ONCE + 1]]
        if len(keys) > AT_ONCE:
            console.message_user(request, f"Select at most {AT_ONCE} rows at once.", messages.ERROR)
            return None
        address = reverse("admin:act_many", args=[name])
        return HttpResponseRedirect(f"{address}?{urlencode({'keys': ','.join(keys)})}")

    return go_on


def answer(request: HttpRequest, do: Callable[[], str], *, back: str) -> HttpResponse:
    """Do something and say on the next page what happened; secrets stand on that page only, which no browser may keep."""
    try:
        done = do()
    except Refused as refused:
        messages.error(request, str(refused))
        return HttpResponseRedirect(back)
    if isinstance(done, ShownOnce):
        # A link is whole, so that it can be passed on.
        secrets = {name: request.build_absolute_uri(text) if text[:1] == "/" else text for name, text in done.secrets.items()}
        context = {**admin.site.each_context(request), "title": "Shown once", "done": done, "secrets": secrets, "back": back}
        return TemplateResponse(request, "admin/shown_once.html", context)
    messages.success(request, done)
    return HttpResponseRedirect(back)


def _permitted(request: HttpRequest, action: Any) -> tuple[Any, User]:
    if action is None or not isinstance(request.user, User) or not request.user.has_perm(action.permission):
        raise PermissionDenied
    return action, request.user


def _prove_first(request: HttpRequest) -> HttpResponse:
    return redirect_to_login(request.get_full_path(), reverse("admin:prove"))


def _page_of(row: Model) -> str:
    options = row._meta  # noqa: SLF001 - documented API
    return reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[row.pk])


def _split(form: ReasonForm) -> tuple[dict[str, Any], str]:
    inputs = {name: value for name, value in form.cleaned_data.items() if name != "reason"}
    return inputs, form.cleaned_data["reason"]


def _ask(request: HttpRequest, action: Guided | Making, form: ReasonForm, back: str, **more: Any) -> HttpResponse:
    context = {**admin.site.each_context(request), "title": action.title, "action": action, "form": form, "back": back, **more}
    return TemplateResponse(request, "admin/act.html", context)
