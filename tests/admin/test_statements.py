"""Uploading a casino's statement, mapping its columns, and reading what came of it, as each role may."""

import csv
import io
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from finance import tasks
from finance.models import Statement, StatementFormat
from finance.services import statements
from lootbox.core import uploads
from operators import staff
from operators.services import NewOperator
from tests.admin.cast import acts, browser, page, person
from tests.services.finance.books import DAY, HEADER, Books, as_csv, booked
from wallet.numbering import number_movements


@pytest.fixture
def fatima(acme: NewOperator) -> Client:
    """Return Acme's finance person at her browser."""
    return browser(person("fatima", role=staff.FINANCE, at=acme.operator))


@pytest.fixture
def content(acme: NewOperator) -> bytes:
    """Return the casino's file: it has lost one of three bookings."""
    calls = Books(acme.operator).calls(3)
    number_movements()
    return as_csv(booked(calls)[:2])


def upload(client: Client, made: NewOperator, content: bytes, **changed: Any) -> Any:
    """Return the answer to an upload."""
    form = {
        "operator": made.operator.pk,
        "file": SimpleUploadedFile("march.csv", content),
        "first_day": DAY,
        "last_day": DAY,
        "tolerance_minor": 0,
    }
    return client.post(page("finance_statement_upload"), form | changed, follow=True)


def columns_form(answer: Any) -> dict[str, Any]:
    """Return the mapping as the page proposes it."""
    form = answer.context["form"]
    return {name: form.get_initial_for_field(field, name) or "" for name, field in form.fields.items()} | {
        name: ", ".join(form.initial[name]) for name in ("debit_words", "credit_words", "booked_words")
    }


