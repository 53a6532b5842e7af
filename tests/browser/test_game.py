"""The game app in a real browser: on its own, and in the frame of a casino's page on another origin."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.core.management import call_command
from playwright.sync_api import ConsoleMessage, FrameLocator, Locator, Page, expect
from pytest_django.live_server_helper import LiveServer

from catalog.models import BoxVersion
from operators.services import NewOperator
from tests.browser.host_page import HostPage, serving
from tests.casino_wallet import Casino
from tests.faulty_server import reset
from tests.player import launch
from tests.signed import SignedClient

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
OPENING_MINOR = 1_000_000


@pytest.fixture(autouse=True)
def calm(page: Page) -> None:
    """Ask for less motion, so that nothing waits for a reel."""
    page.emulate_media(reduced_motion="reduce")


@pytest.fixture
def complaints(page: Page) -> list[str]:
    """Return what the browser complains of: errors, refused content, failed requests."""
    heard: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            heard.append(message.text)

    page.on("console", listen)
    page.on("pageerror", lambda error: heard.append(str(error)))
    return heard


@pytest.fixture
def host() -> Iterator[HostPage]:
    """Return the casino's pages, on an origin of their own."""
    with serving() as page:
        yield page


@pytest.fixture
def welcome_host(host: HostPage, acme: NewOperator) -> HostPage:
    """Return the casino's pages, allowed to embed the game."""
    call_command("set_operator", acme.operator.slug, f"--set=origins={host.origin}")
    return host


@pytest.fixture
def box_ids(boxes: dict[str, int]) -> dict[str, int]:
    """Return the id of each box by slug."""
    versions = BoxVersion.objects.in_bulk(boxes.values())
    return {slug: versions[version].box_id for slug, version in boxes.items()}


@dataclass
class Stage:
    """The browser's page, and the ways onto it."""

    page: Page
    platform: str
    s2s: SignedClient
    host: HostPage

    def launch_url(self, **changes: Any) -> str:
        """Return the address that opens the game for player u_1, whose balance the launch tells."""
        token = self.token(**({"balanceMinor": OPENING_MINOR} | changes))
        return f"{self.platform}/play?token={token}"

    def token(self, **changes: Any) -> str:
        """Return a launch's token."""
        token: str = launch(self.s2s, **changes).body["launchToken"]
        return token

    def enter(self, **changes: Any) -> None:
        """Open the game on its own."""
        self.page.goto(self.launch_url(**changes))

    def embed(self, **options: Any) -> None:
        """Open the casino's page, which hands these options to the SDK."""
        self.page.goto(self.host.address(self.platform, **options))


@pytest.fixture
def stage(page: Page, live_server: LiveServer, s2s: SignedClient, host: HostPage, box_ids: dict[str, int]) -> Stage:
    """Return the page, the platform and the casino."""
    return Stage(page, live_server.url, s2s, host)


def heard(page: Page, kind: str) -> list[dict[str, Any]]:
    """Return the payloads of all messages of one kind that the casino's page heard."""
    return [payload for name, payload in page.evaluate("window.heard") if name == kind]


def game(page: Page) -> FrameLocator:
    """Return the game in the casino's page."""
    return page.frame_locator("#games iframe")


def button(where: Page | FrameLocator, name: str | re.Pattern[str]) -> Locator:
    """Return the button of this name, whole."""
    return where.get_by_role("button", name=name, exact=True)


def debits(casino: Casino) -> list[int]:
    """Return the amount of each debit that the wallet took."""
    return [-move.applied_minor for move in casino.wallet.movements.values() if move.type == "wallet.debit"]


