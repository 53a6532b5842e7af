"""`/api/s2s/shipping/orders`, contract section 7: parcels of won items, all or nothing."""

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import IntegrityError
from django.utils import timezone

from catalog import rates
from catalog.models import Item
from lootbox.core.ids import new_id
from operators import services
from operators.services import NewOperator
from tests.api.test_cashout import at_once, cash_out, meet_after_reading, state_of
from tests.casino_wallet import Casino
from tests.factories.vault import won_items
from tests.faulty_server import reset
from tests.signed import Answer, SignedClient
from tests.vault_invariants import assert_vault_sound
from vault import serializers
from vault.models import InventoryItem, OrderItem, OrderStatus, ShippingOrder
from vault.services import ordering
from vault.services.ordering import StatusNotAllowed, advance_order
from webhooks.models import Event

ADDRESS = {
    "name": "Ada Lovelace",
    "line1": "12 St James's Square",
    "city": "London",
    "region": "Greater London",
    "postalCode": "SW1Y 4JH",
    "country": "GB",
}


@pytest.fixture(autouse=True)
def _sound(acme: NewOperator, casino: Casino) -> Iterator[None]:
    yield
    assert_vault_sound(acme.operator, casino)


@pytest.fixture
def items(s2s: SignedClient, boxes: dict[str, int]) -> list[int]:
    """Return three items that player u_1 won."""
    return won_items(s2s, boxes["sure-item"], 3)


def order(s2s: SignedClient, items: list[int], **changes: Any) -> Answer:
    """Order items of player u_1."""
    request = {
        "playerExternalId": "u_1",
        "inventoryItemIds": items,
        "address": ADDRESS,
        "contact": {"email": "ada@example.com"},
    }
    return s2s.post("/api/s2s/shipping/orders", request | changes)


def orders(s2s: SignedClient, player: str = "u_1", more: str = "") -> list[dict[str, Any]]:
    """Return the player's orders."""
    listed: list[dict[str, Any]] = s2s.get(f"/api/s2s/shipping/orders?playerExternalId={player}{more}").body["items"]
    return listed


def notices() -> list[str]:
    """Return the kinds of events about orders so far."""
    return list(Event.objects.filter(type="fulfillment_notice").values_list("type", flat=True))


def assert_not_ordered(*items: int) -> None:
    """Assert that there is no order, and that the items are free."""
    assert not ShippingOrder.objects.exists()
    assert not OrderItem.objects.exists()
    assert notices() == []
    assert {state_of(item) for item in items} <= {("unresolved", False)}


class TestAnOrder:
    def test_is_answered_field_for_field(self, s2s: SignedClient, items: list[int], casino: Casino) -> None:
        made = order(s2s, items[:2], address={**ADDRESS, "line2": "Flat 3", "phone": "+44 20 7946 0000", "floor": 9})
        assert made.status == 201
        shown = made.body["order"]
        item_id = InventoryItem.objects.get(pk=items[0]).item_id
        assert made.body == {
            "order": {
                "publicId": shown["publicId"],
                "status": "pending",
                "currency": "EUR",
                "shippingCostMinor": 0,
                "address": {**ADDRESS, "line2": "Flat 3", "phone": "+44 20 7946 0000"},
                "contact": {"email": "ada@example.com"},
                "createdAt": shown["createdAt"],
                "items": [
                    {
                        "inventoryItemId": item,
                        "itemId": item_id,
                        "name": "Brass Compass",
                        "valueMinor": 480,
                        "currency": "EUR",
                    }
                    for item in items[:2]
                ],
            },
            "balanceAfterMinor": None,
        }
        assert shown["publicId"].startswith("fo_")
        assert [state_of(item) for item in items] == [("ship_requested", False)] * 2 + [("unresolved", False)]
        assert orders(s2s) == [shown]

    def test_is_never_charged_for_here(self, acme: NewOperator, s2s: SignedClient, items: list[int], casino: Casino) -> None:
        services.change_settings(
            operator=acme.operator, changes={"shippingCostMinor": "700", "walletUrl": ""}, at=timezone.now()
        )
        made = order(s2s, items)
        assert (made.status, made.body["order"]["shippingCostMinor"], made.body["balanceAfterMinor"]) == (201, 0, None)
        assert casino.calls() == []

    def test_is_told_by_an_event(self, s2s: SignedClient, items: list[int]) -> None:
        made = order(s2s, items)
        [event] = s2s.get("/api/s2s/events?limit=200").body["items"][-1:]
        assert (event["type"], event["playerExternalId"]) == ("fulfillment_notice", "u_1")
        assert event["data"] == {"order": made.body["order"]}

    def test_takes_its_items_out_of_reach(self, s2s: SignedClient, items: list[int], casino: Casino) -> None:
        order(s2s, items[:1])
        assert cash_out(s2s, items[0]).code == "CASHBACK_NOT_AVAILABLE"
        assert order(s2s, items[:2]).code == "INVENTORY_NOT_SHIPPABLE"
        assert casino.calls() == []
        assert ShippingOrder.objects.count() == 1


