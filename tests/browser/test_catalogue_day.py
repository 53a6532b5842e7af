"""A catalogue manager's day in a real browser: draft, type, save, publish, take offline; and that the page counts rightly."""

import json
import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Locator, Page, expect
from pytest_django.live_server_helper import LiveServer

from catalog.figures import Table, share
from catalog.models import Box, BoxDraft, BoxVersion
from lootbox.core.money import MAX_MINOR
from lootbox.core.wording import money, points
from operators import staff
from operators.services import NewOperator
from tests.admin.cast import page as address_of
from tests.admin.cast import person
from tests.conftest import HARBOUR, publish_boxes
from tests.factories.catalog import cash_line

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def complaints(page: Page) -> list[str]:
    """Return what the browser complains of on the catalogue's pages."""
    heard: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and "favicon" not in message.location["url"]:
            heard.append(f"{message.text} {message.location['url']}")

    page.on("console", listen)
    page.on("pageerror", lambda error: heard.append(str(error)))
    return heard


@pytest.fixture
def harbour(acme: NewOperator) -> Box:
    """Return Acme's published box."""
    publish_boxes(acme, HARBOUR)
    return Box.objects.get()


@pytest.fixture
def cara(page: Page, live_server: LiveServer, acme: NewOperator, harbour: Box) -> Page:
    """Return the browser of Acme's catalogue manager, who just logged in and looks at the box."""
    person("cara", role=staff.CATALOGUE_MANAGER, at=acme.operator)
    page.goto(f"{live_server.url}/admin/")
    page.get_by_label("Username").fill("cara")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Log in").click()
    page.goto(live_server.url + address_of("catalog_box_change", harbour.pk))
    return page


def row(page: Page, number: int) -> Locator:
    """Return a prize of the draft's page, counted from 1."""
    return page.locator("#prizes tr").nth(number - 1)


def shown(page: Page) -> list[str]:
    """Return the page's figures and each prize's odds and part of the payout."""
    figures = [page.locator(f"#{name}").inner_text() for name in ("total-weight", "rtp", "edge", "largest")]
    cells = page.locator("#prizes tr [data-show=odds], #prizes tr [data-show=part]").all_inner_texts()
    return figures + cells


def counted(table: Table) -> list[str]:
    """Return the same as the server counts it."""
    rtp, edge = (points(bps) if bps is not None else "–" for bps in (table.rtp_bps, table.house_edge_bps))  # noqa: RUF001 - a dash
    won = sum(line.weight * line.value_minor for line in table.lines)
    cells = [text for line in table.lines for text in (table.odds(line), share(line.weight * line.value_minor, won))]
    return [f"{table.total_weight:,}", rtp, edge, money(table.largest_minor, "EUR"), *cells]


def confirm(page: Page, name: str) -> None:
    """Do what a guided page asks about."""
    page.get_by_label("Reason").fill("the summer odds")
    page.get_by_role("button", name=name, exact=True).click()