class TestJourney:
    """A player's whole way."""

    def test_leads_from_the_lobby_to_a_parcel(
        self,
        page: Page,
        stage: Stage,
        box_ids: dict[str, int],
        casino: Casino,
        complaints: list[str],
    ) -> None:
        stage.enter()
        assert "token" not in page.url
        page.get_by_role("searchbox", name="Search").fill("sure it")
        expect(page.get_by_role("status").filter(has_text="1 box")).to_be_visible()
        page.get_by_role("link", name="Sure Item").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Sure Item")
        expect(page.get_by_role("row", name=re.compile("Brass Compass.*€4.80.*100%"))).to_be_visible()

        button(page, "Open for €5.00").click()
        expect(page.get_by_role("heading", name="You won Brass Compass")).to_be_focused()
        expect(page.locator("#balance")).to_contain_text("€9,995.00")
        button(page, "Cash back Brass Compass for €1.20").click()
        expect(page.locator("#balance")).to_contain_text("€9,996.20")

        button(page, "One box more").click()
        button(page, "Open 2 for €10.00").click()
        expect(page.get_by_role("heading", name="You won 2 prizes")).to_be_focused()

        button(page, "Buy now, open later").click()
        page.get_by_role("link", name="To the vault").click()
        button(page, re.compile("^Open Sure Item")).click()
        expect(page.get_by_role("heading", name="You won 2 prizes")).to_be_focused()
        assert debits(casino) == [500, 1_000, 1_000]

        page.get_by_role("link", name="Items", exact=True).click()
        page.get_by_role("checkbox", name="Have Brass Compass sent").first.check()
        button(page, "Have it sent").click()
        button(page, "Order").click()
        expect(page.get_by_label("Full name")).to_be_focused()
        for label, text in {
            "Full name": "Ada Lovelace",
            "Street and number": "St James's Square 12",
            "Postal code": "SW1Y 4JH",
            "City": "London",
            "Region or state": "London",
            "E-mail for news about the parcel": "ada@example.com",
        }.items():
            page.get_by_label(label, exact=True).fill(text)
        page.get_by_label("Country").select_option("GB")
        button(page, "Order").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("My orders")
        expect(page.get_by_role("listitem")).to_contain_text("Ada Lovelace, St James's Square 12")

        page.get_by_role("link", name="History", exact=True).click()
        expect(page.get_by_role("listitem")).to_have_count(3)
        assert complaints == []

    def test_gives_a_held_box_back(self, page: Page, stage: Stage, box_ids: dict[str, int], casino: Casino) -> None:
        stage.enter(target={"boxId": box_ids["sure-item"]})
        button(page, "Buy now, open later").click()
        page.get_by_role("link", name="To the vault").click()
        button(page, "Give Sure Item back").click()
        button(page, "Yes, give it back").click()

        expect(page.locator("main")).to_contain_text("€5.00 paid back into your balance.")
        assert casino.wallet.balance("u_1") == OPENING_MINOR

    def test_lands_the_reel_on_what_was_drawn(self, page: Page, stage: Stage, box_ids: dict[str, int]) -> None:
        page.emulate_media(reduced_motion="no-preference")
        stage.enter(target={"boxId": box_ids["harbour"]})
        button(page, "Open for €5.00").click()
        won = page.locator(".reel .winner").text_content()
        button(page, "Skip").click()

        expect(page.get_by_role("heading", name=f"You won {won}", exact=True)).to_be_visible()

    @pytest.mark.parametrize(("locale", "label"), [("de", "Öffnen für 5,00\xa0€"), ("sv", "Öppna för 5,00\xa0€")])
    def test_speaks_the_player_s_language(
        self, page: Page, stage: Stage, box_ids: dict[str, int], locale: str, label: str
    ) -> None:
        call_command("set_operator", "acme", "--set=locales=en,de,sv")
        stage.enter(locale=locale, target={"boxId": box_ids["harbour"]})

        expect(button(page, label)).to_be_visible()
        assert page.locator("html").get_attribute("lang") == locale

    def test_says_that_a_link_works_once(self, page: Page, stage: Stage, box_ids: dict[str, int]) -> None:
        link = stage.launch_url()
        for _ in range(2):
            page.goto(link)

        expect(page.get_by_role("alert")).to_contain_text("This link was used before")


class TestFreeBox:
    """Boxes that the casino pays for."""

    def test_is_opened_by_a_click_and_only_as_often_as_granted(
        self, page: Page, stage: Stage, box_ids: dict[str, int], casino: Casino
    ) -> None:
        target = {"boxId": box_ids["sure-item"]}
        stage.enter(target=target, funding="operator", fundingRounds=1)
        expect(page.get_by_text("You have 1 free box")).to_be_visible()
        button(page, "Open your free box").click()

        expect(page.get_by_role("heading", name="You won Brass Compass")).to_be_visible()
        expect(button(page, "Open again for €5.00")).to_be_visible()
        assert debits(casino) == []

    def test_opens_by_itself_once(self, page: Page, stage: Stage, box_ids: dict[str, int], casino: Casino) -> None:
        target = {"boxId": box_ids["sure-item"], "autoOpen": True}
        stage.enter(target=target, funding="operator", fundingRounds=1)

        expect(page.get_by_role("heading", name="You won Brass Compass")).to_be_visible()
        page.get_by_role("link", name="Vault", exact=True).click()
        page.get_by_role("link", name="History", exact=True).click()
        expect(page.get_by_role("listitem")).to_have_count(1)
        assert debits(casino) == []