class TestARetry:
    def test_under_a_key_answers_the_same_order(self, s2s: SignedClient, items: list[int]) -> None:
        first = order(s2s, items, idempotencyKey="mine")
        again = order(s2s, items[::-1], idempotencyKey="mine")
        assert (again.status, again.body) == (201, first.body)
        assert again.headers["Idempotent-Replayed"] == "true"
        assert "Idempotent-Replayed" not in first.headers
        assert (ShippingOrder.objects.count(), len(notices())) == (1, 1)

    def test_without_a_key_is_known_by_what_it_orders(self, s2s: SignedClient, items: list[int]) -> None:
        first = order(s2s, items)
        again = order(s2s, items)
        assert (again.status, again.body) == (201, first.body)
        assert again.headers["Idempotent-Replayed"] == "true"
        assert order(s2s, items, contact={"email": "eve@example.com"}).code == "INVENTORY_NOT_SHIPPABLE"
        assert order(s2s, items, idempotencyKey="mine").code == "INVENTORY_NOT_SHIPPABLE"
        assert ShippingOrder.objects.count() == 1

    def test_of_another_request_is_a_conflict(self, s2s: SignedClient, items: list[int]) -> None:
        order(s2s, items[:1], idempotencyKey="mine")
        changes: list[dict[str, Any]] = [
            {"inventoryItemIds": items[1:]},
            {"address": {**ADDRESS, "city": "Paris"}},
            {"contact": {"email": "eve@example.com"}},
        ]
        for change in changes:
            refused = order(s2s, items[:1], idempotencyKey="mine", **change)
            assert (refused.status, refused.code) == (409, "IDEMPOTENCY_CONFLICT")
        assert [state_of(item)[0] for item in items] == ["ship_requested", "unresolved", "unresolved"]

    def test_is_another_players_own_under_the_same_key(
        self, s2s: SignedClient, boxes: dict[str, int], items: list[int]
    ) -> None:
        assert order(s2s, items, idempotencyKey="mine").status == 201
        [theirs] = won_items(s2s, boxes["sure-item"], player="u_2")
        assert order(s2s, [theirs], playerExternalId="u_2", idempotencyKey="mine").status == 201

    def test_replays_when_shipping_was_switched_off_since(self, acme: NewOperator, s2s: SignedClient, items: list[int]) -> None:
        first = order(s2s, items)
        services.change_settings(operator=acme.operator, changes={"shipping": "false"}, at=timezone.now())
        assert order(s2s, items).body == first.body


