"""`GET /api/s2s/ledger` (contract section 7): every movement, once, in the order of gapless numbers."""

from collections import Counter
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from catalog import rates
from operators import services
from operators.services import NewOperator
from tests.api.test_cashout import cash_out
from tests.api.test_prepay_and_cancel import cancel
from tests.api.test_purchase import buy, order
from tests.api.test_recovery import recover
from tests.casino_wallet import Casino
from tests.factories.operators import PlayerFactory
from tests.factories.vault import won_items
from tests.factories.wallet import MovementFactory
from tests.faulty_server import reset
from tests.invariants import their_ledger
from tests.signed import SignedClient
from wallet.models import WalletCall


@pytest.fixture(autouse=True)
def at_once(settings: Settings) -> None:
    """Have recovery undo at once what nobody retries."""
    settings.LOOTBOX_ABANDON_AFTER_S = 0.001


PATH = "/api/s2s/ledger"


def read_on(s2s: SignedClient, *, limit: int = 200) -> list[dict[str, Any]]:
    """Return the whole ledger, page after page, as a data team reads it."""
    rows: list[dict[str, Any]] = []
    after = 0
    while True:
        answer = s2s.get(f"{PATH}?after={after}&limit={limit}")
        assert answer.status == 200
        rows += answer.body["items"]
        if answer.body["cursor"]["next"] is None:
            return rows
        after = answer.body["cursor"]["next"]


def moved(rows: list[dict[str, Any]]) -> Counter[tuple[str, str]]:
    """Return what the ledger did to each player and currency."""
    sums: Counter[tuple[str, str]] = Counter()
    for row in rows:
        sums[row["playerExternalId"], row["currency"]] += row["amountMinor"]
    return sums


class TestAMovement:
    def test_is_shown_field_for_field(self, s2s: SignedClient, boxes: dict[str, int], casino: Casino) -> None:
        round_id = buy(s2s, boxes["sure-cash"]).body["round"]["publicId"]
        debit, payout = s2s.get(PATH).body["items"]
        assert debit == {
            "sequence": 1,
            "id": debit["id"],
            "type": "wallet.debit",
            "reason": "purchase",
            "idempotencyKey": f"round:{round_id}",
            "amountMinor": -500,
            "currency": "EUR",
            "baseAmountMinor": -500,
            "baseCurrency": "EUR",
            "playerExternalId": "u_1",
            "roundPublicId": round_id,
            "inventoryItemId": None,
            "orderPublicId": None,
            "providerTxnRef": "w-1",
            "balanceAfterMinor": 999_500,
            "occurredAt": debit["occurredAt"],
        }
        assert debit["id"].startswith("txn_")
        assert debit["occurredAt"].endswith("Z")
        own = {"sequence": 2, "id": payout["id"], "type": "wallet.credit", "reason": "payout", "amountMinor": 200}
        assert own.items() <= payout.items()

    def test_says_what_it_was_for_and_keeps_its_id_in_the_history(self, s2s: SignedClient, boxes: dict[str, int]) -> None:
        [item] = won_items(s2s, boxes["sure-item"])
        cash_out(s2s, item)
        cashback = s2s.get(PATH).body["items"][-1]
        assert (cashback["reason"], cashback["inventoryItemId"], cashback["amountMinor"]) == ("cashback", item, 120)
        history = s2s.get("/api/s2s/history?playerExternalId=u_1&types=cashback").body["items"]
        assert [row["id"] for row in history] == [cashback["id"]]

    def test_in_another_currency_carries_the_base_amount_at_its_frozen_rate(
        self, acme: NewOperator, s2s: SignedClient, boxes: dict[str, int]
    ) -> None:
        services.change_settings(operator=acme.operator, changes={"currencies": "EUR,SEK"}, at=timezone.now())
        rates.set_rate(base="EUR", quote="SEK", rate="11.5", source="test", at=timezone.now())
        s2s.get("/api/s2s/boxes?currency=SEK")
        buy(s2s, boxes["sure-item"], currency="SEK")
        rates.set_rate(base="EUR", quote="SEK", rate="20", source="test", at=timezone.now())
        [debit] = read_on(s2s)
        assert (debit["amountMinor"], debit["currency"]) == (-5750, "SEK")
        assert (debit["baseAmountMinor"], debit["baseCurrency"]) == (-500, "EUR")