class TestLostAnswer:
    """The casino's wallet takes the money, and its answer gets lost."""

    def test_is_asked_for_again_without_a_word(self, page: Page, stage: Stage, box_ids: dict[str, int], casino: Casino) -> None:
        stage.enter(target={"boxId": box_ids["sure-item"]})
        casino.play(casino.wallet.apply_then(reset()))
        button(page, "Open for €5.00").click()

        expect(page.get_by_role("heading", name="You won Brass Compass")).to_be_visible()
        assert debits(casino) == [500]

    def test_is_paid_once_however_often_the_player_tries(
        self, page: Page, stage: Stage, box_ids: dict[str, int], casino: Casino
    ) -> None:
        stage.enter(target={"boxId": box_ids["sure-item"]})
        casino.play(*[casino.wallet.apply_then(reset())] * 2)
        button(page, "Open for €5.00").click()
        expect(page.get_by_role("alert")).to_contain_text("The casino's wallet did not answer")
        button(page, "Try again").click()

        expect(page.get_by_role("heading", name="You won Brass Compass")).to_be_visible()
        assert debits(casino) == [500]
        assert casino.wallet.balance("u_1") == OPENING_MINOR - 500


class TestFairness:
    """The player's seeds."""

    def test_verifies_what_a_revealed_seed_drew(
        self, page: Page, stage: Stage, box_ids: dict[str, int], complaints: list[str]
    ) -> None:
        stage.enter(target={"boxId": box_ids["harbour"]})
        button(page, "One box more").click()
        button(page, "Open 2 for €10.00").click()
        expect(page.get_by_role("heading", name="You won 2 prizes")).to_be_visible()
        page.get_by_role("link", name="Fairness", exact=True).click()
        shown = page.locator(".seedfacts code").first.inner_text()
        page.get_by_label("Your next client seed").fill("my-own-seed")
        button(page, "Change seeds and reveal the old one").click()
        revealed = page.locator(".seeds .panel")
        expect(revealed).to_contain_text(shown)
        expect(page.locator(".seedfacts").first).to_contain_text("my-own-seed")
        button(page, "Check these draws here").click()

        expect(revealed).to_contain_text("1 draw repeated here, and it holds.")
        assert complaints == []

    def test_refuses_a_seed_in_words(self, page: Page, stage: Stage, box_ids: dict[str, int]) -> None:
        stage.enter()
        page.get_by_role("link", name="Fairness", exact=True).click()
        page.get_by_label("Your next client seed").fill("lycklig låda")
        button(page, "Change seeds and reveal the old one").click()

        expect(page.get_by_role("alert")).to_contain_text("This seed can't be used")


