"""Flags and the RTP watch as people see them, and what they may do about a flag."""

import datetime as dt

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.models import BoxVersion
from finance import watch
from finance.models import Flag, FlagState
from operators import staff
from operators.services import NewOperator
from tests.admin.cast import acts, browser, page, person
from tests.conftest import HARBOUR, publish_boxes
from tests.counting import as_drawn


@pytest.fixture
def version(acme: NewOperator) -> BoxVersion:
    """Return a box of which too much was drawn of what is rare."""
    version = BoxVersion.objects.get(pk=publish_boxes(acme, HARBOUR)["harbour"])
    for hours in range(3):
        as_drawn(version, (700, 200, 100), at=timezone.now() - dt.timedelta(hours=hours))
    return version


@pytest.fixture
def flag(version: BoxVersion) -> Flag:
    """Return the flag that this raises."""
    (flag,) = watch.judge(at=timezone.now())
    return flag


@pytest.fixture
def fay(acme: NewOperator) -> Client:
    """Return a browser of Acme's finance."""
    return browser(person("fay", role=staff.FINANCE, at=acme.operator))


class TestAFlagsPage:
    def test_shows_the_evidence(self, flag: Flag, fay: Client) -> None:
        shown = fay.get(page("finance_flag_change", flag.pk)).content.decode()
        rtp = f"{page('finance_rtp', flag.box_version_id)}?currency=EUR&amp;funding=player"
        for told in (
            "Harbour Crate, version 1",
            "RTP out of tolerance",
            "By the odds",
            "95.60 %",
            rtp,
            "10 free spins",
            "canvas",
        ):
            assert told.lower() in shown.lower(), told

    def test_is_taken_up_and_closed_with_a_reason(self, flag: Flag, fay: Client) -> None:
        for name, state in (("look_at_flag", FlagState.LOOKED_AT), ("explain_flag", FlagState.EXPLAINED)):
            answer = fay.post(page("act", name, flag.pk), {"reason": "a test of ours"})
            assert answer.status_code == 302
            flag.refresh_from_db()
            assert (flag.state, flag.handled_by, flag.handled_reason) == (state, "fay", "a test of ours")
        first, second = acts()
        assert (first.action, second.action, second.subject) == ("flag.looked_at", "flag.explained", f"flag {flag.pk}")
        assert second.before == {"state": "looked_at"}
        again = fay.get(page("act", "dismiss_flag", flag.pk)).content.decode()
        assert "This flag is explained already." in again

    def test_lets_an_auditor_look_and_do_nothing(self, acme: NewOperator, flag: Flag) -> None:
        ada = browser(person("ada", role=staff.AUDITOR, at=acme.operator))
        shown = ada.get(page("finance_flag_change", flag.pk)).content.decode()
        assert "Dismiss" not in shown
        assert ada.post(page("act", "dismiss_flag", flag.pk), {"reason": "none of mine"}).status_code == 403
        flag.refresh_from_db()
        assert flag.state == FlagState.OPEN
        assert not acts().exists()

    def test_is_of_no_concern_to_another_operator(self, flag: Flag, stranger: NewOperator) -> None:
        xena = browser(person("xena", role=staff.OPERATOR_ADMIN, at=stranger.operator))
        assert xena.get(page("finance_flag_change", flag.pk)).status_code == 404
        assert xena.get(page("finance_rtp", flag.box_version_id)).status_code == 404
        assert xena.post(page("act", "dismiss_flag", flag.pk), {"reason": "not mine"}).status_code == 404
        assert "Harbour" not in xena.get(page("finance_rtp_watch")).content.decode()
        flag.refresh_from_db()
        assert flag.state == FlagState.OPEN


class TestTheList:
    def test_shows_what_nobody_has_closed_unless_asked(self, flag: Flag, fay: Client) -> None:
        closed = {"state": FlagState.DISMISSED, "handled_by": "x", "handled_reason": "x", "handled_at": timezone.now()}
        assert "Harbour Crate" in fay.get(page("finance_flag_changelist")).content.decode()
        Flag.objects.update(**closed)
        assert "Harbour Crate" not in fay.get(page("finance_flag_changelist")).content.decode()
        assert "Harbour Crate" in fay.get(page("finance_flag_changelist"), {"state": "all"}).content.decode()
        assert "Harbour Crate" in fay.get(page("finance_flag_changelist"), {"state": "dismissed"}).content.decode()

    def test_is_counted_on_the_overview_for_who_may_see_it(self, acme: NewOperator, flag: Flag, fay: Client) -> None:
        assert "Flags that nobody has closed" in fay.get(page("index")).content.decode()
        cat = browser(person("cat", role=staff.CATALOGUE_MANAGER, at=acme.operator))
        assert "Flags that nobody has closed" not in cat.get(page("index")).content.decode()


class TestTheRtpPages:
    def test_list_every_series_with_its_verdict(self, flag: Flag, fay: Client) -> None:
        shown = fay.get(page("finance_rtp_watch")).content.decode()
        for told in ("Harbour Crate, version 1", "3,000", "15,000.00 EUR", "89.20 %", "95.60 %", "Flagged"):
            assert told in shown, told

    def test_hold_each_prize_against_its_odds_in_few_queries(self, version: BoxVersion, fay: Client) -> None:
        fay.get(page("finance_rtp", version.pk))
        with CaptureQueriesContext(connection) as captured:
            shown = fay.get(page("finance_rtp", version.pk)).content.decode()
        assert len(captured) < 12
        for told in ("2,700.0", "2,100", "78 %", ">Out<", "RTP as draws add up", "Last 24 hours"):
            assert told in shown, told

    def test_say_so_when_nothing_was_drawn(self, acme: NewOperator, fay: Client) -> None:
        version = publish_boxes(acme, HARBOUR)["harbour"]
        assert "By its odds it pays out 95.60 %" in fay.get(page("finance_rtp", version)).content.decode()
        assert "Nothing was drawn in the last 30 days" in fay.get(page("finance_rtp_watch")).content.decode()

    def test_are_not_for_a_catalogue_manager(self, acme: NewOperator, version: BoxVersion) -> None:
        cat = browser(person("cat", role=staff.CATALOGUE_MANAGER, at=acme.operator))
        assert cat.get(page("finance_rtp_watch")).status_code == 403
        assert cat.get(page("finance_rtp", version.pk)).status_code == 403
