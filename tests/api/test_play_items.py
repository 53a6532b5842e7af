"""Won items and orders in a session, contract sections 6 to 8."""

from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from operators.services import NewOperator, change_settings
from tests.casino_wallet import Casino
from tests.player import PlayClient, enter
from tests.signed import SignedClient
from vault.models import InventoryItem, ShippingOrder

PARCEL = {
    "address": {
        "name": "Ada Lovelace",
        "line1": "12 St James's Square",
        "city": "London",
        "region": "Greater London",
        "postalCode": "SW1Y 4JH",
        "country": "GB",
    },
    "contact": {"email": "ada@example.com"},
}


@pytest.fixture
def player(s2s: SignedClient, boxes: dict[str, int]) -> PlayClient:
    """Return a player."""
    return enter(s2s, balanceMinor=1_000_000)


@pytest.fixture
def won(player: PlayClient, boxes: dict[str, int]) -> dict[str, Any]:
    """Return a compass that the player won, as the round shows it."""
    reels = [{"reelIndex": 0, "boxVersionId": boxes["sure-item"]}]
    bought = player.post("rounds/open", {"clientActionId": str(uuid4()), "reels": reels})
    item: dict[str, Any] = bought.body["round"]["wonItems"][0]
    return item


class TestInventory:
    def test_is_the_signed_surfaces_own(self, player: PlayClient, s2s: SignedClient, won: dict[str, Any]) -> None:
        shown = player.get("inventory")
        assert shown.status == 200
        assert [item["id"] for item in shown.body["items"]] == [won["inventoryItemId"]]
        assert shown.body == s2s.get("/api/s2s/inventory?playerExternalId=u_1").body
        assert player.get("inventory?state=cashed_back").body["items"] == []

    def test_is_the_players_own(self, s2s: SignedClient, won: dict[str, Any]) -> None:
        other = enter(s2s, playerExternalId="u_2")
        assert other.get("inventory?playerExternalId=u_1").body["items"] == []
        assert other.get("inventory?cursor=x").code == "VALIDATION_FAILED"


class TestCashback:
    def test_credits_the_item_once(self, player: PlayClient, won: dict[str, Any], casino: Casino) -> None:
        before = casino.wallet.balance("u_1")
        first, again = (player.post(f"inventory/{won['inventoryItemId']}/cashback") for _ in range(2))
        assert first.status == 200
        assert first.body == {
            "item": {
                "inventoryItemId": won["inventoryItemId"],
                "state": "cashed_back",
                "cashbackMinor": 120,
                "currency": "EUR",
            },
            "balanceAfterMinor": before + 120,
        }
        assert (again.body, again.headers["Idempotent-Replayed"]) == (first.body, "true")
        assert casino.wallet.balance("u_1") == before + 120

    def test_is_for_the_players_own_items(self, s2s: SignedClient, won: dict[str, Any], casino: Casino) -> None:
        other = enter(s2s, playerExternalId="u_2", balanceMinor=0)
        for item_id in (won["inventoryItemId"], 2**62):
            refused = other.post(f"inventory/{item_id}/cashback", {"playerExternalId": "u_1"})
            assert (refused.status, refused.code) == (404, "INVENTORY_ITEM_NOT_FOUND")
            assert refused.body["error"]["moneyMoved"] == "none"
        assert InventoryItem.objects.get().state == "unresolved"

    def test_takes_a_key_of_the_players_own_but_none_of_the_platforms(
        self, player: PlayClient, won: dict[str, Any], casino: Casino
    ) -> None:
        path = f"inventory/{won['inventoryItemId']}/cashback"
        refused = player.post(path, {"idempotencyKey": f"cashback:inventory:{won['inventoryItemId'] + 1}"})
        assert (refused.code, list(refused.body["error"]["fields"])) == ("VALIDATION_FAILED", ["idempotencyKey"])
        assert player.post(path, {"idempotencyKey": "click-1"}).status == 200
        assert casino.calls()[-1]["idempotencyKey"] == "click-1"


class TestOrders:
    def test_are_made_listed_and_found(self, player: PlayClient, s2s: SignedClient, won: dict[str, Any]) -> None:
        made = player.post("shipping/orders", PARCEL | {"inventoryItemIds": [won["inventoryItemId"]]})
        assert (made.status, made.body["order"]["status"], made.body["balanceAfterMinor"]) == (201, "pending", None)
        order = made.body["order"]
        assert player.get("shipping/orders").body["items"] == [order]
        assert player.get(f"shipping/orders/{order['publicId']}").body == {"order": order}
        other = enter(s2s, playerExternalId="u_2")
        assert other.get("shipping/orders").body["items"] == []
        assert other.get(f"shipping/orders/{order['publicId']}").code == "ORDER_NOT_FOUND"

    def test_say_what_money_moved_where_any_could(self, player: PlayClient) -> None:
        listing, ordering = player.get("shipping/orders?cursor=x"), player.post("shipping/orders", {})
        assert (listing.code, ordering.code) == ("VALIDATION_FAILED", "VALIDATION_FAILED")
        assert "moneyMoved" not in listing.body["error"]
        assert ordering.body["error"]["moneyMoved"] == "none"

    def test_charge_the_player_for_shipping(
        self, player: PlayClient, acme: NewOperator, won: dict[str, Any], casino: Casino
    ) -> None:
        change_settings(operator=acme.operator, changes={"shippingCostMinor": "700"}, at=timezone.now())
        before = casino.wallet.balance("u_1")
        made = player.post("shipping/orders", PARCEL | {"inventoryItemIds": [won["inventoryItemId"]]})
        assert made.status == 201
        assert made.body["order"]["shippingCostMinor"] == 700
        assert made.body["balanceAfterMinor"] == casino.wallet.balance("u_1") == before - 700

    def test_are_not_made_where_the_wallet_refuses(
        self, player: PlayClient, acme: NewOperator, won: dict[str, Any], casino: Casino
    ) -> None:
        change_settings(operator=acme.operator, changes={"shippingCostMinor": "700"}, at=timezone.now())
        casino.wallet.refuse = "INSUFFICIENT_FUNDS"
        refused = player.post("shipping/orders", PARCEL | {"inventoryItemIds": [won["inventoryItemId"]]})
        assert (refused.status, refused.code) == (422, "INSUFFICIENT_FUNDS")
        assert player.get("shipping/orders").body["items"] == []
        assert InventoryItem.objects.get().state == "unresolved"

    def test_are_not_made_of_another_players_items(self, s2s: SignedClient, won: dict[str, Any]) -> None:
        other = enter(s2s, playerExternalId="u_2")
        refused = other.post("shipping/orders", PARCEL | {"inventoryItemIds": [won["inventoryItemId"]]})
        assert (refused.status, refused.code) == (404, "INVENTORY_ITEM_NOT_FOUND")
        assert not ShippingOrder.objects.exists()
