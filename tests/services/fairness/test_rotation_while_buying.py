"""Rounds bought through the API, with rotations in between and at the same time, each verified afterwards."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal
from typing import Any

from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from catalog.models import ExchangeRate
from fairness import services
from fairness.models import SeedPair, SeedState
from operators.models import Player
from operators.services import NewOperator, change_settings
from purchases import proofs
from purchases.models import Round
from purchases.proofs import Verdict
from tests.factories.fairness import shown_id
from tests.signed import SignedClient


def buy(s2s: SignedClient, action: str, *versions: int, **changes: Any) -> str:
    """Return the round that a player bought and opened."""
    reels = [{"reelIndex": index, "boxVersionId": version} for index, version in enumerate(versions)]
    request = {"playerExternalId": "u_1", "gameKey": "mystery_box", "clientActionId": action, "reels": reels}
    answer = s2s.post("/api/s2s/purchase", request | changes)
    assert answer.status == 200, answer.body
    public_id: str = answer.body["round"]["publicId"]
    return public_id


def rotate(client_seed: str | None = None) -> None:
    """Have the player's active seed revealed."""
    player = Player.objects.get(external_id="u_1")
    services.rotate(player=player, client_seed=client_seed, at=timezone.now(), secrets=secrets.token_hex)


class TestBoughtRounds:
    """What the platform sells is what it says it drew."""

    def test_hold(self, s2s: SignedClient, boxes: dict[str, int]) -> None:
        bought = [buy(s2s, f"a-{number}", *boxes.values()) for number in range(3)]
        rotate("lucky")
        bought.append(buy(s2s, "a-3", boxes["harbour"]))
        rotate()

        for public_id in bought:
            call_command("verify_round", public_id)

    def test_hold_in_another_currency(self, s2s: SignedClient, boxes: dict[str, int], acme: NewOperator) -> None:
        change_settings(operator=acme.operator, changes={"currencies": "EUR,JPY"}, at=timezone.now())
        ExchangeRate.objects.create(base="EUR", quote="JPY", rate=Decimal("161.537"), source="test", at=timezone.now())
        public_id = buy(s2s, "yen", *boxes.values(), currency="JPY")
        rotate()

        call_command("verify_round", public_id)

    def test_hold_when_the_player_rotates_while_buying(self, s2s: SignedClient, boxes: dict[str, int]) -> None:
        buy(s2s, "first", boxes["harbour"])

        def play(buyer: int) -> None:
            with closing(connection):
                for number in range(6):
                    buy(s2s, f"{buyer}-{number}", boxes["harbour"], boxes["harbour"])

        def rotate_often() -> None:
            with closing(connection):
                for number in range(6):
                    rotate(f"seed-{number}")

        with ThreadPoolExecutor(4) as pool:
            work = [pool.submit(play, buyer) for buyer in range(3)] + [pool.submit(rotate_often)]
        for done in work:
            done.result()
        rotate()

        rounds = list(Round.objects.all())
        assert len(rounds) == 1 + 3 * 6
        assert {proofs.verify(public_id=shown_id(one)).verdict for one in rounds} == {Verdict.HOLDS}
        for pair in SeedPair.objects.filter(state=SeedState.REVEALED):
            nonces = sorted(one.nonce for one in rounds if one.seed_pair_id == pair.pk and one.nonce is not None)
            assert nonces == list(range(pair.next_nonce))
