"""A purchase goes by the operator as the process knows it: what was changed since holds all the same, from the next one on."""

import dataclasses
from collections.abc import Callable

import pytest
from django.utils import timezone

from operators import services
from operators.models import Operator
from operators.services import NewOperator
from purchases import lately, statements
from purchases.models import Round
from tests.api.test_purchase import order
from tests.casino_wallet import Casino
from tests.signed import SignedClient


@pytest.fixture
def known(s2s: SignedClient, boxes: dict[str, int]) -> SignedClient:
    """Return Acme's backend, whose key and operator the process has read and keeps."""
    assert s2s.post("/api/s2s/purchase", order(boxes["sure-item"])).status == 200
    return s2s


class TestAPurchaseAfterAChange:
    def test_is_refused_by_a_revoked_key(
        self, acme: NewOperator, known: SignedClient, boxes: dict[str, int], casino: Casino
    ) -> None:
        services.revoke_key(key_id=acme.key.key_id, at=timezone.now())
        assert known.post("/api/s2s/purchase", order(boxes["sure-item"])).code == "INVALID_SIGNATURE"
        assert known.post("/api/s2s/purchase", {}).code == "INVALID_SIGNATURE"
        assert Round.objects.count() == 1
        assert len(casino.wallet.movements) == 1

    def test_is_refused_by_a_suspended_operator_and_taken_again_after(
        self, acme: NewOperator, known: SignedClient, boxes: dict[str, int]
    ) -> None:
        services.change_settings(operator=acme.operator, changes={}, suspended=True, at=timezone.now())
        again = order(boxes["sure-item"])
        assert known.post("/api/s2s/purchase", again).code == "TENANT_SUSPENDED"
        assert Round.objects.count() == 1
        services.change_settings(operator=acme.operator, changes={}, suspended=False, at=timezone.now())
        assert known.post("/api/s2s/purchase", again).status == 200

    def test_is_read_by_the_new_settings(self, acme: NewOperator, known: SignedClient, boxes: dict[str, int]) -> None:
        reels = [{"reelIndex": index, "boxVersionId": boxes["sure-item"]} for index in range(11)]
        asked = order(boxes["sure-item"], reels=reels)
        assert known.post("/api/s2s/purchase", asked).code == "VALIDATION_FAILED"
        services.change_settings(operator=acme.operator, changes={"maxReels": "11"}, at=timezone.now())
        assert known.post("/api/s2s/purchase", asked).status == 200

    def test_is_not_refused_for_a_wallet_that_is_there_by_now(
        self, acme: NewOperator, known: SignedClient, boxes: dict[str, int], casino: Casino
    ) -> None:
        services.change_settings(operator=acme.operator, changes={"walletUrl": ""}, at=timezone.now())
        asked = order(boxes["sure-item"])
        assert known.post("/api/s2s/purchase", asked).code == "WALLET_UNAVAILABLE"
        services.change_settings(operator=acme.operator, changes={"walletUrl": casino.url}, at=timezone.now())
        assert known.post("/api/s2s/purchase", asked).status == 200

    def test_replays_to_nobody_who_may_not_come_in_any_more(
        self, acme: NewOperator, known: SignedClient, boxes: dict[str, int]
    ) -> None:
        asked = order(boxes["sure-item"])
        assert known.post("/api/s2s/purchase", asked).status == 200
        services.revoke_key(key_id=acme.key.key_id, at=timezone.now())
        assert known.post("/api/s2s/purchase", asked).code == "INVALID_SIGNATURE"


class TestAChangeThatNeverEnds:
    def test_is_answered_by_asking_for_patience(
        self, monkeypatch: pytest.MonkeyPatch, acme: NewOperator, known: SignedClient, boxes: dict[str, int], casino: Casino
    ) -> None:
        claim: Callable[..., object] = statements.claim

        def late(*, new: statements.NewRound, within_caps: bool = False) -> object:
            Operator.objects.filter(pk=acme.operator.pk).update(name="Renamed")
            return claim(new=dataclasses.replace(new), within_caps=within_caps)

        monkeypatch.setattr(statements, "claim", late)
        refused = known.post("/api/s2s/purchase", order(boxes["sure-item"]))
        assert (refused.status, refused.code) == (409, "ACTION_IN_PROGRESS")
        assert refused.body["error"]["moneyMoved"] == "none"
        assert Round.objects.count() == 1
        assert len(casino.wallet.movements) == 1


class TestARetry:
    @pytest.mark.parametrize("where", ["where the first call was", "elsewhere"])
    def test_is_answered_alike_by_every_process(
        self, monkeypatch: pytest.MonkeyPatch, known: SignedClient, boxes: dict[str, int], casino: Casino, where: str
    ) -> None:
        asked = order(boxes["sure-item"])
        first = known.post("/api/s2s/purchase", asked)
        if where == "elsewhere":
            monkeypatch.setattr(lately, "is_retry", lambda _: False)
        again = known.post("/api/s2s/purchase", asked)
        assert (again.status, again.body) == (200, first.body)
        assert again.headers["Idempotent-Replayed"] == "true"
        assert known.post("/api/s2s/purchase", asked | {"mode": "prepay"}).code == "IDEMPOTENCY_CONFLICT"
        assert Round.objects.count() == 2
        assert len(casino.wallet.movements) == 2
