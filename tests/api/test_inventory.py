"""`GET /api/s2s/inventory`, contract section 7, and the expiry of what nobody resolves."""

import datetime as dt
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.models import Item
from operators import services
from operators.services import NewOperator
from tests.api.test_cashout import cash_out, state_of
from tests.api.test_purchase import buy
from tests.casino_wallet import Casino
from tests.factories.vault import won_items
from tests.signed import Answer, SignedClient
from tests.vault_invariants import assert_vault_sound, much_later
from vault import tasks
from vault.models import InventoryItem
from vault.services.expiring import expire_items
from webhooks.models import Event


def inventory(s2s: SignedClient, player: str = "u_1", **query: Any) -> Answer:
    """Ask for a player's items."""
    more = "".join(f"&{name}={quote(str(value))}" for name, value in query.items())
    return s2s.get(f"/api/s2s/inventory?playerExternalId={player}{more}")


def ids(page: Answer) -> list[int]:
    """Return the ids of a page's rows."""
    assert page.status == 200, page.body
    return [row["id"] for row in page.body["items"]]


class TestARow:
    def test_is_shown_field_for_field(self, s2s: SignedClient, boxes: dict[str, int]) -> None:
        bought = buy(s2s, boxes["sure-item"]).body["round"]
        [won] = bought["wonItems"]
        assert inventory(s2s).body == {
            "items": [
                {
                    "id": won["inventoryItemId"],
                    "itemId": won["itemId"],
                    "name": "Brass Compass",
                    "type": "physical",
                    "imageUrl": None,
                    "valueMinor": 480,
                    "currency": "EUR",
                    "state": "unresolved",
                    "cashbackMinor": 120,
                    "shippable": True,
                    "wonAtRoundPublicId": bought["publicId"],
                    "createdAt": bought["settledAt"],
                }
            ],
            "cursor": {"next": None, "prev": None},
        }

    def test_keeps_the_name_as_it_was_won_and_shows_the_picture_of_now(self, s2s: SignedClient, boxes: dict[str, int]) -> None:
        won_items(s2s, boxes["sure-item"])
        Item.objects.update(name={"en": "Renamed"}, image_url="https://cdn.example.com/new.png")
        [row] = inventory(s2s).body["items"]
        assert (row["name"], row["imageUrl"]) == ("Brass Compass", "https://cdn.example.com/new.png")

    def test_has_no_cashback_where_there_is_none(self, acme: NewOperator, s2s: SignedClient, boxes: dict[str, int]) -> None:
        [item] = won_items(s2s, boxes["sure-item"])
        services.change_settings(operator=acme.operator, changes={"cashback": "false"}, at=timezone.now())
        assert inventory(s2s).body["items"][0]["cashbackMinor"] is None
        services.change_settings(operator=acme.operator, changes={"cashback": "true"}, at=timezone.now())
        cash_out(s2s, item)
        [row] = inventory(s2s, state="cashed_back").body["items"]
        assert (row["state"], row["cashbackMinor"], row["shippable"]) == ("cashed_back", None, False)

    @pytest.mark.parametrize("model", [Item, InventoryItem])
    def test_is_shippable_only_when_physical_and_meant_to_be(
        self, s2s: SignedClient, boxes: dict[str, int], model: type[Item] | type[InventoryItem]
    ) -> None:
        won_items(s2s, boxes["sure-item"])
        model.objects.update(**({"shippable": False} if model is Item else {"type": "digital"}))
        assert inventory(s2s).body["items"][0]["shippable"] is False


class TestStates:
    def test_are_a_comma_list_with_unresolved_by_default(self, s2s: SignedClient, boxes: dict[str, int]) -> None:
        cashed, left = won_items(s2s, boxes["sure-item"], 2)
        cash_out(s2s, cashed)
        assert ids(inventory(s2s)) == [left]
        assert ids(inventory(s2s, state="cashed_back")) == [cashed]
        assert ids(inventory(s2s, state="cashed_back,unresolved,ship_requested")) == [left, cashed]

    def test_that_are_unknown_are_ignored(self, s2s: SignedClient, boxes: dict[str, int]) -> None:
        [item] = won_items(s2s, boxes["sure-item"])
        assert ids(inventory(s2s, state="unresolved,melted")) == [item]
        assert ids(inventory(s2s, state="melted")) == []


