"""`GET /fairness/rounds/{publicId}` as JSON and as a page (contract section 9)."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django.live_server_helper import LiveServer

import fairness
from catalog.models import BoxVersion
from fairness import algorithm, services
from fairness.models import SeedPair, SeedState
from operators.models import Player
from purchases.models import Round
from tests.factories.fairness import NOON, CountedSeeds, harbour, held_round, settled_round, shown_id
from tests.factories.operators import PlayerFactory
from tests.signed import answer_of

pytestmark = pytest.mark.django_db(transaction=True)
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture
def player() -> Player:
    """Return a player with seeds."""
    player = PlayerFactory.create()
    services.ensure_pairs(operator_id=player.operator_id, player_id=player.pk, at=NOON, secrets=CountedSeeds())
    return player


@pytest.fixture
def version(player: Player) -> BoxVersion:
    """Return a version of a box of their operator's."""
    return harbour(player.operator)


def fetch(public_id: str, accept: str = "application/json") -> Any:
    """Return the answer to whoever accepts these types."""
    address = f"/fairness/rounds/{public_id}"
    response = Client().get(address, headers={"Accept": accept})
    if response["Content-Type"] == "application/json":
        answer_of(response, method="GET", address=address)
    return response


def proof(played: Round) -> dict[str, Any]:
    """Return the round's JSON."""
    answer: dict[str, Any] = fetch(shown_id(played)).json()
    return answer


class TestRoundAsJSON:
    """What a verifier reads."""

    def test_tells_all_but_the_seed_while_it_is_in_use(self, player: Player, version: BoxVersion) -> None:
        settled_round(player, [version])
        played = settled_round(player, [version, version])
        pair = SeedPair.objects.get(player=player, state=SeedState.ACTIVE)

        assert proof(played) == {
            "round": {"publicId": shown_id(played), "status": "settled"},
            "serverSeedHash": pair.server_seed_hash,
            "serverSeed": None,
            "clientSeed": pair.client_seed,
            "nonce": 1,
            "algorithmKey": "hmac_sha256_v1",
            "draws": [
                {
                    "reelIndex": draw.reel_index,
                    "boxVersionId": version.pk,
                    "snapshotHash": version.snapshot_hash,
                    "roll": draw.roll,
                    "prizeIndex": draw.prize.index,
                }
                for draw in played.draws.order_by("reel_index")
            ],
        }

    def test_tells_the_seed_once_it_is_revealed(self, player: Player, version: BoxVersion) -> None:
        played = settled_round(player, [version])
        before = proof(played)

        services.rotate(player=player, client_seed="other", at=NOON, secrets=lambda size: "fe" * size)

        after = proof(played)
        assert algorithm.seed_hash(after["serverSeed"]) == before["serverSeedHash"]
        assert after == before | {"serverSeed": after["serverSeed"]}

    def test_has_nothing_to_tell_of_a_round_that_was_not_drawn(self, player: Player, version: BoxVersion) -> None:
        played = held_round(player, [version])

        assert proof(played) == {
            "round": {"publicId": shown_id(played), "status": "held"},
            "serverSeedHash": None,
            "serverSeed": None,
            "clientSeed": None,
            "nonce": None,
            "algorithmKey": None,
            "draws": [],
        }

    def test_takes_as_many_queries_for_ten_reels_as_for_one(
        self, player: Player, version: BoxVersion, django_assert_num_queries: Any
    ) -> None:
        for reels in (1, 10):
            played = settled_round(player, [version] * reels)
            with django_assert_num_queries(2):
                proof(played)

    @pytest.mark.parametrize("public_id", ["r_01J00000000000000000000000", "r_", "nonsense", "r_%00", "fo_01J000", "é" * 26])
    def test_of_an_unknown_round_is_not_found(self, public_id: str) -> None:
        response = fetch(public_id)

        assert response.status_code == 404
        assert response.json()["error"]["code"] == "ROUND_NOT_FOUND"

    def test_is_only_for_reading(self, player: Player, version: BoxVersion) -> None:
        played = settled_round(player, [version])

        response = Client().post(
            f"/fairness/rounds/{shown_id(played)}",
            b"{}",
            content_type="application/json",
            headers={"Accept": "application/json"},
        )

        assert response.status_code == 405
        assert response.json()["error"]["code"] == "METHOD_NOT_ALLOWED"

    @pytest.mark.parametrize(
        "accept", ["application/json", "application/json, text/plain, */*", "APPLICATION/JSON;q=0.9, */*;q=0.1"]
    )
    def test_is_for_those_who_ask_for_json(self, accept: str, player: Player, version: BoxVersion) -> None:
        response = fetch(shown_id(settled_round(player, [version])), accept)

        assert response["Content-Type"] == "application/json"
        assert "Accept" in response["Vary"].split(", ")
        assert response["Cache-Control"] == "no-cache"


