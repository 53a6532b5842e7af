"""The casino's page with the platform's game, and the launches behind it."""

from urllib.parse import urlencode

import pytest

from tests.casino.caller import Answer, Client
from tests.casino.conftest import FakePlatform

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
LAUNCH_URL = "http://platform.example/play?token=lt_1"


@pytest.fixture
def launching(platform: FakePlatform) -> FakePlatform:
    platform.answers["/api/s2s/boxes"] = (200, {"boxes": []})
    platform.answers["/api/s2s/launches"] = (201, {"launchToken": "lt_1", "launchUrl": LAUNCH_URL, "expiresAt": "…"})
    return platform


def launch(casino: Client, headers: dict[str, str] | None = None, **fields: object) -> Answer:
    """Ask for a launch as the game's page does."""
    return casino.send("POST", "/launches", urlencode(fields).encode(), SAME_ORIGIN if headers is None else headers)


class TestGamePage:
    @pytest.mark.usefixtures("launching")
    def test_lets_in_the_platform_s_script_and_frame_alone(self, casino: Client, platform: FakePlatform) -> None:
        page = casino.get("/game?player=u_ben&box=17")
        assert page.status == 200
        for text in (f'data-sdk="{platform.url}/sdk/games-core.js"', 'data-player="u_ben"', 'data-box="17"'):
            assert text in page.text
        policy = page.headers["Content-Security-Policy"]
        assert f"script-src 'self' {platform.url}; frame-src {platform.url}; connect-src 'self'" in policy
        assert "script-src" not in casino.get("/").headers["Content-Security-Policy"]


class TestLaunch:
    def test_opens_the_lobby_for_the_player(self, casino: Client, launching: FakePlatform) -> None:
        answer = launch(casino, player="u_ben")
        assert (answer.status, answer.json) == (201, {"launchUrl": LAUNCH_URL})
        [(_, asked)] = launching.asked
        assert (asked["playerExternalId"], asked["gameKey"], asked["target"]) == ("u_ben", "mystery_box", {})
        assert "funding" not in asked
        assert asked["returnUrl"].endswith("/?player=u_ben")

    def test_is_another_request_each_time(self, casino: Client, launching: FakePlatform) -> None:
        for _ in range(2):
            launch(casino, player="u_ben")
        first, second = [asked["requestId"] for _, asked in launching.asked]
        assert first != second

    def test_gives_one_free_box(self, casino: Client, launching: FakePlatform) -> None:
        launch(casino, player="u_ben", box=17, free=1)
        [(_, asked)] = launching.asked
        assert asked["target"] == {"boxId": 17, "autoOpen": False}
        assert (asked["funding"], asked["fundingRounds"]) == ("operator", 1)

    def test_buys_on_arrival(self, casino: Client, launching: FakePlatform) -> None:
        launch(casino, player="u_ben", box=17, buy=1)
        [(_, asked)] = launching.asked
        assert asked["target"] == {"boxId": 17, "autoOpen": True}
        assert "funding" not in asked

    def test_is_for_our_own_pages_only(self, casino: Client, launching: FakePlatform) -> None:
        assert launch(casino, {"Sec-Fetch-Site": "cross-site"}, player="u_ben").status == 403
        assert launching.asked == []

    def test_passes_a_refusal_on(self, casino: Client, launching: FakePlatform) -> None:
        error = {"code": "GAME_DISABLED", "message": "This game is not enabled."}
        launching.answers["/api/s2s/launches"] = (403, {"error": error})
        answer = launch(casino, player="u_ben")
        assert answer.status == 502
        assert "GAME_DISABLED" in answer.json["error"]
