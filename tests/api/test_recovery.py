"""What recovery does with money that nobody retried: contract section 5, `manage.py recover --once`."""

import datetime as dt
import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone
from pytest_django import Settings

from operators import services
from operators.services import NewOperator
from purchases.models import Draw, Round
from tests.api.test_prepay_and_cancel import cancel, open_held
from tests.api.test_purchase import buy, order
from tests.casino_wallet import Casino
from tests.faulty_server import Act, answer, never, reset
from tests.invariants import assert_books_agree, assert_rounds_sound
from tests.signed import SignedClient


@pytest.fixture(autouse=True)
def at_once(settings: Settings) -> None:
    """Make everything due at once."""
    settings.LOOTBOX_ABANDON_AFTER_S = 0.001
    settings.LOOTBOX_RECOVERY_STEPS_S = [0.001]
    settings.LOOTBOX_WALLET_TIMEOUT_S = 0.5


def recover() -> dict[str, int]:
    """Return what one pass took up."""
    printed = StringIO()
    call_command("recover", "--once", "--json", stdout=printed)
    taken: dict[str, int] = json.loads(printed.getvalue())
    return taken


def status(s2s: SignedClient, public_id: str) -> str:
    """Return the round's status."""
    shown: str = s2s.get(f"/api/s2s/rounds/{public_id}").body["round"]["status"]
    return shown


class TestAWalletThatWasAwayForADay:
    def test_is_asked_within_ten_minutes_of_its_return(
        self, s2s: SignedClient, boxes: dict[str, int], casino: Casino, settings: Settings
    ) -> None:
        """Catalogue 37: until then the waits grow to a day, and stay so while it answers nothing."""
        settings.LOOTBOX_RECOVERY_STEPS_S = [86400]
        casino.server.play(answer(b"", status=500))
        buy(s2s, boxes["sure-item"])
        for _ in range(2):
            recover()
            [waiting] = Round.objects.filter(state="undoing")
            assert waiting.recover_at is not None
            assert waiting.recover_at > timezone.now() + dt.timedelta(hours=19)
        casino.play()
        assert buy(s2s, boxes["sure-item"]).status == 200
        recover()
        waiting.refresh_from_db()
        assert waiting.recover_at is not None
        assert waiting.recover_at < timezone.now() + dt.timedelta(minutes=11)


