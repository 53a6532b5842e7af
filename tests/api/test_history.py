"""`GET /api/s2s/history`, contract section 7: it adds up to what the wallet moved."""

from operators.services import NewOperator
from tests.api.test_prepay_and_cancel import cancel, open_held
from tests.api.test_purchase import buy
from tests.casino_wallet import Casino
from tests.signed import SignedClient

HISTORY = "/api/s2s/history?playerExternalId=u_1"


class TestHistory:
    def test_adds_up_to_what_the_wallet_moved(
        self, acme: NewOperator, s2s: SignedClient, boxes: dict[str, int], casino: Casino
    ) -> None:
        buy(s2s, boxes["sure-cash"])
        buy(s2s, boxes["sure-item"], funding="operator")
        opened = buy(s2s, boxes["sure-cash"], mode="prepay").body["round"]["publicId"]
        open_held(s2s, opened)
        cancel(s2s, buy(s2s, boxes["sure-item"], mode="prepay").body["round"]["publicId"])
        buy(s2s, boxes["sure-item"], mode="prepay")
        casino.wallet.refuse = "INSUFFICIENT_FUNDS"
        buy(s2s, boxes["sure-item"])
        rows = s2s.get(HISTORY).body["items"]
        assert [(row["type"], row["status"], row["amountMinor"], row.get("creditedMinor")) for row in rows] == [
            ("open", "voided", 0, None),
            ("purchase", "held", -500, None),
            ("refund", "completed", 500, None),
            ("purchase", "refunded", -500, None),
            ("open", "settled", 0, 200),
            ("purchase", "settled", -500, None),
            ("open", "settled", 0, 0),
            ("open", "settled", -500, 200),
        ]
        moved = sum(row["amountMinor"] + (row.get("creditedMinor") or 0) for row in rows)
        assert moved == casino.wallet.balance("u_1") - casino.wallet.opening_minor

    def test_pages_both_ways_while_rows_arrive(self, s2s: SignedClient, boxes: dict[str, int]) -> None:
        for _ in range(5):
            buy(s2s, boxes["sure-item"])
        newest_first = [row["id"] for row in s2s.get(HISTORY).body["items"]]
        first = s2s.get(f"{HISTORY}&limit=2").body
        assert first["cursor"]["prev"] is None
        buy(s2s, boxes["sure-item"])
        second = s2s.get(f"{HISTORY}&limit=2&cursor={first['cursor']['next']}").body
        third = s2s.get(f"{HISTORY}&limit=2&cursor={second['cursor']['next']}").body
        assert [row["id"] for page in (first, second, third) for row in page["items"]] == newest_first
        assert third["cursor"]["next"] is None
        back = s2s.get(f"{HISTORY}&limit=2&cursor={third['cursor']['prev']}").body
        assert [row["id"] for row in back["items"]] == newest_first[2:4]

    def test_filters_by_type_and_time(self, s2s: SignedClient, boxes: dict[str, int]) -> None:
        buy(s2s, boxes["sure-item"])
        buy(s2s, boxes["sure-item"], mode="prepay")
        [row] = s2s.get(f"{HISTORY}&types=purchase").body["items"]
        assert row["type"] == "purchase"
        at = row["occurredAt"]
        assert len(s2s.get(f"{HISTORY}&to={at}").body["items"]) == 2
        assert s2s.get(f"{HISTORY}&to=2020-01-01T00:00:00Z").body["items"] == []
        assert s2s.get(f"{HISTORY}&types=gift").code == "VALIDATION_FAILED"
        assert s2s.get(f"{HISTORY}&from=yesterday").code == "VALIDATION_FAILED"
        assert s2s.get("/api/s2s/history").code == "VALIDATION_FAILED"

    def test_shows_nothing_of_another_operators_player(
        self, s2s: SignedClient, stranger_s2s: SignedClient, boxes: dict[str, int]
    ) -> None:
        buy(s2s, boxes["sure-item"])
        assert stranger_s2s.get(HISTORY).body == {"items": [], "cursor": {"next": None, "prev": None}}