class TestEmbedding:
    """The game in a casino's page."""

    def test_keeps_the_host_in_step(
        self,
        page: Page,
        stage: Stage,
        welcome_host: HostPage,
        box_ids: dict[str, int],
        complaints: list[str],
    ) -> None:
        stage.embed(launchUrl=stage.launch_url())
        expect(game(page).get_by_role("heading", name="Pick a box")).to_be_visible()
        page.evaluate("boxId => games.navigate({ boxId })", box_ids["sure-item"])
        button(game(page), "Open for €5.00").click()
        expect(game(page).get_by_role("heading", name="You won Brass Compass")).to_be_visible()

        paths = [payload["path"] for payload in heard(page, "navigationChanged")]
        assert paths == ["/", f"/boxes/{box_ids['sure-item']}"]
        [balance] = heard(page, "walletBalanceChanged")
        assert (balance["balanceMinor"], balance["currency"]) == (OPENING_MINOR - 500, "EUR")
        assert heard(page, "resize")
        assert complaints == []

    def test_signs_a_guest_in_in_place(self, page: Page, stage: Stage, welcome_host: HostPage, box_ids: dict[str, int]) -> None:
        box_id = box_ids["sure-item"]
        stage.embed(operator="acme", boxId=box_id)
        button(game(page), "Sign in to open").click()
        expect(game(page).get_by_role("row", name=re.compile("Brass Compass"))).to_be_visible()
        assert heard(page, "authRequired") == [{"boxId": box_id, "priceMinor": 500, "currency": "EUR"}]
        page.evaluate("token => games.authenticate(token)", stage.token())

        expect(button(game(page), "Open for €5.00")).to_be_visible()
        assert heard(page, "sessionAuthenticated") == [{"playerExternalId": "u_1"}]

    def test_tells_the_host_of_a_balance_that_is_too_low(
        self,
        page: Page,
        stage: Stage,
        welcome_host: HostPage,
        box_ids: dict[str, int],
        casino: Casino,
    ) -> None:
        casino.wallet.opening_minor = 499
        box_id = box_ids["sure-item"]
        stage.embed(launchUrl=stage.launch_url(target={"boxId": box_id}, balanceMinor=None))
        button(game(page), "Open for €5.00").click()

        expect(game(page).get_by_role("alert")).to_contain_text("Your balance is too low")
        assert heard(page, "insufficientBalance") == [
            {"boxId": box_id, "priceMinor": 500, "balanceMinor": 499, "currency": "EUR"}
        ]

    def test_takes_a_theme_and_ignores_what_is_malformed(
        self, page: Page, stage: Stage, welcome_host: HostPage, box_ids: dict[str, int]
    ) -> None:
        stage.embed(launchUrl=stage.launch_url())
        expect(game(page).get_by_role("heading", name="Pick a box")).to_be_visible()
        page.evaluate(
            "games.navigate({ path: 5 }); games.setTheme({ brandColor: 'url(//x)', 'x;y': 'red' }); games.setLocale({})"
        )
        page.evaluate("games.setTheme({ brandColor: '#ffe000' })")

        tab = game(page).get_by_role("link", name="Boxes", exact=True)
        expect(tab).to_have_css("background-color", "rgb(255, 224, 0)")
        expect(tab).to_have_css("color", "rgb(20, 16, 32)")
        assert len(heard(page, "navigationChanged")) == 1

    def test_recommends_boxes(self, page: Page, stage: Stage, welcome_host: HostPage, box_ids: dict[str, int]) -> None:
        wanted = [box_ids["harbour"], box_ids["sure-item"]]
        stage.embed(method="recommended", operator="acme", boxIds=wanted)
        button(game(page), "Sure Item").click()
        button(game(page), "Buy Harbour Crate now").click()

        expect(game(page).get_by_role("listitem")).to_have_count(2)
        assert heard(page, "boxCardClicked") == [{"boxId": wanted[1]}]
        assert heard(page, "boxCardPurchase") == [{"boxId": wanted[0]}]

    def test_is_refused_to_a_foreign_origin(self, page: Page, stage: Stage) -> None:
        call_command("set_operator", "acme", "--set=origins=https://casino.example")
        link = stage.launch_url()
        with page.expect_console_message(lambda message: "frame-ancestors" in message.text):
            stage.embed(launchUrl=link)

        assert page.evaluate("window.heard") == []
        page.goto(link)
        expect(page.get_by_role("heading", name="Pick a box")).to_be_visible()


class TestAccessibility:
    """Small screens, screen readers, light and dark."""

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_of_every_view_leaves_nothing_to_find(self, scheme: Any, page: Page, stage: Stage, box_ids: dict[str, int]) -> None:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.set_viewport_size({"width": 320, "height": 640})
        stage.enter()
        expect(page.get_by_role("heading", name="Pick a box")).to_be_visible()
        found = self.problems(page)
        page.get_by_role("link", name="Sure Item").click()
        expect(page.get_by_role("heading", name="What is inside")).to_be_visible()
        found += self.problems(page)
        button(page, "Buy now, open later").click()
        expect(page.get_by_role("heading", name="1 box waits in your vault")).to_be_visible()
        button(page, "Open for €5.00").click()
        expect(page.get_by_role("heading", name="You won Brass Compass")).to_be_visible()
        found += self.problems(page)
        for tab, heading in {"Vault": "My vault", "Items": "My items", "History": "History", "Fairness": "Fair, and"}.items():
            page.get_by_role("link", name=tab, exact=True).click()
            expect(page.get_by_role("heading", level=1, name=heading)).to_be_visible()
            found += self.problems(page)
        page.get_by_role("link", name="Items", exact=True).click()
        page.get_by_role("checkbox").check()
        button(page, "Have it sent").click()
        found += self.problems(page)

        assert found == []

    def problems(self, page: Page) -> list[Any]:
        """Return what axe finds on the page, and whether it is wider than the screen."""
        width = page.evaluate("document.documentElement.scrollWidth")
        violations = Axe().run(page).response["violations"]
        found = [(page.url, each["id"], [node["html"] for node in each["nodes"]]) for each in violations]
        return found + ([(page.url, "width", width)] if width != 320 else [])