class TestARefusal:
    def test_while_shipping_is_switched_off(self, acme: NewOperator, s2s: SignedClient, items: list[int]) -> None:
        services.change_settings(operator=acme.operator, changes={"shipping": "false"}, at=timezone.now())
        refused = order(s2s, items)
        assert (refused.status, refused.code) == (403, "SHIPPING_DISABLED")
        assert_not_ordered(*items)

    def test_of_one_item_refuses_all(
        self, s2s: SignedClient, stranger_s2s: SignedClient, boxes: dict[str, int], items: list[int]
    ) -> None:
        [theirs] = won_items(s2s, boxes["sure-item"], player="u_2")
        for strange in (theirs, 999_999, 2**53 - 1):
            refused = order(s2s, [*items, strange])
            assert (refused.status, refused.code) == (404, "INVENTORY_ITEM_NOT_FOUND")
        assert order(s2s, items, playerExternalId="nobody").code == "INVENTORY_ITEM_NOT_FOUND"
        assert order(stranger_s2s, items).code == "INVENTORY_ITEM_NOT_FOUND"
        assert_not_ordered(*items, theirs)

    def test_of_what_can_not_be_shipped(self, s2s: SignedClient, items: list[int]) -> None:
        for fields in ({"shippable": False}, {"shippable": True}):
            Item.objects.update(**fields)
            InventoryItem.objects.filter(pk=items[0]).update(type="digital")
            refused = order(s2s, items)
            assert (refused.status, refused.code) == (422, "INVENTORY_NOT_SHIPPABLE")
            assert_not_ordered(*items)

    def test_of_what_is_resolved_or_locked(self, s2s: SignedClient, items: list[int], casino: Casino) -> None:
        cash_out(s2s, items[0])
        casino.play(casino.wallet.apply_then(reset()))
        assert cash_out(s2s, items[1]).status == 503
        for stuck in items[:2]:
            assert order(s2s, [stuck, items[2]]).code == "INVENTORY_NOT_SHIPPABLE"
        assert_not_ordered(items[2])
        assert cash_out(s2s, items[1]).status == 200

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"inventoryItemIds": []}, "inventoryItemIds"),
            ({"inventoryItemIds": [1, 1]}, "inventoryItemIds"),
            ({"inventoryItemIds": list(range(1, 52))}, "inventoryItemIds"),
            ({"inventoryItemIds": ["1"]}, "inventoryItemIds"),
            ({"inventoryItemIds": 1}, "inventoryItemIds"),
            ({"playerExternalId": ""}, "playerExternalId"),
            ({"address": "12 St James's Square"}, "address"),
            ({"address": {**ADDRESS, "country": "gb"}}, "address.country"),
            ({"address": {**ADDRESS, "country": "GBR"}}, "address.country"),
            ({"address": {**ADDRESS, "country": "ÄÖ"}}, "address.country"),
            ({"address": {**ADDRESS, "name": "   "}}, "address.name"),
            ({"address": {**ADDRESS, "city": ""}}, "address.city"),
            ({"address": {**ADDRESS, "city": "x" * 101}}, "address.city"),
            ({"address": {**ADDRESS, "postalCode": 8000}}, "address.postalCode"),
            ({"address": {**ADDRESS, "line2": None}}, "address.line2"),
            ({"address": {**ADDRESS, "phone": "1\n2"}}, "address.phone"),
            *(
                ({"address": {left: text for left, text in ADDRESS.items() if left != name}}, f"address.{name}")
                for name in ADDRESS
            ),
            ({"contact": None}, "contact"),
            ({"contact": {}}, "contact.email"),
            ({"contact": {"email": "ada"}}, "contact.email"),
            ({"contact": {"email": "ada@example"}}, "contact.email"),
            ({"contact": {"email": "a" * 250 + "@x.eu"}}, "contact.email"),
            ({"idempotencyKey": ""}, "idempotencyKey"),
        ],
    )
    def test_of_a_field_that_is_wrong(self, s2s: SignedClient, items: list[int], changes: dict[str, Any], field: str) -> None:
        refused = order(s2s, items, **changes)
        assert (refused.status, refused.code) == (422, "VALIDATION_FAILED")
        assert list(refused.body["error"]["fields"]) == [field]
        assert_not_ordered(*items)

    def test_names_every_field_that_is_wrong(self, s2s: SignedClient, items: list[int]) -> None:
        refused = order(s2s, items, address={**ADDRESS, "country": "Britain", "name": 1}, contact={"email": ""})
        assert set(refused.body["error"]["fields"]) == {"address.country", "address.name", "contact.email"}