class TestPages:
    def test_go_newest_first_and_stay_right_while_rows_arrive(self, s2s: SignedClient, boxes: dict[str, int]) -> None:
        old = won_items(s2s, boxes["sure-item"], 5)
        first = inventory(s2s, limit=2)
        assert ids(first) == [old[4], old[3]]
        assert first.body["cursor"]["prev"] is None
        won_items(s2s, boxes["sure-item"])
        second = inventory(s2s, limit=2, cursor=first.body["cursor"]["next"])
        assert ids(second) == [old[2], old[1]]
        third = inventory(s2s, limit=2, cursor=second.body["cursor"]["next"])
        assert ids(third) == [old[0]]
        assert third.body["cursor"]["next"] is None
        assert ids(inventory(s2s, limit=2, cursor=third.body["cursor"]["prev"])) == [old[2], old[1]]

    def test_cost_the_same_however_many_rows_they_have(self, s2s: SignedClient, boxes: dict[str, int]) -> None:
        counts = []
        for _ in range(2):
            won_items(s2s, boxes["sure-item"], 10)
            inventory(s2s, limit=200)
            with CaptureQueriesContext(
                connection,
            ) as queries:
                assert inventory(s2s, limit=200).status == 200
            counts.append(len(queries))
        assert counts[0] == counts[1]

    @pytest.mark.parametrize(
        "query",
        [
            {"limit": 0},
            {"limit": "ten"},
            {"cursor": "nonsense"},
            {"cursor": "eyJ0IjoiMjAyNi0wNi0wM1QxMjowMDowMCswMDowMCIsImkiOiJ4IiwiYiI6ZmFsc2V9"},
            {"state": ""},
        ],
    )
    def test_are_asked_for_properly(self, s2s: SignedClient, query: dict[str, Any]) -> None:
        refused = inventory(s2s, **query)
        assert (refused.status, refused.code) == (422, "VALIDATION_FAILED")

    def test_need_a_player(self, s2s: SignedClient) -> None:
        assert list(s2s.get("/api/s2s/inventory").body["error"]["fields"]) == ["playerExternalId"]


class TestWhose:
    def test_only_the_players_own_of_this_operator(
        self, s2s: SignedClient, stranger_s2s: SignedClient, boxes: dict[str, int]
    ) -> None:
        [item] = won_items(s2s, boxes["sure-item"])
        assert ids(inventory(s2s)) == [item]
        assert ids(inventory(s2s, player="u_2")) == []
        assert ids(inventory(stranger_s2s)) == []


class TestExpiry:
    def test_begins_with_the_operators_setting(self, acme: NewOperator, s2s: SignedClient, boxes: dict[str, int]) -> None:
        [kept] = won_items(s2s, boxes["sure-item"])
        services.change_settings(operator=acme.operator, changes={"itemExpiryDays": "30"}, at=timezone.now())
        [won] = won_items(s2s, boxes["sure-item"])
        item = InventoryItem.objects.get(pk=won)
        assert item.expires_at is not None
        assert item.expires_at - item.created_at == dt.timedelta(days=30)
        assert expire_items(at=item.expires_at - dt.timedelta(seconds=1), limit=10) == 0
        assert expire_items(at=item.expires_at, limit=10) == 1
        assert (state_of(item.pk), state_of(kept)) == (("expired", False), ("unresolved", False))

    def test_is_told_by_an_event(self, acme: NewOperator, s2s: SignedClient, boxes: dict[str, int], casino: Casino) -> None:
        [item] = won_items(s2s, boxes["sure-item"])
        InventoryItem.objects.update(expires_at=timezone.now())
        tasks.expire_items()
        [event] = s2s.get("/api/s2s/events?limit=200").body["items"][-1:]
        assert (event["type"], event["playerExternalId"]) == ("item_expired", "u_1")
        assert event["data"]["item"] == {
            "inventoryItemId": item,
            "itemId": InventoryItem.objects.get(pk=item).item_id,
            "name": "Brass Compass",
            "cashbackMinor": None,
            "currency": "EUR",
            "state": "expired",
        }
        assert_vault_sound(acme.operator, casino)

    def test_takes_some_at_a_time_until_none_is_left(
        self, s2s: SignedClient, boxes: dict[str, int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        won_items(s2s, boxes["sure-item"], 7)
        InventoryItem.objects.update(expires_at=timezone.now())
        assert expire_items(at=much_later(), limit=2) == 2
        monkeypatch.setattr(tasks, "AT_ONCE", 3)
        tasks.expire_items()
        assert set(InventoryItem.objects.values_list("state", flat=True)) == {"expired"}
        assert Event.objects.filter(type="item_expired").count() == 7
