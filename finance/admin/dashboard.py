"""The dashboard's page."""

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from finance import dashboard, panels
from finance.dashboard import PERIODS, Choice
from operators.models import Operator
from operators.staff import operators_seen


class ChoiceForm(forms.Form):
    """What the page shows; whatever the address says otherwise is left out of account."""

    period = forms.ChoiceField(choices=[(period.key, f"Last {period.name}") for period in PERIODS.values()], required=False)
    operator = forms.ModelChoiceField(
        Operator.objects.none(), to_field_name="slug", required=False, empty_label="All operators"
    )
    currency = forms.ChoiceField(required=False)


def show(request: HttpRequest) -> HttpResponse:
    """Answer how play, money and webhooks do."""
    user = request.user
    if not isinstance(user, User) or not user.has_perm("operators.see_dashboard"):
        raise PermissionDenied
    seen = operators_seen(user)
    operators = list(seen)
    form = ChoiceForm({"period": "7d", **request.GET.dict()})
    form.fields["operator"].queryset = seen  # type: ignore[attr-defined]
    currencies = sorted({currency for operator in operators for currency in operator.currencies})
    form.fields["currency"].choices = [("", "All, in base"), *((code, code) for code in currencies)]  # type: ignore[attr-defined]
    form.full_clean()
    operator, currency = form.cleaned_data.get("operator"), form.cleaned_data.get("currency")
    choice = Choice(
        period=PERIODS.get(form.cleaned_data.get("period") or "", PERIODS["7d"]),
        operators=[operator] if operator else operators,
        currency=currency or None,
    )
    board = dashboard.read(choice=choice, at=timezone.now())
    context = {
        **admin.site.each_context(request),
        "title": "Dashboard",
        "form": form,
        "periods": PERIODS.values(),
        "choice": choice,
        "several": len(operators) > 1,
        "panels": panels.panels(board),
        "at": board.at,
    }
    return TemplateResponse(request, "admin/dashboard.html", context)
