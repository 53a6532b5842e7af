"""The casino's pages, against a small platform that answers what each test tells it to."""

import re
from collections.abc import Callable
from html import escape, unescape
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
from pages import money

from tests.casino.caller import Answer, Client, debit
from tests.casino.conftest import FakePlatform

HOSTILE = "<script>alert(1)</script>\"'&amp; \u202e{0}"
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
UNAVAILABLE = {"error": {"code": "WALLET_UNAVAILABLE", "message": "The wallet did not answer.", "retryable": True}}
BROKE = {"error": {"code": "INSUFFICIENT_FUNDS", "message": "The wallet refused.", "retryable": False}}


def box(**changed: Any) -> dict[str, Any]:
    return {
        "boxId": 17,
        "boxVersionId": 1201,
        "name": "Harbour Crate",
        "priceMinor": 500,
        "currency": "EUR",
        "houseEdgeBps": 850,
        "image": {"alt": None, "webp": None, "default": None},
        "customAttributes": {"is_new": True},
    } | changed


def settled(name: str = "Brass Compass") -> dict[str, Any]:
    return {
        "round": {
            "publicId": "r_1",
            "currency": "EUR",
            "reels": [{"reelIndex": 0, "prize": {"itemId": 906, "kind": "item", "name": name, "valueMinor": 480}}],
            "wonItems": [{"name": name, "cashbackMinor": 320, "currency": "EUR"}],
            "fairness": {"serverSeedHash": "ab" * 32, "clientSeed": "lucky", "nonce": 42},
        }
    }


def form_of(page: str) -> dict[str, str]:
    """Return the fields of the page's first form that buys."""
    form = re.search(r'<form class="buy".*?</form>', page, re.DOTALL)
    assert form is not None
    return {name: unescape(value) for name, value in re.findall(r'name="(\w+)" value="(.*?)"', form[0])}


def click(casino: Client, fields: dict[str, str], headers: dict[str, str] | None = None) -> Answer:
    """Send the form as a browser does, and follow it to the page that it leads to."""
    body = urlencode(fields).encode()
    answer = casino.send("POST", "/buy", body, SAME_ORIGIN if headers is None else headers)
    return casino.get(answer.headers["Location"]) if answer.status == 303 else answer


@pytest.fixture
def selling(platform: FakePlatform) -> FakePlatform:
    platform.answers["/api/s2s/boxes"] = (200, {"boxes": [box()]})
    platform.answers["/api/s2s/purchase"] = (200, settled())
    return platform


def purchases(platform: FakePlatform) -> list[Any]:
    return [body for path, body in platform.asked if path == "/api/s2s/purchase"]