class TestACatalogueManagersDay:
    def test_goes_from_a_draft_to_players_and_back(self, cara: Page, live_server: LiveServer, complaints: list[str]) -> None:
        page = cara
        page.get_by_role("button", name="Begin a draft from version 1").click()
        expect(page.locator("#edge")).to_have_text("4.40 %")
        expect(row(page, 1).locator("[data-show=odds]")).to_have_text("90.00 %")

        # As she types, the figures follow; soon after, so do the gate and the difference.
        row(page, 1).get_by_label("Weight").fill("70")
        expect(row(page, 1).locator("[data-show=odds]")).to_have_text("87.50 %")
        expect(page.locator("#unsaved")).to_have_text("Not saved yet")
        page.get_by_role("button", name="Add a prize").click()
        new = row(page, 4)
        expect(new.get_by_label("Kind")).to_be_focused()
        new.get_by_label("Kind").select_option("cash")
        new.get_by_label("Name").fill("9 euro")
        new.get_by_label("Worth").fill("9")
        new.get_by_label("Weight").fill("20")
        side = page.locator("#side")
        expect(side.get_by_role("row", name=re.compile("9 euro"))).to_contain_text("added")
        expect(side.get_by_role("row", name=re.compile("Brass Compass"))).to_contain_text("90.00 % → 70.00 %")
        expect(side).to_contain_text("Largest prize")

        # By keyboard: the new prize goes up one place.
        new.get_by_role("button", name="Move up").focus()
        page.keyboard.press("Enter")
        expect(row(page, 3).get_by_label("Name")).to_have_value("9 euro")
        row(page, 4).get_by_role("button", name="Remove this prize").click()
        expect(page.locator("#prizes tr")).to_have_count(3)
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Saved. Nothing is published yet.")).to_be_visible()
        assert [prize.weight for prize in BoxDraft.objects.get().prizes.all()] == [70, 9, 20]
        assert shown(page) == counted(
            Table(500, "EUR", [cash_line(480, weight=70), cash_line(500, weight=9), cash_line(900, weight=20)])
        )

        page.get_by_role("link", name="Publish", exact=True).click()
        expect(page.get_by_role("heading", name="The gate is closed")).to_have_count(0)
        expect(page.get_by_role("heading", name="A simulation of 1,000,000 draws")).to_be_visible()
        confirm(page, "Publish")
        expect(page.get_by_text("version 2 is what players buy")).to_be_visible()

        version = BoxVersion.objects.get(superseded_at=None)
        page.get_by_role("link", name="The box harbour").click()
        expect(page.get_by_text("is on sale as version 2")).to_be_visible()
        page.get_by_role("link", name="Take offline at once").click()
        confirm(page, "Take offline at once")
        expect(page.get_by_text("harbour is offline.")).to_be_visible()
        assert not Box.objects.get().active

        page.goto(f"{live_server.url}/fairness/box-version/{version.pk}/snapshot")
        snapshot = json.loads(page.locator("body").inner_text())["snapshot"]
        assert [(prize["name"], prize["weight"]) for prize in snapshot["prizes"]] == [
            ("Brass Compass", 70), ("5 euro", 9), ("9 euro", 20),
        ]  # fmt: skip
        assert complaints == []

    def test_counts_as_the_server_does(self, cara: Page) -> None:
        page = cara
        page.get_by_role("button", name="Begin an empty draft").click()
        tables: list[tuple[int, list[tuple[int, int]]]] = [
            (500, [(90, 480), (9, 500), (1, 100)]),
            (100, [(1, 250), (2, 3), (0, 9_999)]),
            (333, [(3, 1), (7, 1_000_000), (123_456_789, 299)]),
            (1, [(MAX_MINOR - 10, MAX_MINOR), (1, 0), (2, 7)]),
            (0, [(5, 100), (0, 100), (1, 1)]),
            (MAX_MINOR, [(1, 1), (MAX_MINOR - 7, 2), (5, 90_071)]),
        ]
        for _ in range(3):
            page.get_by_role("button", name="Add a prize").click()
        for number in (1, 2, 3):
            row(page, number).get_by_label("Kind").select_option("cash")
        for price, lines in tables:
            page.get_by_label("Price in EUR").fill(f"{price // 100}.{price % 100:02}")
            for number, (weight, value) in enumerate(lines, start=1):
                row(page, number).get_by_label("Weight").fill(str(weight))
                row(page, number).get_by_label("Worth").fill(f"{value // 100}.{value % 100:02}")
            table = Table(price, "EUR", [cash_line(value, weight=weight) for weight, value in lines])
            assert shown(page) == counted(table), (price, lines)

    def test_fits_a_tablet_and_suits_a_screen_reader(self, cara: Page) -> None:
        page = cara
        page.set_viewport_size({"width": 820, "height": 1180})
        found: list[Any] = problems(page)
        page.get_by_role("button", name="Begin a draft from version 1").click()
        expect(page.locator("#edge")).to_have_text("4.40 %")
        found += problems(page)
        page.get_by_role("link", name="Publish", exact=True).click()
        found += problems(page)
        assert found == []


def problems(page: Page) -> list[Any]:
    """Return what axe finds in the content, and whether the page is wider than the screen."""
    width = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    violations = Axe().run(page, context={"include": [[".bo-note, .bo-card, .bo-actions-row, #draft, #side"]]}).response
    found = [(page.url, each["id"], [node["html"] for node in each["nodes"]]) for each in violations["violations"]]
    return found + ([(page.url, "width", width)] if width > 0 else [])