class TestUploading:
    def test_asks_for_the_columns_once_then_matches(self, fatima: Client, acme: NewOperator, content: bytes) -> None:
        first = upload(fatima, acme, content)
        statement = Statement.objects.get()
        assert first.redirect_chain[-1][0] == page("finance_statement_columns", statement.pk)
        assert "-5.00 EUR" in first.content.decode()
        answer = fatima.post(
            page("finance_statement_columns", statement.pk), columns_form(first) | {"confirm": "yes"}, follow=True
        )
        shown = answer.content.decode()
        assert "Missing at theirs" in shown
        assert "The wallet answered that it had moved the money" in shown
        assert (statement.differences.count(), StatementFormat.objects.get().confirmed_by) == (1, "fatima")
        again = upload(fatima, acme, content)
        assert again.redirect_chain[-1][0] == page("finance_statement_change", Statement.objects.latest("uploaded_at").pk)
        assert [entry.action for entry in acts()] == ["statement.upload", "statement.map", "statement.upload"]

    def test_of_a_mapping_that_lacks_something_says_what(self, fatima: Client, acme: NewOperator, content: bytes) -> None:
        first = upload(fatima, acme, content)
        statement = Statement.objects.get()
        lacking = columns_form(first) | {"amount": "", "key": "", "reference": "", "confirm": "yes"}
        answer = fatima.post(page("finance_statement_columns", statement.pk), lacking)
        assert "Choose the column that has the amount, or one for debits" in answer.content.decode()
        assert not StatementFormat.objects.exists()

    @pytest.mark.parametrize(
        ("chosen", "says"),
        [
            ({"sign": "by_column", "amount": ""}, "Choose the column that has the credits."),
            ({"sign": "by_column", "debit": "Amount", "credit": "Player"}, "Leave it out, as debits and credits have columns"),
            ({"amount": "", "debit": "Amount"}, "or the column that has the amount."),
            ({"debit": "Player"}, "Leave it out, as debits and credits stand in one column"),
        ],
    )
    def test_of_debits_and_credits_that_do_not_fit_says_what(
        self, fatima: Client, acme: NewOperator, content: bytes, chosen: dict[str, str], says: str
    ) -> None:
        first = upload(fatima, acme, content)
        address = page("finance_statement_columns", Statement.objects.get().pk)
        answer = fatima.post(address, columns_form(first) | chosen | {"confirm": "yes"})
        assert says in answer.content.decode()
        assert not StatementFormat.objects.exists()

    def test_of_no_table_keeps_nothing(self, fatima: Client, acme: NewOperator) -> None:
        answer = upload(fatima, acme, b"%PDF-1.7")
        assert "This is a PDF." in answer.content.decode()
        assert not Statement.objects.exists()

    def test_of_too_much_keeps_nothing(self, fatima: Client, acme: NewOperator, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(uploads, "LARGEST_UPLOAD", 1000)
        answer = upload(fatima, acme, b"x" * 100_000)
        assert "Choose a file of at most 200 MB." in answer.content.decode()
        assert not Statement.objects.exists()

    def test_for_another_operator_is_refused(self, fatima: Client, stranger: NewOperator, content: bytes) -> None:
        answer = upload(fatima, stranger, content)
        assert "Select a valid choice" in answer.content.decode()
        assert not Statement.objects.exists()

    def test_of_a_large_file_leaves_it_to_a_worker(
        self, fatima: Client, acme: NewOperator, content: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(statements, "SMALL", 1)
        woken: list[bool] = []
        monkeypatch.setattr(tasks, "wake_matching", lambda: woken.append(True))
        first = upload(fatima, acme, content)
        statement = Statement.objects.get()
        answer = fatima.post(
            page("finance_statement_columns", statement.pk), columns_form(first) | {"confirm": "yes"}, follow=True
        )
        assert "Waits for a worker" in answer.content.decode()
        assert woken == [True]
        tasks.match_statements()
        assert "Missing at theirs" in fatima.get(page("finance_statement_change", statement.pk)).content.decode()

    @pytest.mark.parametrize("role", [staff.AUDITOR, staff.SUPPORT, None])
    def test_is_for_finance_and_administrators_only(self, acme: NewOperator, content: bytes, role: str | None) -> None:
        other = browser(person("pat", role=role, at=acme.operator))
        assert upload(other, acme, content).status_code == 403
        assert not Statement.objects.exists()


class TestTheResult:
    @pytest.fixture
    def statement(self, fatima: Client, acme: NewOperator, content: bytes) -> Statement:
        """Return Acme's statement, matched."""
        first = upload(fatima, acme, content)
        fatima.post(page("finance_statement_columns", Statement.objects.get().pk), columns_form(first) | {"confirm": "yes"})
        return Statement.objects.get()

    def test_is_read_by_auditors_who_change_nothing(self, acme: NewOperator, statement: Statement) -> None:
        auditor = browser(person("ada", role=staff.AUDITOR, at=acme.operator))
        shown = auditor.get(page("finance_statement_change", statement.pk)).content.decode()
        assert "Match again" not in shown
        assert auditor.post(page("finance_statement_again", statement.pk)).status_code == 403
        answer = auditor.get(page("finance_statement_export", statement.pk, "csv"))
        (_, line) = csv.reader(io.StringIO(b"".join(answer).decode()))
        assert line[0] == "missing_theirs"

    def test_is_not_there_for_others(self, stranger: NewOperator, statement: Statement) -> None:
        other = browser(person("sam", role=staff.OPERATOR_ADMIN, at=stranger.operator))
        for view in ("columns", "again", "file"):
            assert other.get(page(f"finance_statement_{view}", statement.pk)).status_code == 404, view
        assert other.get(page("finance_statement_export", statement.pk, "csv")).status_code == 404
        assert other.get(page("finance_statement_change", statement.pk)).status_code == 404

    def test_is_filtered_and_found_by_key(self, fatima: Client, statement: Statement) -> None:
        url = page("finance_statement_change", statement.pk)
        key = statement.differences.get().key
        assert key in fatima.get(url, {"category": "missing_theirs"}).content.decode()
        assert key not in fatima.get(url, {"category": "duplicate"}).content.decode()
        assert "call</a>" in fatima.get(url, {"key": key}).content.decode()
        assert fatima.get(url, {"after": "x"}).status_code == 404

    def test_is_matched_again_and_the_file_given_back(self, fatima: Client, statement: Statement, content: bytes) -> None:
        assert fatima.post(page("finance_statement_again", statement.pk)).status_code == 302
        assert acts().last().action == "statement.again"  # type: ignore[union-attr]
        assert b"".join(fatima.get(page("finance_statement_file", statement.pk))) == content


def test_headings_of_the_tests_are_all_mapped(fatima: Client, acme: NewOperator, content: bytes) -> None:
    proposed = columns_form(upload(fatima, acme, content))
    assert {proposed[name] for name in ("key", "reference", "player", "amount", "currency", "time")} == set(HEADER)