class TestTheList:
    def test_goes_newest_first_by_pages(self, s2s: SignedClient, items: list[int]) -> None:
        made = [order(s2s, [item]).body["order"]["publicId"] for item in items]
        first = s2s.get("/api/s2s/shipping/orders?playerExternalId=u_1&limit=2").body
        assert [shown["publicId"] for shown in first["items"]] == made[:0:-1]
        rest = orders(s2s, more=f"&limit=2&cursor={first['cursor']['next']}")
        assert [shown["publicId"] for shown in rest] == made[:1]

    def test_and_the_order_itself_are_the_players_and_the_operators(
        self, s2s: SignedClient, stranger_s2s: SignedClient, items: list[int]
    ) -> None:
        public_id = order(s2s, items).body["order"]["publicId"]
        path = f"/api/s2s/shipping/orders/{public_id}"
        for query in ("?playerExternalId=u_1", ""):
            assert s2s.get(path + query).body == {"order": orders(s2s)[0]}
        for missing in (
            s2s.get(f"{path}?playerExternalId=u_2"),
            stranger_s2s.get(f"{path}?playerExternalId=u_1"),
            s2s.get("/api/s2s/shipping/orders/fo_nothing?playerExternalId=u_1"),
        ):
            assert (missing.status, missing.code) == (404, "ORDER_NOT_FOUND")
        assert orders(s2s, player="u_2") == orders(stranger_s2s) == []

    def test_is_asked_for_properly(self, s2s: SignedClient) -> None:
        for query in ("", "?playerExternalId=u_1&cursor=x", "?playerExternalId=u_1&limit=-1"):
            assert s2s.get(f"/api/s2s/shipping/orders{query}").code == "VALIDATION_FAILED"


class TestItsStatus:
    def advance(self, status: str, *, carrier: str = "", tracking_number: str = "") -> ShippingOrder:
        """Move the one order on."""
        return advance_order(
            order=ShippingOrder.objects.get(),
            status=OrderStatus(status),
            at=timezone.now(),
            carrier=carrier,
            tracking_number=tracking_number,
        )

    def test_goes_on_step_by_step_and_each_is_told(self, s2s: SignedClient, items: list[int]) -> None:
        order(s2s, items)
        self.advance("processing")
        self.advance("shipped", carrier="Royal Mail", tracking_number="RM123456785GB")
        assert {state_of(item) for item in items} == {("fulfilled", False)}
        self.advance("delivered")
        [shown] = orders(s2s)
        assert (shown["status"], shown["carrier"], shown["trackingNumber"]) == ("delivered", "Royal Mail", "RM123456785GB")
        events = [event for event in s2s.get("/api/s2s/events?limit=200").body["items"] if "order" in event["data"]]
        told = [event["data"]["order"] for event in events]
        assert [step["status"] for step in told] == ["pending", "processing", "shipped", "delivered"]
        assert ["trackingNumber" in step for step in told] == [False, False, True, True]
        assert told[-1] == shown

    def test_skips_nothing_and_never_goes_back(self, s2s: SignedClient, items: list[int]) -> None:
        order(s2s, items)
        for wrong in ("pending", "shipped", "delivered", "unpaid", "voided"):
            with pytest.raises(StatusNotAllowed, match="is pending"):
                self.advance(wrong, carrier="Royal Mail", tracking_number="1")
        self.advance("processing")
        self.advance("shipped", carrier="Royal Mail", tracking_number="1")
        for wrong in ("processing", "shipped", "cancelled"):
            with pytest.raises(StatusNotAllowed, match="is shipped"):
                self.advance(wrong)
        assert len(notices()) == 3

    @pytest.mark.parametrize("missing", [{"carrier": " "}, {"tracking_number": ""}, {"carrier": "x" * 101}])
    def test_shipped_needs_carrier_and_tracking_number(
        self, s2s: SignedClient, items: list[int], missing: dict[str, str]
    ) -> None:
        order(s2s, items)
        self.advance("processing")
        with pytest.raises(StatusNotAllowed, match="tracking number"):
            self.advance("shipped", **{"carrier": "Royal Mail", "tracking_number": "1", **missing})
        assert orders(s2s)[0]["status"] == "processing"
        assert {state_of(item)[0] for item in items} == {"ship_requested"}

    @pytest.mark.parametrize("steps", [["cancelled"], ["processing", "cancelled"]])
    def test_cancelled_gives_the_items_back(self, s2s: SignedClient, items: list[int], steps: list[str]) -> None:
        first = order(s2s, items).body["order"]["publicId"]
        for step in steps:
            self.advance(step)
        assert orders(s2s)[0]["status"] == "cancelled"
        assert {state_of(item) for item in items} == {("unresolved", False)}
        assert cash_out(s2s, items[0]).status == 200
        again = order(s2s, items[1:])
        assert again.status == 201
        assert again.body["order"]["publicId"] != first

    def test_cancelled_lets_the_same_be_ordered_again_but_not_under_its_key(self, s2s: SignedClient, items: list[int]) -> None:
        order(s2s, items, idempotencyKey="mine")
        self.advance("cancelled")
        assert order(s2s, items, idempotencyKey="mine").body["order"]["status"] == "cancelled"
        assert order(s2s, items).body["order"]["status"] == "pending"

    def test_cancelled_counts_the_time_to_expire_anew(self, acme: NewOperator, s2s: SignedClient, items: list[int]) -> None:
        services.change_settings(operator=acme.operator, changes={"itemExpiryDays": "30"}, at=timezone.now())
        InventoryItem.objects.filter(pk=items[0]).update(expires_at=timezone.now())
        order(s2s, items)
        cancelled = self.advance("cancelled")
        expiries = dict(InventoryItem.objects.values_list("pk", "expires_at"))
        assert [expiries[item] for item in items] == [cancelled.updated_at + dt.timedelta(days=30), None, None]


