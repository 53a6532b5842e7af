"""The page that verifies a round, and `verify.js` on the shared vectors, in a real browser."""

import json
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Page, expect
from pytest_django.live_server_helper import LiveServer

import fairness
from catalog.models import BoxVersion
from fairness import services
from operators.models import Player
from tests.factories.fairness import NOON, CountedSeeds, harbour, held_round, settled_round, shown_id
from tests.factories.operators import PlayerFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
VECTORS: dict[str, Any] = json.loads((Path(fairness.__file__).parent / "static/fairness/vectors.json").read_text())
HOSTILE = '<img src=x onerror="document.title = 1"> & "friends"'


@pytest.fixture
def player() -> Player:
    """Return a player with seeds."""
    player = PlayerFactory.create()
    services.ensure_pairs(operator_id=player.operator_id, player_id=player.pk, at=NOON, secrets=CountedSeeds())
    return player


@pytest.fixture
def version(player: Player) -> BoxVersion:
    """Return a version that mostly gives a prize whose name is markup."""
    return harbour(player.operator, names=[HOSTILE])


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


def reveal(player: Player) -> None:
    """Have the player's server seed revealed."""
    services.rotate(player=player, client_seed=None, at=NOON, secrets=lambda size: "fe" * size)


def address(live_server: LiveServer, public_id: str) -> str:
    """Return the page of a round."""
    return f"{live_server.url}/fairness/rounds/{public_id}"


class TestRoundPage:
    """`GET /fairness/rounds/{publicId}` in a browser."""

    def test_repeats_the_draws_of_a_revealed_seed(
        self, page: Page, live_server: LiveServer, complaints: list[str], player: Player, version: BoxVersion
    ) -> None:
        played = settled_round(player, [version, version])
        reveal(player)

        page.goto(address(live_server, shown_id(played)))

        expect(page.get_by_role("status")).to_contain_text("This round holds")
        expect(page.get_by_role("heading", level=2)).to_have_text(
            ["The seeds", f"Reel 0, box version {version.pk}", f"Reel 1, box version {version.pk}"]
        )
        for draw, table in zip(played.draws.order_by("reel_index"), page.get_by_role("table").all(), strict=True):
            drawn = table.locator("tr[aria-current=true]")
            expect(drawn).to_have_count(1)
            expect(drawn).to_contain_text(draw.prize.name["en"])
        assert complaints == []

    def test_shows_a_name_as_the_text_that_it_is(
        self, page: Page, live_server: LiveServer, complaints: list[str], player: Player, version: BoxVersion
    ) -> None:
        played = settled_round(player, [version])
        reveal(player)

        page.goto(address(live_server, shown_id(played)))

        expect(page.get_by_role("rowheader", name=HOSTILE)).to_be_visible()
        expect(page).to_have_title(f"Verify round {shown_id(played)}")
        assert complaints == []

    def test_says_what_differs_in_a_round_that_was_tampered_with(
        self, page: Page, live_server: LiveServer, player: Player, version: BoxVersion
    ) -> None:
        played = settled_round(player, [version], drawn={"roll": 1_100})
        reveal(player)

        page.goto(address(live_server, shown_id(played)))

        expect(page.get_by_role("status")).to_contain_text("This round does not hold")
        expect(page.locator(".differs")).to_have_count(1)
        expect(page.locator(".differs")).to_contain_text("recorded was 1100")

    def test_asks_for_the_seed_while_it_is_secret(
        self, page: Page, live_server: LiveServer, player: Player, version: BoxVersion
    ) -> None:
        page.goto(address(live_server, shown_id(settled_round(player, [version]))))

        expect(page.get_by_role("status")).to_contain_text("still secret")
        expect(page.get_by_text("Hash of the server seed")).to_be_visible()

    def test_has_nothing_to_verify_of_a_held_box(
        self, page: Page, live_server: LiveServer, player: Player, version: BoxVersion
    ) -> None:
        page.goto(address(live_server, shown_id(held_round(player, [version]))))

        expect(page.get_by_role("status")).to_contain_text("nothing to verify")

    def test_says_when_the_data_can_not_be_had(
        self, page: Page, live_server: LiveServer, player: Player, version: BoxVersion
    ) -> None:
        played = settled_round(player, [version])
        reveal(player)
        page.route("**/snapshot", lambda route: route.fulfill(status=503))

        page.goto(address(live_server, shown_id(played)))

        expect(page.get_by_role("status")).to_contain_text("could not be verified here")
        expect(page.get_by_role("status")).to_contain_text("503")

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_fits_a_phone_and_suits_a_screen_reader(
        self, scheme: Any, page: Page, live_server: LiveServer, player: Player, version: BoxVersion
    ) -> None:
        played = settled_round(player, [version])
        reveal(player)
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": 320, "height": 640})

        page.goto(address(live_server, shown_id(played)))

        expect(page.get_by_role("status")).to_contain_text("This round holds")
        assert page.evaluate("document.documentElement.scrollWidth") == 320
        violations = Axe().run(page).response["violations"]
        assert [(violation["id"], violation["nodes"]) for violation in violations] == []

    def test_of_an_unknown_round_says_so(self, page: Page, live_server: LiveServer) -> None:
        page.goto(address(live_server, "r_01J00000000000000000000000"))

        expect(page.get_by_role("heading")).to_have_text("There is no such round.")


class TestVerifyModule:
    """`verify.js` on the vectors that it shares with the platform and with the Python verifier."""

    @pytest.fixture(autouse=True)
    def anywhere(self, page: Page, live_server: LiveServer) -> None:
        """Open a page of the server, from which the module can be imported."""
        page.goto(address(live_server, "r_"))

    def call(self, page: Page, expression: str, argument: Any) -> Any:
        """Return what an expression over the module and an argument answers."""
        script = f"async (given) => {{ const verifier = await import('/static/fairness/verify.js'); return {expression}; }}"
        return page.evaluate(script, argument)

    def test_rolls_as_the_vectors(self, page: Page) -> None:
        drawn = self.call(
            page,
            "Promise.all(given.map(async (vector) => {"
            " const { roll, attempts } = await verifier.draw(vector); return [String(roll), attempts.length]; }))",
            VECTORS["rolls"],
        )

        assert drawn == [[vector["roll"], vector["attempts"]] for vector in VECTORS["rolls"]]

    def test_picks_as_the_vectors(self, page: Page) -> None:
        picked = self.call(page, "given.map(({ weights, roll }) => verifier.pick(weights, roll))", VECTORS["picks"])

        assert picked == [vector["prizeIndex"] for vector in VECTORS["picks"]]

    def test_hashes_prize_tables_as_the_vectors(self, page: Page) -> None:
        hashed = self.call(
            page,
            "Promise.all(given.map(async ({ snapshot }) => {"
            " const text = verifier.canonical(snapshot); return [text, await verifier.sha256(text)]; }))",
            VECTORS["snapshots"],
        )

        assert hashed == [[vector["canonical"], vector["snapshotHash"]] for vector in VECTORS["snapshots"]]

    def test_judges_rounds_as_the_vectors(self, page: Page) -> None:
        verdicts = self.call(
            page,
            "Promise.all(given.map(async ({ round, boxVersions }) => {"
            " const snapshots = Object.fromEntries(boxVersions.map((table) => [table.boxVersionId, table.snapshot]));"
            " return (await verifier.verifyRound(round, snapshots)).verdict; }))",
            VECTORS["rounds"],
        )

        assert verdicts == [vector["verdict"] for vector in VECTORS["rounds"]]
