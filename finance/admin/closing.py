"""Closed days: what each froze, what comes next, and closing it."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html

from finance import closing
from finance.charts import AROUND_ZERO, BLUE, GREEN, RED, Chart, Plot
from finance.days import period
from finance.models import ClosedDay, CloseState
from lootbox.core.money import in_units
from lootbox.core.wording import money
from operators import staff_sessions
from operators.admin_base import OwnOperators, ReadOnlyAdmin, one
from operators.audit import By
from operators.guided import ReasonForm
from operators.models import Operator
from operators.staff import operators_seen

SHOWN_LATE = 200
SHOWN_DAYS = 31


class CloseForm(ReasonForm):
    """Why a day is closed, and that its open money is known of."""

    despite_unresolved = forms.BooleanField(required=False, label="Close it although the fate of some money is not known yet")


@admin.register(ClosedDay)
class ClosedDayAdmin(ReadOnlyAdmin[ClosedDay]):
    """Closes, the newest first."""

    list_display = ("day", "operator", "shown_state", "movements", "late", "net", "closed_by", "closed_at", "short_hash")
    list_filter = (("operator", OwnOperators), "state")
    list_select_related = ("operator",)
    ordering = ("-day", "-id")
    change_list_template = "admin/closed_days.html"

    def get_urls(self) -> list[URLPattern]:
        """Add closing."""
        return [
            path("close/<int:operator_id>/<str:day>/", self.admin_site.admin_view(self.close), name="finance_closedday_close"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Answer the list, with the day that each operator closes next and a picture of the last ones."""
        operators = list(operators_seen(request.user)[:20])
        due = [(operator, closing.next_day(operator=operator)) for operator in operators]
        more = {
            "due": [(operator, day, _is_over(operator, day)) for operator, day in due if day is not None],
            "charts": [_days_chart(self, request, operator) for operator in operators[:3]],
        }
        return super().changelist_view(request, more | (extra_context or {}))

    def close(self, request: HttpRequest, operator_id: int, day: str) -> HttpResponse:
        """Show what closing a day freezes, and freeze it once it has a reason."""
        user = request.user
        if not isinstance(user, User) or not user.has_perm("finance.close_day"):
            raise PermissionDenied
        operator = operators_seen(user).filter(pk=operator_id).first()
        try:
            wanted = dt.date.fromisoformat(day)
        except ValueError as error:
            raise Http404 from error
        if operator is None:
            raise Http404
        if not staff_sessions.proved_lately(request, at=timezone.now()):
            return redirect_to_login(request.get_full_path(), reverse("admin:prove"))
        form = CloseForm(request.POST or None)
        try:
            if form.is_valid() and (closed := _close(operator, wanted, user, form)) is not None:
                messages.success(request, f"{closed.day} is closed.")
                return HttpResponseRedirect(reverse("admin:finance_closedday_change", args=[closed.pk]))
            worked = closing.work_out(operator=operator, day=wanted, at=timezone.now())
        except closing.NotClosable as refusal:
            messages.error(request, str(refusal))
            return HttpResponseRedirect(reverse("admin:finance_closedday_changelist"))
        if not worked.unresolved:
            del form.fields["despite_unresolved"]
        more = {"worked": worked, "form": form, **_figures(worked.totals), "unresolved": _open(worked.unresolved)}
        return self._page(request, "admin/close_day.html", f"Close {wanted} of {operator.name}", more)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",  # noqa: ARG002 - Django's signature
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Answer what a close froze, with its worked sums and what came in late."""
        closed = one(self.get_queryset(request).select_related("operator", "previous"), object_id)
        if closed is None or not self.has_view_permission(request):
            raise Http404
        more = {
            "closed": closed,
            **_figures(closed.totals),
            "unresolved": _open(closed.unresolved),
            "late": [(*late, _signed(late[0])) for late in closing.late_postings(closed=closed, most=SHOWN_LATE)],
            "after": closing.close_after(closed=closed),
            "anew": closing.close_anew(closed=closed),
            "drift": closing.drift(closed=closed),
            "chart": _reasons_chart(closed),
        }
        title = f"{closed.day} of {closed.operator.name}"
        return self._page(request, "admin/closed_day.html", title, more | (extra_context or {}))

    def _page(self, request: HttpRequest, template: str, title: str, more: Mapping[str, Any]) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "title": title, "opts": self.opts, **more}
        return TemplateResponse(request, template, context)

    @admin.display(description="state")
    def shown_state(self, closed: ClosedDay) -> str:
        """Return the state as a badge."""
        badge = "done" if closed.state == CloseState.CLOSED else "waiting"
        return format_html('<span class="bo-badge bo-{}">{}</span>', badge, closed.get_state_display())

    @admin.display(description="players' balance")
    def net(self, closed: ClosedDay) -> str:
        """Return what the day's movements did to the players, by currency."""
        return ", ".join(_together(closed.totals["ledger"])) or "nothing moved"

    @admin.display(description="hash")
    def short_hash(self, closed: ClosedDay) -> str:
        """Return the beginning of the hash."""
        return f"{closed.hash[:12]}…"