class TestAnAbandonedPurchase:
    @pytest.mark.parametrize("fault", [reset(), answer(b"{}", status=502), never()])
    def test_that_was_debited_is_refunded_and_voided(
        self, acme: NewOperator, s2s: SignedClient, boxes: dict[str, int], casino: Casino, fault: Act
    ) -> None:
        casino.play(casino.wallet.apply_then(fault))
        request = order(boxes["harbour"])
        pending = s2s.post("/api/s2s/purchase", request)
        public_id = pending.body["round"]["publicId"]
        assert recover()["rounds"] == 1
        assert status(s2s, public_id) == "voided"
        assert casino.wallet.balance("u_1") == 1_000_000
        assert f"refund:round:{public_id}" in casino.wallet.movements
        again = s2s.post("/api/s2s/purchase", request)
        assert (again.status, again.code) == (503, "WALLET_UNAVAILABLE")
        assert again.body["round"]["status"] == "voided"
        assert (again.body["error"]["moneyMoved"], again.body["error"]["retryable"]) == ("none", False)
        assert not Draw.objects.exists()
        assert_books_agree(acme.operator, casino.wallet)
        assert_rounds_sound()
        rows = s2s.get("/api/s2s/history?playerExternalId=u_1").body["items"]
        assert [(row["type"], row["status"], row["amountMinor"]) for row in rows] == [
            ("refund", "completed", 500),
            ("open", "voided", -500),
        ]

    def test_that_was_not_debited_is_never_refunded_blindly(
        self, acme: NewOperator, s2s: SignedClient, boxes: dict[str, int], casino: Casino
    ) -> None:
        casino.wallet.opening_minor = 0
        casino.play(answer(b"{}", status=500))
        public_id = buy(s2s, boxes["harbour"]).body["round"]["publicId"]
        recover()
        assert status(s2s, public_id) == "voided"
        assert [call["type"] for call in casino.calls()] == ["wallet.debit", "wallet.debit"]
        assert_books_agree(acme.operator, casino.wallet)
        [row] = s2s.get("/api/s2s/history?playerExternalId=u_1").body["items"]
        assert (row["status"], row["amountMinor"]) == ("voided", 0)

    def test_stays_pending_while_the_wallet_says_nothing(
        self, s2s: SignedClient, boxes: dict[str, int], casino: Casino
    ) -> None:
        casino.server.play(answer(b"{}", status=500))
        request = order(boxes["harbour"])
        public_id = s2s.post("/api/s2s/purchase", request).body["round"]["publicId"]
        recover()
        assert status(s2s, public_id) == "pending"
        casino.play()
        again = s2s.post("/api/s2s/purchase", request)
        assert (again.status, again.body["round"]["status"]) == (503, "pending")
        assert not Draw.objects.exists(), "the door is one-way: nothing draws it any more"
        recover()
        assert status(s2s, public_id) == "voided"

    def test_whose_debit_never_left_is_voided_without_a_call(
        self, acme: NewOperator, s2s: SignedClient, boxes: dict[str, int], casino: Casino
    ) -> None:
        services.change_settings(operator=acme.operator, changes={"walletUrl": "http://127.0.0.1:1/wallet"}, at=timezone.now())
        pending = buy(s2s, boxes["harbour"])
        assert pending.body["error"]["moneyMoved"] == "none"
        services.change_settings(operator=acme.operator, changes={"walletUrl": casino.url}, at=timezone.now())
        recover()
        assert status(s2s, pending.body["round"]["publicId"]) == "voided"
        assert casino.calls() == []

    def test_is_rolled_back_where_the_wallet_can(
        self, acme: NewOperator, s2s: SignedClient, boxes: dict[str, int], casino: Casino
    ) -> None:
        services.change_settings(operator=acme.operator, changes={"walletRollback": "true"}, at=timezone.now())
        casino.play(casino.wallet.apply_then(reset()))
        public_id = buy(s2s, boxes["harbour"]).body["round"]["publicId"]
        recover()
        assert status(s2s, public_id) == "voided"
        sent = casino.calls()[-1]
        assert (sent["type"], sent["rollbackOf"]) == ("wallet.rollback", f"round:{public_id}")
        assert sent["idempotencyKey"] == f"rollback:round:{public_id}"
        assert sent["reference"]["reason"] == "rollback"
        assert casino.wallet.balance("u_1") == 1_000_000
        assert_books_agree(acme.operator, casino.wallet)
        [row] = s2s.get("/api/s2s/history?playerExternalId=u_1").body["items"]
        assert (row["status"], row["amountMinor"]) == ("voided", 0)


class TestAnOwedPayout:
    def test_is_asked_for_until_it_lands_even_when_refused(
        self, acme: NewOperator, s2s: SignedClient, boxes: dict[str, int], casino: Casino
    ) -> None:
        refusal = answer(b'{"accepted": false, "errorCode": "LIMIT"}')
        casino.play(casino.wallet.answer, answer(b"", status=500), refusal)
        public_id = buy(s2s, boxes["sure-cash"]).body["round"]["publicId"]
        recover()
        [_, payout] = s2s.get(f"/api/s2s/rounds/{public_id}").body["round"]["walletCalls"]
        assert payout["state"] in {"pending", "accepted"}
        recover()
        [_, payout] = s2s.get(f"/api/s2s/rounds/{public_id}").body["round"]["walletCalls"]
        assert payout["state"] == "accepted"
        assert casino.wallet.balance("u_1") == 1_000_000 - 500 + 200
        assert_books_agree(acme.operator, casino.wallet)


class TestALostRefund:
    def test_is_ended_by_recovery(self, acme: NewOperator, s2s: SignedClient, boxes: dict[str, int], casino: Casino) -> None:
        public_id = buy(s2s, boxes["sure-item"], mode="prepay").body["round"]["publicId"]
        casino.play(casino.wallet.apply_then(reset()))
        assert cancel(s2s, public_id).status == 503
        recover()
        assert status(s2s, public_id) == "refunded"
        assert open_held(s2s, public_id).code == "ROUND_NOT_HELD"
        assert_books_agree(acme.operator, casino.wallet)