class TestLobby:
    def test_shows_the_boxes_and_the_balance(self, casino: Client, selling: FakePlatform) -> None:
        casino.wallet(debit(player="u_ben", amount=1_000))
        page = casino.get("/?player=u_ben")
        assert page.status == 200
        for text in ("Harbour Crate", "Open for 5.00 EUR", "New", "490.00 EUR", 'href="/boxes/17?player=u_ben"'):
            assert text in page.text
        assert selling.asked == [("/api/s2s/boxes?sort=price&perPage=200", None)]

    def test_gives_every_button_its_own_action(self, casino: Client, selling: FakePlatform) -> None:
        selling.answers["/api/s2s/boxes"] = (200, {"boxes": [box(boxId=1), box(boxId=2)]})
        actions = [re.findall(r'name="clientActionId" value="(.*?)"', casino.get("/").text) for _ in range(2)]
        assert len({action for page in actions for action in page}) == 4

    def test_shows_a_box_s_own_picture(self, casino: Client, selling: FakePlatform) -> None:
        picture = {"alt": None, "webp": None, "default": "/media/harbour.png"}
        selling.answers["/api/s2s/boxes"] = (200, {"boxes": [box(image=picture), box(image=None)]})
        page = casino.get("/").text
        assert f'<img src="{selling.url}/media/harbour.png" alt=""' in page
        assert page.count("<ellipse") == 1

    @pytest.mark.usefixtures("selling")
    def test_needs_no_script_and_allows_none(self, casino: Client) -> None:
        page = casino.get("/")
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        assert "<script" not in page.text
        assert "style=" not in page.text

    def test_says_so_when_the_platform_refuses(self, casino: Client, platform: FakePlatform) -> None:
        platform.answers["/api/s2s/boxes"] = (401, {"error": {"code": "INVALID_SIGNATURE", "message": "No."}})
        page = casino.get("/")
        assert page.status == 502
        assert "401 INVALID_SIGNATURE: No." in page.text

    @pytest.mark.parametrize("url", ["http://127.0.0.1:1", "https://127.0.0.1:1"])
    def test_says_so_when_the_platform_is_away(self, open_casino: Callable[[str], Client], url: str) -> None:
        page = open_casino(url).get("/")
        assert page.status == 502
        assert f"No answer from the platform at {url}" in page.text

    def test_shows_what_is_inside_a_box(self, casino: Client, selling: FakePlatform) -> None:
        prizes = [
            {"itemId": 906, "kind": "item", "name": "Brass Compass", "valueMinor": 480, "currency": "EUR", "odds": 0.12},
            {"itemId": None, "kind": "cash", "name": "10 euro", "valueMinor": 1000, "currency": "EUR", "odds": 0.0005},
        ]
        selling.answers["/api/s2s/boxes/17"] = (200, {"box": box(prizes=prizes)})
        page = casino.get("/boxes/17")
        for text in ("Brass Compass", "4.80 EUR", "12 %", "0.05 %", "91.5 % of the price", "Open for 5.00 EUR"):
            assert text in page.text

    def test_says_so_when_there_is_no_such_box(self, casino: Client, platform: FakePlatform) -> None:
        platform.answers["/api/s2s/boxes/9"] = (404, {"error": {"code": "NOT_FOUND", "message": "No such box."}})
        assert "No such box." in casino.get("/boxes/9").text
        assert casino.get("/boxes/../ledger.json").status == 404


