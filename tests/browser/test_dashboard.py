"""The dashboard, the flags and the RTP watch in a real browser, and an auditor's day among them."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from catalog.models import BoxVersion
from finance import watch
from finance.models import DeliveryTally, Flag
from operators import staff
from operators.models import AuditEntry, Player
from operators.services import NewOperator
from purchases.models import Round
from tests.admin.cast import browser, person
from tests.admin.cast import page as address
from tests.counting import as_drawn, count
from tests.factories.vault import won_items
from tests.signed import SignedClient
from wallet.models import WalletCall

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
# Of what the theme itself is made of, not of our pages.
THEMES = {"region", "landmark-one-main", "page-has-heading-one", "heading-order"}


@pytest.fixture
def complaints(page: Page) -> list[str]:
    """Return what the browser complains of, but for the icon that it asks every site for."""
    heard: list[str] = []
    page.on("console", lambda said: heard.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
    return heard


@pytest.fixture
def flag(acme: NewOperator, s2s: SignedClient, boxes: dict[str, int]) -> Flag:
    """Return the flag of a box that drew other prizes than its odds say, beside some rounds and webhooks."""
    won_items(s2s, boxes["sure-item"], 3)
    body = {
        "playerExternalId": "u_1", "gameKey": "mystery_box", "clientActionId": "a",
        "reels": [{"reelIndex": 0, "boxVersionId": boxes["sure-cash"]}],
    }  # fmt: skip
    assert s2s.post("/api/s2s/purchase", body).status == 200
    at = timezone.now()
    count()
    hour = at.replace(minute=0, second=0, microsecond=0)
    DeliveryTally.objects.create(operator=acme.operator, hour=hour, delivered=30, late=4, failed=6)
    version = BoxVersion.objects.get(pk=boxes["harbour"])
    as_drawn(version, (700, 200, 100), at=at)
    (flag,) = watch.judge(at=timezone.now())
    return flag


def log_in(page: Page, live_server: LiveServer, user: User) -> None:
    """Let the page be one that this person is logged in with."""
    session = browser(user).cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}])


def drawn(page: Page) -> list[bool]:
    """Return for each chart whether anything is drawn on it."""
    found: list[bool] = page.evaluate(
        """() => [...document.querySelectorAll("canvas.chart")].map(canvas => {
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return data.some(value => value !== 0);
        })"""
    )
    return found


def findings(page: Page) -> list[Any]:
    """Return what axe finds serious or critical."""
    violations = Axe().run(page).response["violations"]
    return [
        (each["id"], [node["html"][:160] for node in each["nodes"]])
        for each in violations
        if each["impact"] in {"serious", "critical"} and each["id"] not in THEMES
    ]


class TestTheCharts:
    def test_are_drawn_accessible_and_without_complaint(
        self, page: Page, live_server: LiveServer, flag: Flag, complaints: list[str]
    ) -> None:
        log_in(page, live_server, person("fay", role=staff.FINANCE, at=flag.operator))
        for width, path, charts in (
            (1280, f"{address('dashboard')}?period=24h", 5),
            (820, f"{address('dashboard')}?period=30d", 5),
            (820, address("finance_flag_change", flag.pk), 1),
            (1280, address("finance_rtp", flag.box_version_id), 2),
            (1280, address("finance_rtp_watch"), 0),
        ):
            page.set_viewport_size({"width": width, "height": 900})
            page.goto(live_server.url + path)
            assert drawn(page) == [True] * charts, path
            assert page.evaluate("document.documentElement.scrollWidth") == width, path
            assert findings(page) == [], path
        assert complaints == []


class TestAnAuditorsDay:
    def test_sees_everything_and_can_change_nothing(
        self, page: Page, live_server: LiveServer, flag: Flag, complaints: list[str]
    ) -> None:
        log_in(page, live_server, person("ada", role=staff.AUDITOR, at=flag.operator))
        page.goto(f"{live_server.url}/admin/")
        entries = AuditEntry.objects.count()
        sidebar = page.locator("#nav-sidebar-apps a, #nav-sidebar a").evaluate_all("links => links.map(link => link.href)")
        assert {f"{live_server.url}{address(name)}" for name in ("dashboard", "finance_flag_changelist")} <= set(sidebar)
        pages = [
            *(one for one in sidebar if "/admin/" in one),
            *(
                live_server.url + address(view, row.pk)
                for view, row in (
                    ("purchases_round_change", Round.objects.first()),
                    ("operators_player_change", Player.objects.first()),
                    ("wallet_walletcall_change", WalletCall.objects.first()),
                    ("catalog_boxversion_change", BoxVersion.objects.first()),
                    ("finance_flag_change", flag),
                    ("finance_rtp", flag.box_version),
                )
                if row is not None
            ),
        ]
        for one in pages:
            answer = page.goto(one)
            assert answer is not None
            assert answer.status == 200, one
            assert page.locator("a[href*='/admin/act/']").count() == 0, one
            assert page.locator("input[name=_save], a[href$='/add/'], a[href$='/delete/']").count() == 0, one
        refused = page.goto(live_server.url + address("act", "dismiss_flag", flag.pk))
        assert refused is not None
        assert refused.status == 403
        flag.refresh_from_db()
        assert flag.state == "open"
        assert AuditEntry.objects.count() == entries
        assert [text for text in complaints if "403" not in text] == []
