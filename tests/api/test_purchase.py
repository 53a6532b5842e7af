"""`POST /api/s2s/purchase`, contract section 5: buying and opening at once."""

from typing import Any
from uuid import uuid4

import pytest

from operators.services import NewOperator
from purchases.models import Action, Draw, Round
from tests.casino_wallet import Casino
from tests.faulty_server import answer, late, never, reset
from tests.signed import Answer, SignedClient
from wallet.models import WalletCall


def order(version: int, **changes: Any) -> dict[str, Any]:
    """Return a purchase of one box by player u_1 under a new action id."""
    request = {
        "playerExternalId": "u_1",
        "gameKey": "mystery_box",
        "clientActionId": str(uuid4()),
        "reels": [{"reelIndex": 0, "boxVersionId": version}],
    }
    return {name: value for name, value in (request | changes).items() if value is not None}


def buy(s2s: SignedClient, version: int, **changes: Any) -> Answer:
    """Send the purchase."""
    return s2s.post("/api/s2s/purchase", order(version, **changes))


class TestAnItem:
    def test_is_answered_field_for_field(self, s2s: SignedClient, boxes: dict[str, int], casino: Casino) -> None:
        bought = buy(s2s, boxes["sure-item"])
        assert bought.status == 200
        shown = bought.body["round"]
        [won] = shown["wonItems"]
        assert shown == {
            "publicId": shown["publicId"],
            "status": "settled",
            "mode": "open",
            "funding": "player",
            "betMinor": 500,
            "payoutMinor": 480,
            "currency": "EUR",
            "boxVersionId": boxes["sure-item"],
            "purchasedAt": shown["purchasedAt"],
            "settledAt": shown["settledAt"],
            "reels": [
                {
                    "reelIndex": 0,
                    "boxVersionId": boxes["sure-item"],
                    "prize": {"itemId": won["itemId"], "kind": "item", "name": "Brass Compass", "valueMinor": 480},
                }
            ],
            "wonItems": [
                {
                    "inventoryItemId": won["inventoryItemId"],
                    "itemId": won["itemId"],
                    "name": "Brass Compass",
                    "cashbackMinor": 120,
                    "currency": "EUR",
                    "state": "unresolved",
                }
            ],
            "fairness": {**shown["fairness"], "nonce": 0, "algorithmKey": "hmac_sha256_v1"},
        }
        assert bought.body["balanceAfterMinor"] == casino.wallet.balance("u_1") == 1_000_000 - 500


class TestACashPrize:
    def test_is_credited_at_once(self, s2s: SignedClient, boxes: dict[str, int], casino: Casino) -> None:
        bought = buy(s2s, boxes["sure-cash"])
        public_id = bought.body["round"]["publicId"]
        assert bought.body["round"]["reels"][0]["prize"] == {
            "itemId": None,
            "kind": "cash",
            "name": "2 euro",
            "valueMinor": 200,
        }
        assert bought.body["round"]["wonItems"] == []
        assert [(call["type"], call["idempotencyKey"]) for call in casino.calls()] == [
            ("wallet.debit", f"round:{public_id}"),
            ("wallet.credit", f"payout:round:{public_id}"),
        ]
        assert bought.body["balanceAfterMinor"] == casino.wallet.balance("u_1") == 1_000_000 - 300


class TestARefusedDebit:
    def test_voids_the_round_and_moves_nothing(self, s2s: SignedClient, boxes: dict[str, int], casino: Casino) -> None:
        casino.wallet.opening_minor = 100
        request = order(boxes["harbour"])
        first = s2s.post("/api/s2s/purchase", request)
        assert (first.status, first.code) == (422, "INSUFFICIENT_FUNDS")
        assert first.body["error"]["moneyMoved"] == "none"
        assert first.body["round"]["status"] == "voided"
        assert first.body["balanceAfterMinor"] == 100
        again = s2s.post("/api/s2s/purchase", request)
        assert again.status == 422
        assert again.body["round"] == first.body["round"]
        assert again.body["balanceAfterMinor"] == 100
        assert len(casino.calls()) == 1
        assert not Draw.objects.exists()

    def test_passes_an_unknown_code_on_verbatim(self, s2s: SignedClient, boxes: dict[str, int], casino: Casino) -> None:
        casino.wallet.refuse = "KYC_PENDING"
        refused = buy(s2s, boxes["harbour"])
        assert (refused.status, refused.code) == (422, "KYC_PENDING")