class TestBuy:
    def test_buys_with_the_button_s_action_and_shows_the_prize(self, casino: Client, selling: FakePlatform) -> None:
        fields = form_of(casino.get("/?player=u_ben").text)
        page = click(casino, fields)
        assert page.status == 200
        for text in ("You won", "Brass Compass", "worth 4.80 EUR", "3.20 EUR back", "r_1", "ab" * 32):
            assert text in page.text
        assert purchases(selling) == [
            {
                "playerExternalId": "u_ben",
                "gameKey": "mystery_box",
                "clientActionId": fields["clientActionId"],
                "reels": [{"reelIndex": 0, "boxVersionId": 1201}],
            }
        ]

    def test_shows_the_prize_again_on_reload_and_buys_nothing(self, casino: Client, selling: FakePlatform) -> None:
        answer = casino.send("POST", "/buy", urlencode(form_of(casino.get("/").text)).encode(), SAME_ORIGIN)
        assert "Brass Compass" in casino.get(answer.headers["Location"]).text
        assert "Brass Compass" in casino.get(answer.headers["Location"]).text
        assert len(purchases(selling)) == 1

    def test_shows_a_prize_to_its_winner_only(self, casino: Client, selling: FakePlatform) -> None:
        fields = form_of(casino.get("/?player=u_ben").text)
        click(casino, fields)
        assert selling.asked
        assert "You won" not in casino.get(f"/?player=u_anna&action={fields['clientActionId']}").text

    @pytest.mark.parametrize("first", [(503, UNAVAILABLE), (409, UNAVAILABLE), (502, b"<html>")])
    def test_tries_again_with_the_same_action(self, casino: Client, selling: FakePlatform, first: tuple[int, Any]) -> None:
        selling.answers["/api/s2s/purchase"] = first
        page = click(casino, form_of(casino.get("/").text))
        assert "Try again" in page.text
        selling.answers["/api/s2s/purchase"] = (200, settled())
        assert "You won" in click(casino, form_of(page.text)).text
        one, two = purchases(selling)
        assert one == two

    def test_remembers_an_unknown_fate_over_a_restart(
        self, open_casino: Callable[[str], Client], selling: FakePlatform
    ) -> None:
        fields = form_of(open_casino(selling.url).get("/").text)
        page = click(open_casino("http://127.0.0.1:1"), fields)
        assert "It is not known whether the box was opened." in page.text
        casino = open_casino(selling.url)
        again = form_of(casino.get("/?" + urlencode({"player": "u_anna", "action": fields["clientActionId"]})).text)
        assert again == fields
        assert "You won" in click(casino, again).text

    def test_does_not_offer_to_repeat_what_is_final(self, casino: Client, selling: FakePlatform) -> None:
        selling.answers["/api/s2s/purchase"] = (422, BROKE)
        page = click(casino, form_of(casino.get("/").text))
        assert "The wallet refused. (INSUFFICIENT_FUNDS)" in page.text
        assert "Try again" not in page.text

    def test_keeps_a_prize_when_a_second_click_hears_less(self, casino: Client, selling: FakePlatform) -> None:
        fields = form_of(casino.get("/").text)
        click(casino, fields)
        selling.answers["/api/s2s/purchase"] = (409, UNAVAILABLE)
        assert "You won" in click(casino, fields).text

    def test_refuses_an_action_that_stands_for_something_else(self, casino: Client, selling: FakePlatform) -> None:
        fields = form_of(casino.get("/").text)
        click(casino, fields)
        assert click(casino, fields | {"boxVersionId": "1202"}).status == 400
        assert click(casino, fields | {"player": "u_ben"}).status == 400
        assert len(purchases(selling)) == 1

    @pytest.mark.parametrize(
        "changed",
        [
            {"clientActionId": ""},
            {"clientActionId": "x" * 81},
            {"boxVersionId": "1.5"},
            {"boxVersionId": ""},
            {"player": "x" * 191},
        ],
    )
    def test_refuses_what_the_button_never_sends(self, casino: Client, selling: FakePlatform, changed: dict[str, str]) -> None:
        fields = form_of(casino.get("/").text)
        assert click(casino, fields | changed).status == 400
        assert purchases(selling) == []

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "none"},
            {"Sec-Fetch-Site": "cross-site", "Host": "casino", "Origin": "http://casino"},
            {"Host": "casino", "Origin": "http://elsewhere"},
            {"Host": "casino", "Origin": "null"},
        ],
    )
    def test_refuses_other_sites(self, casino: Client, selling: FakePlatform, headers: dict[str, str]) -> None:
        assert click(casino, form_of(casino.get("/").text), headers).status == 403
        assert purchases(selling) == []

    def test_accepts_its_own_origin_from_a_browser_without_fetch_metadata(self, casino: Client, selling: FakePlatform) -> None:
        page = click(casino, form_of(casino.get("/").text), {"Host": "casino:9000", "Origin": "http://casino:9000"})
        assert "You won" in page.text
        assert len(purchases(selling)) == 1