class TestAtOnce:
    def test_ten_equal_orders_are_one(self, s2s: SignedClient, items: list[int]) -> None:
        answers = at_once(10, lambda _: order(s2s, items))
        assert {made.status for made in answers} == {201}
        assert len({made.body["order"]["publicId"] for made in answers}) == 1
        assert len(notices()) == 1

    def test_orders_that_overlap_in_any_sequence_end_with_one(self, s2s: SignedClient, items: list[int]) -> None:
        answers = at_once(10, lambda number: order(s2s, items[:: 1 if number % 2 else -1], idempotencyKey=f"key-{number}"))
        assert Counter(made.code for made in answers) == {None: 1, "INVENTORY_NOT_SHIPPABLE": 9}

    def test_a_cashout_and_an_order_of_one_item_end_with_one_winner(
        self, s2s: SignedClient, boxes: dict[str, int], casino: Casino
    ) -> None:
        winners: Counter[str] = Counter()
        for _ in range(5):
            [item] = won_items(s2s, boxes["sure-item"])
            cashed, ordered = at_once(2, lambda number, item=item: order(s2s, [item]) if number else cash_out(s2s, item))
            assert {cashed.code, ordered.code} in ({None, "CASHBACK_NOT_AVAILABLE"}, {None, "INVENTORY_NOT_SHIPPABLE"})
            winners[state_of(item)[0]] += 1
        assert set(winners) <= {"cashed_back", "ship_requested"}
        assert len(casino.calls()) == winners["cashed_back"]

    def test_both_would_begin_without_the_row_lock(
        self, s2s: SignedClient, items: list[int], casino: Casino, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The control: the race is there, and then the conditional update stops the second."""
        monkeypatch.setattr(InventoryItem.objects, "select_for_update", lambda **_: InventoryItem.objects.all())
        unlocked = InventoryItem.objects.filter(pk=items[0]).select_related("item")
        monkeypatch.setattr(ordering, "_free_items", lambda *_: {item.pk: item for item in unlocked})
        meet_after_reading(monkeypatch, rates, "quoted_rate", ordering, "_cost")
        answers = at_once(2, lambda number: order(s2s, items[:1]) if number else cash_out(s2s, items[0]))
        assert Counter(made.code for made in answers) == {None: 1, "INTERNAL_ERROR": 1}


class TestTheDatabase:
    def test_keeps_an_order_as_it_was_made(self, s2s: SignedClient, items: list[int]) -> None:
        order(s2s, items)
        made = ShippingOrder.objects.all()
        for change in ({"cost_minor": 5}, {"status": "delivered"}, {"status": "unpaid"}, {"currency": "SEK"}):
            with pytest.raises(IntegrityError):
                made.update(**change)
        with pytest.raises(IntegrityError):
            OrderItem.objects.update(inventory_item=items[0])

    def test_makes_no_order_unpaid(self, s2s: SignedClient, items: list[int]) -> None:
        order(s2s, items)
        copied = ShippingOrder.objects.values().get()
        with pytest.raises(IntegrityError, match="is not paid"):
            ShippingOrder.objects.create(**copied | {"id": new_id(), "cost_minor": 700})

    def test_cashes_no_item_unpaid(self, items: list[int]) -> None:
        with pytest.raises(IntegrityError, match="is not credited"):
            InventoryItem.objects.filter(pk=items[0]).update(state="cashed_back")
        assert serializers.is_free(InventoryItem.objects.get(pk=items[0]))
