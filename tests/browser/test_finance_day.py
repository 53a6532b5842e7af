"""A finance person's day in a real browser: match the casino's file, look at what differs, close the day."""

from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from finance.models import ClosedDay
from operators import staff
from operators.services import NewOperator
from tests.admin.cast import browser, person
from tests.services.finance.books import DAY, Books, as_csv, booked
from wallet.numbering import number_movements

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
# Of what the theme itself is made of, not of our pages.
THEMES = {"region", "landmark-one-main", "page-has-heading-one", "heading-order"}


def findings(page: Page) -> list[Any]:
    """Return what axe finds serious or critical."""
    violations = Axe().run(page).response["violations"]
    return [
        (each["id"], [node["html"][:160] for node in each["nodes"]])
        for each in violations
        if each["impact"] in {"serious", "critical"} and each["id"] not in THEMES
    ]


class TestADay:
    def test_is_matched_and_closed(self, page: Page, live_server: LiveServer, acme: NewOperator, tmp_path: Path) -> None:
        calls = Books(acme.operator).calls(4)
        number_movements()
        lines = booked(calls)
        file = tmp_path / "casino.csv"
        file.write_bytes(as_csv([lines[0].changed(amount_minor=-700), lines[1], lines[1], lines[3]]))
        fatima = person("fatima", role=staff.FINANCE, at=acme.operator)
        session = browser(fatima).cookies[settings.SESSION_COOKIE_NAME].value
        page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}])

        page.goto(f"{live_server.url}/admin/")
        page.get_by_role("link", name="Statements").click()
        page.get_by_role("link", name="Upload a statement").click()
        page.get_by_label("First day").fill(str(DAY))
        page.get_by_label("Last day").fill(str(DAY))
        page.get_by_label("The casino's file").set_input_files(file)
        assert findings(page) == []
        page.get_by_role("button", name="Upload", exact=True).click()

        expect(page.get_by_label("Our idempotency key")).to_have_value("Our key")
        expect(page.get_by_role("cell", name="-7.00 EUR")).to_be_visible()
        assert findings(page) == []
        page.get_by_role("button", name="Confirm and match").click()

        differences = page.get_by_role("region", name="Differences")
        for kind in ("Amount differs", "Duplicate", "Missing at theirs"):
            expect(differences.get_by_text(kind, exact=True)).to_be_visible()
        assert findings(page) == []
        page.set_viewport_size({"width": 820, "height": 1100})
        page.wait_for_function("document.documentElement.scrollWidth === 820")  # charts follow the window a moment later
        page.set_viewport_size({"width": 1280, "height": 900})
        with page.expect_download() as download:
            page.get_by_role("link", name="Export as CSV").click()
        assert lines[2].key in Path(download.value.path()).read_text()

        page.get_by_role("link", name="Closed days").click()
        page.get_by_role("link", name="Close this day").click()
        expect(page.get_by_text("EUR: what the ledger moved")).to_be_visible()
        assert findings(page) == []
        page.get_by_label("Reason").fill("matched with the casino")
        page.get_by_role("button", name="Close the day").click()
        expect(page.get_by_text(ClosedDay.objects.get().hash)).to_be_visible()
        assert findings(page) == []
        expect(page.get_by_role("link", name="Re-open this day")).to_be_visible()
        page.get_by_role("link", name="Closed days").first.click()
        expect(page.get_by_text("5 Mar 2026")).to_be_visible()