class TestHostileNames:
    def assert_inert(self, page: str) -> None:
        assert escape(HOSTILE) in page
        assert HOSTILE not in page
        assert "<script" not in page

    def test_of_boxes_prizes_and_images(self, casino: Client, selling: FakePlatform) -> None:
        image = {"alt": HOSTILE, "default": '/art.png?"><script>', "webp": ""}
        prize = {"itemId": 1, "kind": HOSTILE, "name": HOSTILE, "valueMinor": 1, "currency": HOSTILE, "odds": 1.0}
        hostile = box(name=HOSTILE, currency=HOSTILE, image=image, prizes=[prize], customAttributes={"is_new": HOSTILE})
        selling.answers |= {
            "/api/s2s/boxes": (200, {"boxes": [hostile]}),
            "/api/s2s/boxes/17": (200, {"box": hostile}),
            "/api/s2s/purchase": (200, settled(HOSTILE)),
        }
        lobby = casino.get("/").text
        for page in (lobby, casino.get("/boxes/17").text, click(casino, form_of(lobby)).text):
            self.assert_inert(page)

    def test_of_players(self, casino: Client, selling: FakePlatform) -> None:
        casino.wallet(debit(player=HOSTILE))
        for path in ("/", "/calls"):
            self.assert_inert(casino.get(f"{path}?player={quote(HOSTILE)}").text)
        page = click(casino, form_of(casino.get(f"/?player={quote(HOSTILE)}").text))
        self.assert_inert(page.text)
        assert purchases(selling)[0]["playerExternalId"] == HOSTILE

    def test_of_errors(self, casino: Client, selling: FakePlatform) -> None:
        selling.answers["/api/s2s/purchase"] = (422, {"error": {"code": HOSTILE, "message": HOSTILE}})
        self.assert_inert(click(casino, form_of(casino.get("/").text)).text)
        selling.answers["/api/s2s/boxes"] = (500, {"error": {"code": HOSTILE, "message": HOSTILE}})
        self.assert_inert(casino.get("/").text)

    def test_do_not_break_out_of_the_redirect(self, casino: Client, selling: FakePlatform) -> None:
        fields = form_of(casino.get("/").text) | {"player": "u\r\nSet-Cookie: a=b"}
        answer = casino.send("POST", "/buy", urlencode(fields).encode(), SAME_ORIGIN)
        assert "Set-Cookie" not in answer.headers
        assert parse_qs(urlsplit(answer.headers["Location"]).query)["player"] == [fields["player"]]
        assert selling.asked


class TestCalls:
    def test_lists_wallet_calls_newest_first_with_body_and_answer(self, casino: Client) -> None:
        assert "Nothing yet" in casino.get("/calls").text
        casino.wallet(debit("round:r_1"))
        casino.wallet(debit("round:r_2", amount=60_000))
        page = casino.get("/calls").text
        assert page.index("round:r_2") < page.index("round:r_1")
        assert "refused: INSUFFICIENT_FUNDS" in page
        assert "&quot;idempotencyKey&quot;: &quot;round:r_1&quot;" in page
        assert "&quot;providerTxnRef&quot;: &quot;w-1&quot;" in page

    def test_marks_a_repeat(self, casino: Client) -> None:
        for key in ("round:r_1", "round:r_2", "round:r_1"):
            casino.wallet(debit(key))
        casino.wallet({"type": "wallet.balance", "playerExternalId": "u_1", "currency": "EUR"})
        casino.wallet({"type": "wallet.balance", "playerExternalId": "u_1", "currency": "EUR"})
        assert casino.get("/calls").text.count("Repeat") == 1

    def test_goes_on_to_older_ones(self, casino: Client) -> None:
        for number in range(101):
            casino.wallet(debit(f"round:r_{number:03}", amount=1))
        newest = casino.get("/calls").text
        assert "round:r_000" not in newest
        older = re.search(r'href="(/calls\?[^"]*before=2)"', newest)
        assert older is not None
        page = casino.get(unescape(older[1])).text
        assert "round:r_000" in page
        assert "Older ones" not in page

    @pytest.mark.parametrize("before", ["x", "-1", "9" * 19, "9" * 30])
    def test_refuses_a_place_that_is_no_number(self, casino: Client, before: str) -> None:
        assert casino.get(f"/calls?before={before}").status == 400


class TestMoney:
    @pytest.mark.parametrize(
        ("minor", "currency", "text"),
        [
            (5, "EUR", "0.05 EUR"),
            (123_456, "EUR", "1,234.56 EUR"),
            (-1, "EUR", "-0.01 EUR"),
            (500, "JPY", "500 JPY"),
            (1_005, "KWD", "1.005 KWD"),
            (2**53 - 1, "EUR", "90,071,992,547,409.91 EUR"),
        ],
    )
    def test_shows_minor_units(self, minor: int, currency: str, text: str) -> None:
        assert money(minor, currency) == text