class TestTheLedger:
    def test_adds_up_to_what_the_wallet_moved(
        self, acme: NewOperator, s2s: SignedClient, boxes: dict[str, int], casino: Casino
    ) -> None:
        buy(s2s, boxes["sure-cash"])
        cancel(s2s, buy(s2s, boxes["harbour"], mode="prepay").body["round"]["publicId"])
        cash_out(s2s, won_items(s2s, boxes["sure-item"], player="u_2")[0], player="u_2")
        casino.play(casino.wallet.apply_then(reset()))
        s2s.post("/api/s2s/purchase", order(boxes["harbour"]))  # taken, unanswered, then given back by recovery
        recover()
        casino.wallet.refuse = "LIMIT"
        buy(s2s, boxes["harbour"])
        rows = read_on(s2s)
        assert moved(rows) == their_ledger(casino.wallet)
        assert [row["reason"] for row in rows].count("refund") == 2
        assert [row["sequence"] for row in rows] == list(range(1, len(rows) + 1))

    def test_never_shows_a_debit_of_unknown_fate_that_was_rolled_back(
        self, acme: NewOperator, s2s: SignedClient, boxes: dict[str, int], casino: Casino
    ) -> None:
        services.change_settings(operator=acme.operator, changes={"walletRollback": "true"}, at=timezone.now())
        for fault in (casino.wallet.apply_then(reset()), reset()):
            casino.play(fault)
            buy(s2s, boxes["harbour"])
            assert recover()["rounds"] == 1
        assert [call.state for call in WalletCall.objects.filter(reason="rollback")] == ["accepted", "accepted"]
        assert read_on(s2s) == []
        assert casino.wallet.balance("u_1") == 1_000_000

    def test_goes_on_after_any_number_and_ends_with_null(self, acme: NewOperator, s2s: SignedClient) -> None:
        player = PlayerFactory.create(operator=acme.operator)
        MovementFactory.create_batch(5, operator=acme.operator, player=player)
        first = s2s.get(f"{PATH}?limit=2")
        assert ([row["sequence"] for row in first.body["items"]], first.body["cursor"]) == ([1, 2], {"next": 2})
        last = s2s.get(f"{PATH}?after=3&limit=2")
        assert ([row["sequence"] for row in last.body["items"]], last.body["cursor"]) == ([4, 5], {"next": None})
        assert s2s.get(f"{PATH}?after=5").body == {"items": [], "cursor": {"next": None}}
        MovementFactory.create(operator=acme.operator, player=player)
        assert [row["sequence"] for row in s2s.get(f"{PATH}?after=5").body["items"]] == [6]
        assert [row["sequence"] for row in read_on(s2s, limit=4)] == [1, 2, 3, 4, 5, 6]

    def test_has_50_a_page_and_200_at_most(self, acme: NewOperator, s2s: SignedClient) -> None:
        player = PlayerFactory.create(operator=acme.operator)
        WalletCall.objects.bulk_create(MovementFactory.build_batch(201, operator=acme.operator, player=player))
        assert len(s2s.get(PATH).body["items"]) == 50
        assert len(s2s.get(f"{PATH}?limit=1000").body["items"]) == 200

    @pytest.mark.parametrize("after", ["-1", "x", "1.0", "", "%00", "1" * 17])
    def test_refuses_an_after_that_is_no_number(self, s2s: SignedClient, after: str) -> None:
        answer = s2s.get(f"{PATH}?after={after}")
        assert (answer.status, answer.code) == (422, "VALIDATION_FAILED")
        assert list(answer.body["error"]["fields"]) == ["after"]

    def test_is_each_operators_own(
        self, acme: NewOperator, stranger: NewOperator, s2s: SignedClient, stranger_s2s: SignedClient
    ) -> None:
        MovementFactory.create(operator=acme.operator)
        MovementFactory.create(operator=stranger.operator, amount_minor=7)
        assert [(row["sequence"], row["amountMinor"]) for row in read_on(s2s)] == [(1, 100)]
        assert [(row["sequence"], row["amountMinor"]) for row in read_on(stranger_s2s)] == [(1, 7)]

    def test_is_only_read(self, s2s: SignedClient) -> None:
        assert s2s.post(PATH, {}).code == "METHOD_NOT_ALLOWED"
