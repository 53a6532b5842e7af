"""Closing a day and re-opening it, as people do it in the back-office."""

import pytest
from django.test import Client

from finance.models import ClosedDay, CloseState
from operators import staff
from operators.models import ActionRequest
from operators.services import NewOperator
from tests.admin.cast import acts, browser, page, person
from tests.services.finance.books import DAY, Books
from wallet.models import CallState
from wallet.numbering import number_movements


@pytest.fixture
def fatima(acme: NewOperator) -> Client:
    """Return Acme's finance person at her browser."""
    return browser(person("fatima", role=staff.FINANCE, at=acme.operator))


@pytest.fixture
def close_url(acme: NewOperator) -> str:
    """Return the address where Acme's first day is closed, which has three movements."""
    Books(acme.operator).calls(3)
    number_movements()
    return page("finance_closedday_close", acme.operator.pk, DAY)


class TestClosingADay:
    def test_shows_the_worked_sums_then_freezes_them(self, fatima: Client, close_url: str) -> None:
        assert close_url in fatima.get(page("finance_closedday_changelist")).content.decode()
        shown = fatima.get(close_url).content.decode()
        assert "-5.00 EUR" in shown
        answer = fatima.post(close_url, {"reason": "end of day"}, follow=True)
        closed = ClosedDay.objects.get()
        assert answer.redirect_chain[-1][0] == page("finance_closedday_change", closed.pk)
        assert closed.hash in answer.content.decode()
        assert [(entry.action, entry.actor) for entry in acts()] == [("day.close", "fatima")]

    def test_wants_open_money_to_be_accepted(self, fatima: Client, acme: NewOperator, close_url: str) -> None:
        Books(acme.operator).call(state=CallState.UNKNOWN)
        assert "1 debit, 5.00 EUR" in fatima.get(close_url).content.decode()
        answer = fatima.post(close_url, {"reason": "end of day, all checked"})
        assert "The fate of 1 wallet call of the day is not known yet" in answer.content.decode()
        assert "end of day, all checked" in answer.content.decode()
        assert not ClosedDay.objects.exists()
        fatima.post(close_url, {"reason": "end of day", "despite_unresolved": "on"})
        assert ClosedDay.objects.get().unresolved[0]["calls"] == 1

    @pytest.mark.parametrize("role", [staff.AUDITOR, staff.SUPPORT, None])
    def test_is_for_finance_and_administrators_only(self, acme: NewOperator, close_url: str, role: str | None) -> None:
        assert browser(person("pat", role=role, at=acme.operator)).post(close_url, {"reason": "why not"}).status_code == 403
        assert not ClosedDay.objects.exists()

    def test_of_another_operator_is_not_there(self, stranger: NewOperator, close_url: str) -> None:
        other = browser(person("sam", role=staff.OPERATOR_ADMIN, at=stranger.operator))
        assert other.post(close_url, {"reason": "why not"}).status_code == 404
        assert not ClosedDay.objects.exists()


class TestReopeningADay:
    def test_takes_a_second_person(self, fatima: Client, acme: NewOperator, close_url: str) -> None:
        fatima.post(close_url, {"reason": "end of day"})
        closed = ClosedDay.objects.get()
        fatima.post(page("act", "reopen_day", closed.pk), {"reason": "a movement is missing"})
        asked = ActionRequest.objects.get()
        fatima.post(page("operators_actionrequest_change", asked.pk), {"decision": "confirm"})
        assert ClosedDay.objects.get().state == CloseState.CLOSED
        olga = browser(person("olga", role=staff.OPERATOR_ADMIN, at=acme.operator))
        olga.post(page("operators_actionrequest_change", asked.pk), {"decision": "confirm"})
        closed.refresh_from_db()
        assert (closed.state, closed.reopened_by, closed.reopened_confirmed_by) == (CloseState.REOPENED, "fatima", "olga")
        assert close_url in fatima.get(page("finance_closedday_changelist")).content.decode()
        again = fatima.post(close_url, {"reason": "closed anew"}, follow=True)
        anew = ClosedDay.objects.get(state=CloseState.CLOSED)
        assert again.redirect_chain[-1][0] == page("finance_closedday_change", anew.pk)
        old = fatima.get(page("finance_closedday_change", closed.pk)).content.decode()
        assert page("finance_closedday_change", anew.pk) in old
