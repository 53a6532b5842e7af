"""What an operator holds a player back with: contract section 3."""

from operators.services import NewOperator
from purchases.models import Round
from tests.api.test_prepay_and_cancel import cancel, open_held
from tests.api.test_purchase import buy
from tests.casino_wallet import Casino
from tests.concurrency.together import together
from tests.invariants import assert_books_agree
from tests.signed import Answer, SignedClient

LIMITS = "/api/s2s/players/u_1/limits"


def cap(s2s: SignedClient, amount: int, *, blocked: bool = False, currency: str = "EUR") -> Answer:
    """Let player u_1 spend so much a day."""
    return s2s.put(LIMITS, {"blocked": blocked, "caps": [{"period": "day", "currency": currency, "amountMinor": amount}]})


class TestABlock:
    def test_refuses_without_a_wallet_call_but_lets_held_boxes_go(
        self, s2s: SignedClient, boxes: dict[str, int], casino: Casino
    ) -> None:
        first, second = (buy(s2s, boxes["sure-item"], mode="prepay").body["round"]["publicId"] for _ in range(2))
        assert s2s.put(LIMITS, {"blocked": True, "caps": []}).body == {"blocked": True, "caps": []}
        refused = buy(s2s, boxes["sure-item"])
        assert (refused.status, refused.code) == (403, "PLAYER_BLOCKED")
        assert refused.body["error"]["moneyMoved"] == "none"
        assert len(casino.calls()) == 2
        assert open_held(s2s, first).status == 200
        assert cancel(s2s, second).status == 200
        s2s.put(LIMITS, {"blocked": False, "caps": []})
        assert buy(s2s, boxes["sure-item"]).status == 200


class TestACap:
    def test_counts_what_was_spent_and_gives_back_what_was_refunded(
        self, acme: NewOperator, s2s: SignedClient, boxes: dict[str, int], casino: Casino
    ) -> None:
        cap(s2s, 1000)
        held = buy(s2s, boxes["sure-item"], mode="prepay").body["round"]["publicId"]
        assert buy(s2s, boxes["sure-item"]).status == 200
        assert buy(s2s, boxes["sure-item"]).code == "PLAYER_BLOCKED"
        assert s2s.get(LIMITS).body["caps"] == [{"period": "day", "currency": "EUR", "amountMinor": 1000, "spentMinor": 1000}]
        assert buy(s2s, boxes["sure-item"], funding="operator").status == 200
        assert cancel(s2s, held).status == 200
        assert buy(s2s, boxes["sure-item"]).status == 200
        assert_books_agree(acme.operator, casino.wallet)

    def test_holds_under_concurrent_purchases(self, s2s: SignedClient, boxes: dict[str, int]) -> None:
        cap(s2s, 1500)
        answers = together(*[lambda: buy(s2s, boxes["sure-item"])] * 12)
        assert sorted(answer.status for answer in answers) == [200] * 3 + [403] * 9
        assert Round.objects.count() == 3

    def test_is_refused_when_it_makes_no_sense(self, s2s: SignedClient) -> None:
        assert cap(s2s, -1).code == "VALIDATION_FAILED"
        assert cap(s2s, 5, currency="USD").code == "UNSUPPORTED_CURRENCY"
        twice = {"period": "day", "currency": "EUR", "amountMinor": 5}
        assert s2s.put(LIMITS, {"blocked": False, "caps": [twice, twice]}).code == "VALIDATION_FAILED"
        assert s2s.get(LIMITS).body == {"blocked": False, "caps": []}

    def test_is_another_operators_own(self, s2s: SignedClient, stranger_s2s: SignedClient) -> None:
        cap(s2s, 5)
        assert stranger_s2s.get(LIMITS).body == {"blocked": False, "caps": []}
