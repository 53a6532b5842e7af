"""Pre-pay, opening a held round, cancel: contract sections 5 and 6."""

from uuid import uuid4

from django.utils import timezone

from operators import services
from operators.services import NewOperator
from tests.api.test_purchase import buy
from tests.casino_wallet import Casino
from tests.faulty_server import answer, reset
from tests.invariants import assert_books_agree, assert_rounds_sound
from tests.signed import Answer, SignedClient


def open_held(s2s: SignedClient, public_id: str, action_id: str | None = None) -> Answer:
    """Open a held round of player u_1."""
    return s2s.post(
        "/api/s2s/purchase",
        {
            "playerExternalId": "u_1",
            "mode": "open",
            "roundPublicId": public_id,
            "clientActionId": action_id or str(uuid4()),
        },
    )


def cancel(s2s: SignedClient, public_id: str, **more: str) -> Answer:
    """Cancel a round of player u_1."""
    return s2s.post("/api/s2s/cancel", {"playerExternalId": "u_1", "roundPublicId": public_id, **more})


class TestAPrepaidBox:
    def test_is_held_then_opened_without_another_debit(
        self, acme: NewOperator, s2s: SignedClient, boxes: dict[str, int], casino: Casino
    ) -> None:
        held = buy(s2s, boxes["sure-item"], mode="prepay")
        assert held.status == 201
        assert held.body["round"]["status"] == "held"
        assert held.body["round"]["boxVersionId"] == boxes["sure-item"]
        public_id = held.body["round"]["publicId"]
        opened = open_held(s2s, public_id, "open-1")
        assert opened.status == 200
        assert opened.body["round"]["status"] == "settled"
        assert opened.body["balanceAfterMinor"] is None
        again = open_held(s2s, public_id, "open-1")
        assert again.body == opened.body
        assert again.headers["Idempotent-Replayed"] == "true"
        assert open_held(s2s, public_id, "open-2").code == "ROUND_NOT_HELD"
        assert len(casino.calls()) == 1
        assert_rounds_sound()
        assert_books_agree(acme.operator, casino.wallet)

    def test_is_not_found_by_another_player_or_operator(
        self, s2s: SignedClient, stranger_s2s: SignedClient, boxes: dict[str, int]
    ) -> None:
        public_id = buy(s2s, boxes["sure-item"], mode="prepay", playerExternalId="u_2").body["round"]["publicId"]
        assert open_held(s2s, public_id).code == "ROUND_NOT_FOUND"
        assert open_held(stranger_s2s, public_id).code == "ROUND_NOT_FOUND"
        assert cancel(stranger_s2s, public_id).code == "ROUND_NOT_FOUND"


class TestACancel:
    def test_gives_back_what_was_debited_once(
        self, acme: NewOperator, s2s: SignedClient, boxes: dict[str, int], casino: Casino
    ) -> None:
        public_id = buy(s2s, boxes["harbour"], mode="prepay").body["round"]["publicId"]
        cancelled = cancel(s2s, public_id)
        assert cancelled.status == 200
        assert cancelled.body == {
            "round": {"publicId": public_id, "status": "refunded", "refundedMinor": 500, "currency": "EUR"},
            "balanceAfterMinor": 1_000_000,
        }
        again = cancel(s2s, public_id)
        assert again.body == cancelled.body
        assert again.headers["Idempotent-Replayed"] == "true"
        assert cancel(s2s, public_id, idempotencyKey="mine").code == "ROUND_NOT_REFUNDABLE"
        assert open_held(s2s, public_id).code == "ROUND_NOT_HELD"
        assert_books_agree(acme.operator, casino.wallet)

    def test_that_is_refused_leaves_the_box_held(self, s2s: SignedClient, boxes: dict[str, int], casino: Casino) -> None:
        public_id = buy(s2s, boxes["sure-item"], mode="prepay").body["round"]["publicId"]
        casino.wallet.refuse = "ACCOUNT_CLOSED"
        refused = cancel(s2s, public_id, idempotencyKey="first")
        assert (refused.status, refused.code) == (422, "ACCOUNT_CLOSED")
        assert refused.body["round"]["status"] == "held"
        casino.wallet.refuse = None
        assert cancel(s2s, public_id, idempotencyKey="first").code == "ACCOUNT_CLOSED"  # the wallet remembers by key
        assert cancel(s2s, public_id, idempotencyKey="second").status == 200

    def test_of_unknown_fate_locks_the_box(
        self, acme: NewOperator, s2s: SignedClient, boxes: dict[str, int], casino: Casino
    ) -> None:
        public_id = buy(s2s, boxes["sure-item"], mode="prepay").body["round"]["publicId"]
        casino.play(casino.wallet.apply_then(reset()))
        unknown = cancel(s2s, public_id)
        assert (unknown.status, unknown.code) == (503, "WALLET_UNAVAILABLE")
        assert unknown.body["error"]["moneyMoved"] == "unknown"
        assert open_held(s2s, public_id).code == "ROUND_NOT_HELD"
        assert cancel(s2s, public_id, idempotencyKey="other").code == "ROUND_NOT_REFUNDABLE"
        assert cancel(s2s, public_id).status == 200
        assert_books_agree(acme.operator, casino.wallet)
        assert_rounds_sound()

    def test_of_an_opened_or_a_free_box_is_refused(self, s2s: SignedClient, boxes: dict[str, int]) -> None:
        opened = buy(s2s, boxes["sure-item"]).body["round"]["publicId"]
        free = buy(s2s, boxes["sure-item"], mode="prepay", funding="operator").body["round"]["publicId"]
        assert cancel(s2s, opened).code == "ROUND_NOT_REFUNDABLE"
        assert cancel(s2s, free).code == "ROUND_NOT_REFUNDABLE"
        assert cancel(s2s, "r_nothing").code == "ROUND_NOT_FOUND"

    def test_follows_the_operators_policy(self, acme: NewOperator, s2s: SignedClient, boxes: dict[str, int]) -> None:
        public_id = buy(s2s, boxes["sure-item"], mode="prepay").body["round"]["publicId"]
        services.change_settings(operator=acme.operator, changes={"refunds": "false"}, at=timezone.now())
        assert cancel(s2s, public_id).code == "REFUND_NOT_ALLOWED"

    def test_key_that_stands_for_another_movement_is_a_conflict(
        self, s2s: SignedClient, boxes: dict[str, int], casino: Casino
    ) -> None:
        first, second = (buy(s2s, boxes["sure-item"], mode="prepay").body["round"]["publicId"] for _ in range(2))
        assert cancel(s2s, first, idempotencyKey="mine").status == 200
        assert cancel(s2s, second, idempotencyKey="mine").code == "IDEMPOTENCY_CONFLICT"
        assert open_held(s2s, second).status == 200


class TestAFailedPayout:
    def test_leaves_the_round_settled_and_the_money_owed(
        self, acme: NewOperator, s2s: SignedClient, boxes: dict[str, int], casino: Casino
    ) -> None:
        casino.play(casino.wallet.answer, answer(b"", status=500))
        bought = buy(s2s, boxes["sure-cash"])
        assert bought.status == 200
        assert bought.body["balanceAfterMinor"] == 999_500
        shown = s2s.get(f"/api/s2s/rounds/{bought.body['round']['publicId']}").body["round"]
        assert [(call["type"], call["state"]) for call in shown["walletCalls"]] == [
            ("wallet.debit", "accepted"),
            ("wallet.credit", "unknown"),
        ]
        assert_books_agree(acme.operator, casino.wallet)
