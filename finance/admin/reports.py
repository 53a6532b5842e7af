"""The pages of reports: what was played and earned, and what is owed; from each, the same as a file."""

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from catalog.models import BoxVersion
from finance import behind, shown
from finance.days import Zone
from finance.exports.columns import ReportName
from finance.exports.formats import Format
from finance.exports.making import NotExportable, Wanted, owed_at, selection
from finance.liability import liability
from finance.reports import Dimension, revenue
from finance.services import exporting
from finance.views import attachment
from lootbox.core.errors import ApiError
from lootbox.core.money import is_currency
from lootbox.core.pagination import decode_cursor
from operators.audit import By
from operators.models import Operator
from operators.staff import operators_seen

PERMISSION = "finance.see_reports"
MOST_DAYS = 400
WEEK = dt.timedelta(days=6)


class _Days(forms.DateInput):
    input_type = "date"


class ReportForm(forms.Form):
    """What a page or file is about."""

    operator = forms.ModelChoiceField(Operator.objects.none(), required=False, empty_label="All operators")
    first = forms.DateField(label="From", widget=_Days)
    last = forms.DateField(label="To, included", widget=_Days)
    zone = forms.ChoiceField(
        label="Days of",
        choices=[(Zone.UTC.value, "UTC"), (Zone.OPERATOR.value, "the operator's time zone")],
    )
    by = forms.MultipleChoiceField(
        label="Split by",
        required=False,
        choices=[(dimension.value, dimension.value.capitalize()) for dimension in Dimension],
        widget=forms.CheckboxSelectMultiple,
    )
    currency = forms.CharField(required=False, max_length=3, widget=forms.TextInput(attrs={"placeholder": "all", "size": 4}))
    funding = forms.ChoiceField(
        label="Paid by", required=False, choices=[("", "anybody"), ("player", "players"), ("operator", "the operator")]
    )

    def __init__(self, user: User, given: QueryDict, *, today: dt.date, by: list[str]) -> None:
        """Offer the person's operators; what is not given is the last week, split as the page wants it."""
        usual = {"first": str(today - WEEK), "last": str(today), "zone": Zone.UTC.value, "by": by}
        filled: dict[str, Any] = {name: given.getlist(name) if name == "by" else given[name] for name in given}
        if "last" in filled:
            # What is owed is asked for by its last day alone, and nothing ticked means that nothing is split.
            usual |= {"first": filled["last"], "by": []}
        super().__init__(usual | filled)
        operator: Any = self.fields["operator"]
        operator.queryset = operators_seen(user)

    def clean_currency(self) -> str:
        """Return a currency's code, or nothing."""
        code: str = self.cleaned_data["currency"].upper()
        if code and not is_currency(code):
            raise forms.ValidationError("Write a currency's code, such as EUR.")
        return code

    def clean(self) -> dict[str, Any]:
        """Refuse days that are in the wrong order, or too many."""
        first, last = self.cleaned_data.get("first"), self.cleaned_data.get("last")
        if first and last and not dt.timedelta() <= last - first <= dt.timedelta(days=MOST_DAYS):
            self.add_error("last", f"Choose a day that is not before the first one, and at most {MOST_DAYS} days after it.")
        return self.cleaned_data

    def wanted(self, report: ReportName, format_: Format) -> Wanted:
        """Return what was chosen."""
        chosen = self.cleaned_data
        operators: Any = self.fields["operator"]
        return Wanted(
            report=report,
            format=format_,
            operators=[chosen["operator"]] if chosen["operator"] else list(operators.queryset),
            first=chosen["first"],
            last=chosen["last"],
            zone=Zone(chosen["zone"]),
            by=frozenset(Dimension(name) for name in chosen["by"]),
            currency=chosen["currency"] or None,
            funding=chosen["funding"] or None,
        )


class RoundsForm(ReportForm):
    """Which figure's rounds are asked for: those of one operator, and of one box or version where one is named."""

    box = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1, widget=forms.HiddenInput)
    version = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1, widget=forms.HiddenInput)
    cursor = forms.CharField(required=False, max_length=500)

    def clean(self) -> dict[str, Any]:
        """Refuse days that make no sense, and rounds of more than one operator."""
        if self.cleaned_data.get("operator") is None:
            self.add_error("operator", "Choose an operator.")
        return super().clean()


