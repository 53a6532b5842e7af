"""What happened to my box? One search, one page, few queries."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from lootbox.core.ids import Prefix, public_id
from operators import staff
from operators.models import Player
from operators.services import NewOperator, change_settings
from purchases.models import Round
from tests.admin.cast import browser, page, person
from tests.signed import SignedClient
from vault.models import InventoryItem
from wallet.models import WalletCall
from webhooks.models import Event


@pytest.fixture
def support(acme: NewOperator) -> User:
    """Return Acme's support."""
    return person("sue", role=staff.SUPPORT, at=acme.operator)


@pytest.fixture
def settled(acme: NewOperator, s2s: SignedClient, boxes: dict[str, int]) -> Round:
    """Return a settled round of ten reels with items, whose webhook is on its way."""
    change_settings(operator=acme.operator, changes={"webhookUrl": "http://127.0.0.1:9/hooks"}, at=timezone.now())
    reels = [{"reelIndex": index, "boxVersionId": boxes["sure-item"]} for index in range(10)]
    body = {"playerExternalId": "u_1", "gameKey": "mystery_box", "clientActionId": "click-7", "reels": reels}
    assert s2s.post("/api/s2s/purchase", body).status == 200
    return Round.objects.get()


class TestARoundsPage:
    def test_tells_the_story_in_plain_words(self, settled: Round, support: User) -> None:
        shown = browser(support).get(page("purchases_round_change", settled.pk)).content.decode()
        proof = f"/fairness/rounds/{public_id(Prefix.ROUND, settled.pk)}"
        story = ["u_1 bought for 50.00 EUR", "Debited 50.00 EUR", "the wallet answered in", "Drew Brass Compass"]
        for told in [*story, "worth 4.80 EUR", "click-7", proof, "round_settled"]:
            assert told in shown, told

    def test_opens_in_under_15_queries(self, settled: Round, support: User) -> None:
        client = browser(support)
        with CaptureQueriesContext(connection) as captured:
            assert client.get(page("purchases_round_change", settled.pk)).status_code == 200
        assert len(captured) < 15, [query["sql"][:90] for query in captured]

    def test_shows_no_server_seed_that_is_not_revealed(self, settled: Round, support: User) -> None:
        shown = browser(support).get(page("purchases_round_change", settled.pk)).content.decode()
        assert settled.seed_pair is not None
        assert settled.seed_pair.server_seed_hash in shown
        assert settled.seed_pair.server_seed not in shown

    @pytest.mark.parametrize("key", ["0", "not-an-id", "00000000-0000-0000-0000-000000000000"])
    def test_of_no_round_is_not_found(self, acme: NewOperator, support: User, key: str) -> None:
        assert browser(support).get(page("purchases_round_change", key)).status_code == 404


class TestTheSearch:
    @pytest.mark.parametrize("what", ["round", "clientActionId", "wallet key", "wallet reference", "item", "event"])
    def test_finds_the_round_by_any_id(self, settled: Round, support: User, what: str) -> None:
        item = InventoryItem.objects.order_by("pk").first()
        call = WalletCall.objects.get()
        event = Event.objects.get(type="round_settled")
        assert item is not None
        ids = {
            "round": public_id(Prefix.ROUND, settled.pk), "clientActionId": "click-7", "wallet key": call.idempotency_key,
            "wallet reference": call.provider_txn_ref, "item": str(item.pk), "event": public_id(Prefix.EVENT, event.pk),
        }  # fmt: skip
        answer = browser(support).get(page("purchases_round_find"), {"q": f" {ids[what]} "}, follow=True)
        assert public_id(Prefix.ROUND, settled.pk) in answer.content.decode()

    def test_goes_straight_to_a_player(self, settled: Round, support: User) -> None:
        answer = browser(support).get(page("purchases_round_find"), {"q": "u_1"})
        assert answer.headers["Location"] == page("operators_player_change", Player.objects.get().pk)
        shown = browser(support).get(answer.headers["Location"]).content.decode()
        assert "50.00 EUR" in shown
        assert "Brass Compass" in shown

    def test_finds_nothing_of_another_operators(self, settled: Round, stranger: NewOperator) -> None:
        xena = browser(person("xena", role=staff.OPERATOR_ADMIN, at=stranger.operator))
        call = WalletCall.objects.get()
        for text in (public_id(Prefix.ROUND, settled.pk), "click-7", call.idempotency_key, call.provider_txn_ref, "u_1"):
            answer: Any = xena.get(page("purchases_round_find"), {"q": text})
            assert "Nothing that you may see" in answer.content.decode(), text

    @pytest.mark.parametrize("text", ["", "x" * 5000, "'; --", "\x00", "99999999999999999999"])
    def test_survives_anything(self, acme: NewOperator, support: User, text: str) -> None:
        assert browser(support).get(page("purchases_round_find"), {"q": text}).status_code == 200