def _close(operator: Operator, day: dt.date, user: User, form: CloseForm) -> ClosedDay | None:
    """Return the day, closed; None where the form has to say more."""
    by = By(user.get_username(), form.cleaned_data["reason"])
    accepted = form.cleaned_data["despite_unresolved"]
    try:
        return closing.close(operator=operator, day=day, by=by, at=timezone.now(), despite_unresolved=accepted)
    except closing.MoneyOpen as refusal:
        form.add_error("despite_unresolved", str(refusal))
        return None


def _is_over(operator: Any, day: dt.date) -> bool:
    return timezone.now() >= period(day, day, operator.time_zone).end


def _figures(totals: Mapping[str, Any]) -> dict[str, Any]:
    """Return the worked sums in words: what the ledger moved by reason, and what the report says of the day."""
    ledger: dict[str, list[tuple[str, ...]]] = {}
    for row in totals["ledger"]:
        currency = row["currency"]
        ledger.setdefault(currency, []).append(
            (
                f"{row['reason']}, {'from' if row['type'] == 'wallet.debit' else 'to'} players",
                f"{row['movements']:,}",
                money(row["amountMinor"], currency),
                money(row["baseAmountMinor"], row["baseCurrency"]),
                f"{row['late']:,}",
                money(row["lateMinor"], currency),
            )
        )
    for currency, lines in ledger.items():
        rows = [row for row in totals["ledger"] if row["currency"] == currency]
        movements, late = (sum(row[name] for row in rows) for name in ("movements", "late"))
        amount, late_amount = (money(sum(row[name] for row in rows), currency) for name in ("amountMinor", "lateMinor"))
        lines.append(("Together", f"{movements:,}", amount, "", f"{late:,}", late_amount))
    amounts = (
        ("Turnover", "turnover"), ("Payout", "payout"), ("Free-open cost", "free_cost"), ("Cashback", "cashback"),
        ("Refunds", "refunds"), ("Shipping", "shipping"),
    )  # fmt: skip
    revenue = [
        (
            row["currency"],
            [
                ("Rounds", f"{row['rounds']:,}"),
                *((label, money(row[name], row["currency"])) for label, name in amounts),
                ("Gross revenue: turnover less payout", _less(row["turnover"], row["payout"], row["currency"])),
            ],
        )
        for row in totals["revenue"]
    ]
    return {"ledger": ledger, "revenue": revenue}


def _less(one: int, other: int, currency: str) -> str:
    return f"{money(one, currency)} less {money(other, currency)} is {money(one - other, currency)}"


def _open(unresolved: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        f"{row['calls']:,} {row['type'].removeprefix('wallet.')}{'' if row['calls'] == 1 else 's'}, "
        f"{money(row['amountMinor'], row['currency'])}"
        for row in unresolved
    ]


def _together(ledger: Sequence[Mapping[str, Any]]) -> list[str]:
    sums: dict[str, int] = {}
    for row in ledger:
        sums[row["currency"]] = sums.get(row["currency"], 0) + row["amountMinor"]
    return [money(amount, currency) for currency, amount in sorted(sums.items())]


def _signed(call: Any) -> str:
    return money(-call.amount_minor if call.type == "wallet.debit" else call.amount_minor, call.currency)


def _base(rows: Sequence[Mapping[str, Any]], currency: str, type_: str) -> int:
    return sum(row["baseAmountMinor"] for row in rows if row["type"] == type_ and row["baseCurrency"] == currency)


def _days_chart(console: ClosedDayAdmin, request: HttpRequest, operator: Any) -> Chart:
    newest = console.get_queryset(request).filter(operator=operator, state=CloseState.CLOSED).order_by("-day")[:SHOWN_DAYS]
    days, base = list(newest)[::-1], operator.base_currency
    taken = [-_base(closed.totals["ledger"], base, "wallet.debit") for closed in days]
    given = [_base(closed.totals["ledger"], base, "wallet.credit") for closed in days]

    def units(amounts: Sequence[int]) -> list[float]:
        return [float(in_units(amount_minor=amount, currency=base)) for amount in amounts]

    return Chart(
        title=f"{operator.name}: closed days, in {base}",
        kind="bar",
        labels=[f"{closed.day:%d %b}" for closed in days],
        plots=[
            Plot(name="taken from players", values=units(taken), colour=GREEN),
            Plot(name="given to players", values=units(given), colour=BLUE),
        ],
        headings=("Day", "Taken from players", "Given to players"),
        rows=[
            (f"{closed.day}", money(one, base), money(other, base))
            for closed, one, other in zip(days, taken, given, strict=True)
        ],
    )


def _reasons_chart(closed: ClosedDay) -> Chart:
    rows = closed.totals["ledger"]
    base = closed.operator.base_currency
    sums: dict[str, int] = {}
    for row in rows:
        if row["baseCurrency"] == base:
            sums[row["reason"]] = sums.get(row["reason"], 0) + row["baseAmountMinor"]
    return Chart(
        title=f"What moved, by reason, in {base}",
        kind="bar",
        labels=list(sums),
        plots=[
            Plot(
                name="players' balance",
                values=[float(in_units(amount_minor=amount, currency=base)) for amount in sums.values()],
                colour=[RED if amount < 0 else GREEN for amount in sums.values()],
            )
        ],
        axis=AROUND_ZERO,
        headings=("Reason", "Players' balance"),
        rows=[(reason, money(amount, base)) for reason, amount in sums.items()],
    )