def revenue_page(request: HttpRequest) -> HttpResponse:
    """Answer what was played and earned."""
    user = _permitted(request)
    form = ReportForm(user, request.GET, today=timezone.now().date(), by=[Dimension.DAY.value])
    more: dict[str, Any] = {"form": form, "report_name": ReportName.REVENUE.value}
    if form.is_valid():
        chosen = selection(form.wanted(ReportName.REVENUE, Format.CSV))
        report = revenue(chosen)
        more |= {
            "table": shown.table(chosen, report),
            "chart": shown.chart(report, chosen.by),
            "zones": shown.zone_names(chosen.operators, chosen.zone),
        }
    return _page(request, "admin/finance/revenue.html", "Reports", more)


def rounds_page(request: HttpRequest) -> HttpResponse:
    """Answer the rounds behind a figure, with the figure on the first page."""
    form = RoundsForm(_permitted(request), request.GET, today=timezone.now().date(), by=[])
    if not form.is_valid():
        messages.error(request, "These rounds can't be listed. Choose an operator and its days.")
        return HttpResponseRedirect(reverse("admin:finance_reports"))
    asked, box = form.cleaned_data, None
    chosen = selection(form.wanted(ReportName.REVENUE, Format.CSV))
    chosen = dataclasses.replace(chosen, box_id=asked["box"], version_id=asked["version"])
    versions = BoxVersion.objects.filter(operator=asked["operator"]).select_related("box")
    if asked["version"]:
        box = versions.filter(pk=asked["version"]).first()
    elif asked["box"]:
        box = versions.filter(box=asked["box"]).first()
    try:
        position = decode_cursor(asked["cursor"] or None, row_id=UUID)
    except ApiError as error:
        raise Http404 from error
    page = behind.rounds(chosen, position=position)
    more = {
        "operator": asked["operator"],
        "chosen": chosen,
        "what": shown.what(chosen, box),
        "report": shown.report_link(chosen),
        "figures": [] if position else shown.behind_figures(revenue(chosen)),
        "table": shown.behind_table(page.rows),
        "pages": shown.behind_pages(chosen, page),
    }
    return _page(request, "admin/finance/rounds.html", "Rounds behind a figure", more)


def liability_page(request: HttpRequest) -> HttpResponse:
    """Answer what is owed at the end of a day, or now."""
    user = _permitted(request)
    form = ReportForm(user, request.GET, today=timezone.now().date(), by=[])
    more: dict[str, Any] = {"form": form, "report_name": ReportName.LIABILITY.value}
    if form.is_valid():
        wanted, at = form.wanted(ReportName.LIABILITY, Format.CSV), timezone.now()
        rows = [
            row
            for operator in wanted.operators
            for row in liability(operators=[operator], at=owed_at(wanted, operator, at))
            if wanted.currency in (None, row.currency)
        ]
        moments = sorted({owed_at(wanted, operator, at) for operator in wanted.operators})
        more |= {
            "table": shown.liability_table(rows, operator=form.cleaned_data["operator"]),
            "chart": shown.liability_chart(rows),
            "moments": moments,
        }
    return _page(request, "admin/finance/liability.html", "Liability", more)


def make_file(request: HttpRequest) -> HttpResponseBase:
    """Answer a file, or have a large one made and lead to where it will wait."""
    user = _permitted(request)
    form = ReportForm(user, request.POST, today=timezone.now().date(), by=[])
    report, format_ = request.POST.get("report"), request.POST.get("format")
    if request.method != "POST" or not form.is_valid() or report not in set(ReportName) or format_ not in set(Format):
        messages.error(request, "Choose a report, its days and a format.")
        return HttpResponseRedirect(reverse("admin:finance_reports"))
    wanted = form.wanted(ReportName(report), Format(format_))
    by = By(user.get_username(), "asked for in the administration")
    try:
        if not request.POST.get("later") and not exporting.is_large(wanted):
            return attachment(wanted, by=by)
        export = exporting.request(wanted, by=by, at=timezone.now())
    except NotExportable as refusal:
        messages.error(request, refusal.message)
        return HttpResponseRedirect(reverse("admin:finance_reports"))
    return HttpResponseRedirect(reverse("admin:finance_export_change", args=[export.pk]))


def _permitted(request: HttpRequest) -> User:
    if not isinstance(request.user, User) or not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    return request.user


def _page(request: HttpRequest, template: str, title: str, more: Mapping[str, Any]) -> HttpResponse:
    context = {**admin.site.each_context(request), "title": title, "formats": list(Format), **more}
    return TemplateResponse(request, template, context)