class TestARetry:
    def test_answers_the_same_round_and_acts_once(self, s2s: SignedClient, boxes: dict[str, int], casino: Casino) -> None:
        request = order(boxes["sure-item"])
        first, again = (s2s.post("/api/s2s/purchase", request) for _ in range(2))
        assert again.body == first.body
        assert again.headers["Idempotent-Replayed"] == "true"
        assert "Idempotent-Replayed" not in first.headers
        assert len(casino.calls()) == 1

    def test_of_another_request_is_a_conflict(self, s2s: SignedClient, boxes: dict[str, int], casino: Casino) -> None:
        request = order(boxes["sure-item"])
        s2s.post("/api/s2s/purchase", request)
        for change in ({"mode": "prepay"}, {"funding": "operator"}, {"reels": [{"reelIndex": 1, "boxVersionId": 1}]}):
            assert s2s.post("/api/s2s/purchase", request | change).code == "IDEMPOTENCY_CONFLICT"
        assert len(casino.calls()) == 1
        assert Action.objects.count() == 1


class TestAnUnknownFate:
    @pytest.mark.parametrize(
        "fault",
        [
            answer(b"<html>", status=200),
            answer(b'{"accepted": "true"}'),
            answer(b"{}", status=500),
            answer(b'{"accepted": true, "accepted": false}'),
            reset(),
            never(),
        ],
    )
    def test_is_pending_until_a_retry_resumes_it(
        self, s2s: SignedClient, boxes: dict[str, int], casino: Casino, fault: Any
    ) -> None:
        casino.play(casino.wallet.apply_then(fault))
        request = order(boxes["sure-item"])
        first = s2s.post("/api/s2s/purchase", request)
        assert (first.status, first.code) == (503, "WALLET_UNAVAILABLE")
        assert first.body["error"]["moneyMoved"] == "unknown"
        assert first.body["error"]["retryable"] is True
        assert first.body["round"]["status"] == "pending"
        assert first.body["balanceAfterMinor"] is None
        assert not Draw.objects.exists()
        again = s2s.post("/api/s2s/purchase", request)
        assert again.status == 200
        assert again.body["round"]["publicId"] == first.body["round"]["publicId"]
        assert [movement.asked for movement in casino.wallet.movements.values()] == [2]
        bodies = {request.body for request in casino.server.received}
        assert len(bodies) == 1, "a retry sends the exact bytes again"


class TestRefusalsBeforeTheWallet:
    def test_leave_the_action_id_free(self, s2s: SignedClient, boxes: dict[str, int], casino: Casino) -> None:
        request = order(999_999)
        assert s2s.post("/api/s2s/purchase", request).code == "UNKNOWN_BOX"
        assert not WalletCall.objects.exists()
        fixed = request | {"reels": [{"reelIndex": 0, "boxVersionId": boxes["sure-item"]}]}
        assert s2s.post("/api/s2s/purchase", fixed).status == 200

    def test_another_operators_version_is_unknown(
        self, stranger_s2s: SignedClient, stranger: NewOperator, boxes: dict[str, int]
    ) -> None:
        assert stranger_s2s.post("/api/s2s/purchase", order(boxes["harbour"])).code == "UNKNOWN_BOX"
        assert not Round.objects.exists()


class TestManyReels:
    def test_are_one_debit_and_one_nonce(self, s2s: SignedClient, boxes: dict[str, int], casino: Casino) -> None:
        reels = [{"reelIndex": index, "boxVersionId": boxes["harbour"]} for index in (3, 1, 2)]
        bought = buy(s2s, boxes["harbour"], reels=reels)
        assert bought.status == 200
        assert bought.body["round"]["betMinor"] == 1500
        assert [reel["reelIndex"] for reel in bought.body["round"]["reels"]] == [3, 1, 2]
        assert [call["amountMinor"] for call in casino.calls() if call["type"] == "wallet.debit"] == [1500]
        assert set(Draw.objects.values_list("nonce", flat=True)) == {0}


class TestAFreeOpen:
    def test_debits_nothing_and_pays_out(self, s2s: SignedClient, boxes: dict[str, int], casino: Casino) -> None:
        bought = buy(s2s, boxes["sure-cash"], funding="operator")
        assert bought.status == 200
        assert bought.body["round"]["funding"] == "operator"
        assert [call["type"] for call in casino.calls()] == ["wallet.credit"]
        assert casino.wallet.balance("u_1") == 1_000_200


class TestASlowWallet:
    def test_makes_a_duplicate_wait_then_say_so(self, s2s: SignedClient, boxes: dict[str, int], casino: Casino) -> None:
        casino.play(late(casino.wallet.answer, seconds=0.2))
        assert buy(s2s, boxes["sure-item"]).status == 200