class TestRoundAsPage:
    """What a person sees; the verification in it runs in the browser."""

    @pytest.mark.parametrize(
        "accept", [BROWSER, "*/*", "text/html", "image/png", "", "q;;,=;q=x", "text/html, application/json"]
    )
    def test_is_for_everybody_else(self, accept: str, player: Player, version: BoxVersion) -> None:
        response = fetch(shown_id(settled_round(player, [version])), accept)

        assert response.status_code == 200
        assert response["Content-Type"] == "text/html; charset=utf-8"
        assert "Accept" in response["Vary"].split(", ")

    def test_names_the_round_and_where_its_data_is(self, player: Player, version: BoxVersion) -> None:
        public_id = shown_id(settled_round(player, [version]))

        page = fetch(public_id, BROWSER).content.decode()

        assert f"<title>Verify round {public_id}</title>" in page
        assert f'data-round-url="/fairness/rounds/{public_id}"' in page
        assert 'data-snapshot-url="/fairness/box-version/0/snapshot"' in page

    def test_allows_nothing_inline_and_nothing_from_elsewhere(self, player: Player, version: BoxVersion) -> None:
        response = fetch(shown_id(settled_round(player, [version])), BROWSER)

        policy = response["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        page = response.content.decode()
        assert "<style" not in page
        assert " style=" not in page
        assert page.count("<script") == page.count('<script type="module" src="/static/fairness/round.js">') == 1

    def test_of_an_unknown_round_says_so(self) -> None:
        response = fetch("r_<script>", BROWSER)

        assert response.status_code == 404
        assert response["Content-Type"] == "text/html; charset=utf-8"
        assert "There is no such round." in response.content.decode()
        assert "ROUND_NOT_FOUND" in response.content.decode()


class TestDownloadedVerifier:
    """`verify_round.py` given nothing but the round's address."""

    def test_fetches_what_it_needs(self, live_server: LiveServer, player: Player, version: BoxVersion) -> None:
        address = f"{live_server.url}/fairness/rounds/{shown_id(settled_round(player, [version, version]))}"

        assert run_verifier(address).returncode == 2
        services.rotate(player=player, client_seed=None, at=NOON, secrets=lambda size: "fe" * size)
        done = run_verifier(address)

        assert (done.returncode, done.stderr) == (0, "")
        assert "The round holds" in done.stdout

    def test_says_that_there_is_no_such_round(self, live_server: LiveServer) -> None:
        done = run_verifier(f"{live_server.url}/fairness/rounds/r_nothing")

        assert done.returncode == 1
        assert "could not be read" in done.stderr


def run_verifier(address: str) -> "subprocess.CompletedProcess[str]":
    """Return what the verifier printed as a program of its own."""
    program = Path(fairness.__file__).parent / "static/fairness/verify_round.py"
    return subprocess.run([sys.executable, "-I", program, address], capture_output=True, text=True, check=False)
