"""The pages of reports: whom they are shown to, what they show, and the files that one takes from them."""

import csv
import io
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from finance import behind, shown
from finance.models import Export
from finance.services import exporting
from operators import staff
from operators.models import AuditEntry
from operators.services import NewOperator
from tests.admin.cast import browser, page, person
from tests.api.test_purchase import buy
from tests.services.finance.trading import Trading, trading
from tests.signed import SignedClient
from wallet.models import WalletCall

__all__ = ["trading"]
PAGES = ("finance_reports", "finance_liability")


@pytest.fixture
def fin(acme: NewOperator) -> Client:
    """Return the browser of somebody in finance at Acme."""
    return browser(person("fin", role=staff.FINANCE, at=acme.operator))


@pytest.fixture(autouse=True)
def own_directory(settings: Settings, tmp_path: Any) -> None:
    """Keep files in a directory of their own."""
    settings.LOOTBOX_EXPORTS = tmp_path


def chosen(**more: Any) -> dict[str, Any]:
    """Return the filters of today."""
    today = str(timezone.now().date())
    return {"operator": "", "first": today, "last": today, "zone": "utc", "currency": "", "funding": ""} | more


class TestThePages:
    @pytest.mark.parametrize("name", PAGES)
    @pytest.mark.parametrize(
        ("role", "status"),
        [
            (staff.FINANCE, 200),
            (staff.OPERATOR_ADMIN, 200),
            (staff.AUDITOR, 200),
            (staff.PLATFORM_ADMIN, 200),
            (staff.SUPPORT, 403),
            (staff.CATALOGUE_MANAGER, 403),
            (None, 403),
        ],
    )
    def test_are_for_those_who_answer_for_money(self, acme: NewOperator, name: str, role: str | None, status: int) -> None:
        who = browser(person("pat", role=role, at=acme.operator))
        assert who.get(page(name)).status_code == status
        assert who.post(page("finance_export_make"), {}).status_code == (302 if status == 200 else 403)

    def test_show_the_figures_with_totals_and_lead_to_the_rounds(self, trading: Trading, fin: Client) -> None:
        answer = fin.get(page("finance_reports"), chosen(by=["day", "box"]))
        text = answer.content.decode()
        assert ">57.50<" in text
        [eur] = [cells for cells in answer.context["table"].totals if cells[2].text == "EUR"]
        assert [cell.text for cell in eur[3:8]] == ["5", "6", "25.00", "14.60", "10.40"]
        [base] = [cells for cells in answer.context["table"].totals if cells[2].text == "all, in EUR"]
        assert [cell.text for cell in base[5:8]] == ["30.00", "19.40", "10.60"]
        [sek] = [row for row in answer.context["table"].rows if row[2].text == "SEK"]
        assert sek[5].detail == "5.00 EUR"
        [listed] = fin.get(sek[3].link).context["table"].rows
        assert [cell.text for cell in listed[2:]] == [
            "u_2",
            "sure-item v1",
            "1",
            "the player",
            "57.50 SEK",
            "55.20 SEK",
            shown.NOTHING,
        ]
        assert fin.get(listed[1].link).status_code == 200

    def test_list_the_rounds_of_a_figure_page_by_page_and_lead_back(
        self, trading: Trading, fin: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(behind, "PAGE", 2)
        report = fin.get(page("finance_reports"), chosen(by=["day"]))
        link = report.context["table"].rows[0][2].link
        first = fin.get(link)
        assert ("Boxes", "6") in first.context["figures"]
        ((older, onwards),) = first.context["pages"]
        second = fin.get(onwards)
        assert (older, second.context["figures"], len(second.context["pages"])) == ("Older", [], 2)
        newer = fin.get(second.context["pages"][0][1])
        assert newer.context["table"].rows == first.context["table"].rows
        back = fin.get(first.context["report"]).context["table"]
        assert {row[1].text for row in back.rows} == {"EUR"}

    def test_list_rounds_of_ones_own_operators_only(self, trading: Trading, stranger: NewOperator, fin: Client) -> None:
        link = fin.get(page("finance_reports"), chosen()).context["table"].rows[0][1].link
        other = browser(person("olga", role=staff.FINANCE, at=stranger.operator))
        assert other.get(link).headers["Location"] == page("finance_reports")
        mine = link.replace(f"operator={trading.acme.operator.pk}", f"operator={stranger.operator.pk}")
        version = f"{mine}&version={trading.boxes['harbour']}"
        for address in (mine, version):
            empty = other.get(address)
            assert empty.context["table"].rows == []
            assert "harbour" not in empty.content.decode()
        assert browser(person("pat", role=staff.SUPPORT, at=trading.acme.operator)).get(link).status_code == 403

    @pytest.mark.parametrize("cursor", ["x", "eyJ0IjoieCJ9"])
    def test_list_no_rounds_for_a_cursor_that_is_none(self, trading: Trading, fin: Client, cursor: str) -> None:
        link = fin.get(page("finance_reports"), chosen()).context["table"].rows[0][1].link
        assert fin.get(f"{link}&cursor={cursor}").status_code == 404

    def test_show_what_is_owed(self, trading: Trading, fin: Client) -> None:
        answer = fin.get(page("finance_liability"), chosen())
        owed = [[cell.text for cell in row[:4]] for row in answer.context["table"].rows]
        assert owed == [["Boxes paid for and not opened", "EUR", "1", "5.00"], ["Won items not claimed", "EUR", "1", "4.80"]]
        mine = fin.get(page("finance_liability"), chosen(operator=trading.acme.operator.pk))
        for row in [*answer.context["table"].rows, *mine.context["table"].rows]:
            assert fin.get(row[0].link).context["cl"].result_count == int(row[2].text)

    def test_show_nothing_of_another_operator(
        self, trading: Trading, stranger: NewOperator, stranger_s2s: SignedClient
    ) -> None:
        other = browser(person("olga", role=staff.FINANCE, at=stranger.operator))
        answer = other.get(page("finance_reports"), chosen(by="operator"))
        assert answer.context["table"].rows == []
        refused = other.get(page("finance_reports"), chosen(operator=trading.acme.operator.pk))
        assert "table" not in refused.context
        assert "Acme" not in refused.content.decode()

    @pytest.mark.parametrize(
        "wrong", [{"last": "2020-01-01"}, {"first": "x"}, {"currency": "XXQ"}, {"by": "moon"}, {"first": "2020-01-01"}]
    )
    def test_say_what_is_wrong_with_a_choice(self, fin: Client, wrong: dict[str, str]) -> None:
        answer = fin.get(page("finance_reports"), chosen() | wrong)
        assert answer.status_code == 200
        assert "errorlist" in answer.content.decode()


class TestAFile:
    def test_is_taken_at_once_and_says_what_the_page_says(self, trading: Trading, fin: Client) -> None:
        answer: Any = fin.post(page("finance_export_make"), chosen(by="box", report="revenue", format="csv"))
        rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
        assert sum(int(row["turnoverMinor"]) for row in rows if row["currency"] == "EUR") == 2500
        entry = AuditEntry.objects.get(action="export.made")
        assert (entry.actor, entry.operator) == ("fin", trading.acme.operator)

    def test_that_is_large_is_made_in_the_background(self, trading: Trading, fin: Client, settings: Settings) -> None:
        settings.LOOTBOX_EXPORTS_AT_ONCE_ROWS = 3
        answer = fin.post(page("finance_export_make"), chosen(report="movements", format="xlsx"))
        export = Export.objects.get()
        assert answer.headers["Location"] == page("finance_export_change", export.pk)
        waiting = fin.get(answer.headers["Location"])
        assert waiting.headers["Refresh"] == "2"
        assert fin.get(page("finance_export_download", export.pk)).status_code == 404
        exporting.make_next(clock=timezone.now)
        ready = fin.get(answer.headers["Location"])
        export.refresh_from_db()
        assert all(text in ready.content.decode() for text in (export.sha256, "-57.50 SEK"))
        assert "Refresh" not in ready.headers
        file: Any = fin.get(page("finance_export_download", export.pk))
        assert len(b"".join(file.streaming_content)) == export.size
        assert export.rows == WalletCall.objects.count()
        assert AuditEntry.objects.get(action="export.downloaded").after["sha256"] == export.sha256

    def test_of_another_operator_can_not_be_taken(self, trading: Trading, stranger: NewOperator, fin: Client) -> None:
        fin.post(page("finance_export_make"), chosen(report="movements", format="csv", later="1"))
        exporting.make_next(clock=timezone.now)
        export = Export.objects.get()
        other = browser(person("olga", role=staff.OPERATOR_ADMIN, at=stranger.operator))
        assert other.get(page("finance_export_download", export.pk)).status_code == 404
        assert other.get(page("finance_export_change", export.pk)).status_code == 404
        assert not AuditEntry.objects.filter(action="export.downloaded").exists()

    @pytest.mark.parametrize("wrong", [{"report": "everything"}, {"format": "pdf"}, {"last": "2020-01-01"}])
    def test_is_not_made_of_what_makes_no_sense(
        self, s2s: SignedClient, boxes: dict[str, int], fin: Client, wrong: dict[str, str]
    ) -> None:
        buy(s2s, boxes["sure-cash"])
        answer = fin.post(page("finance_export_make"), chosen(report="movements", format="csv") | wrong)
        assert answer.headers["Location"] == page("finance_reports")
        assert not AuditEntry.objects.filter(action="export.made").exists()
