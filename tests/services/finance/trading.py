"""A day at Acme that docs/finance.md tells of, and that every figure of finance can be checked against by hand."""

from dataclasses import dataclass

import pytest
from django.utils import timezone

from catalog import rates
from operators import services
from operators.services import NewOperator
from tests.api.test_cashout import cash_out
from tests.api.test_prepay_and_cancel import cancel
from tests.api.test_purchase import buy
from tests.signed import SignedClient
from vault.models import InventoryItem
from vault.requests import OrderRequest
from vault.services.ordering import create_order
from wallet.numbering import number_movements

ADDRESS = {"name": "Ada", "line1": "1 Road", "city": "London", "region": "London", "postalCode": "N1", "country": "GB"}


@dataclass(frozen=True)
class Trading:
    """Who traded, and with what."""

    acme: NewOperator
    s2s: SignedClient
    boxes: dict[str, int]


@pytest.fixture
def trading(acme: NewOperator, s2s: SignedClient, boxes: dict[str, int]) -> Trading:
    """Play the day: boxes opened, held, given back and given away, in two currencies; an item sold back, one shipped."""
    now = timezone.now()
    services.change_settings(operator=acme.operator, changes={"currencies": "EUR,SEK", "shippingCostMinor": "700"}, at=now)
    acme.operator.refresh_from_db()
    rates.set_rate(base="EUR", quote="SEK", rate="11.5", source="test", at=now)
    buy(s2s, boxes["sure-cash"])
    kept, sold = (buy(s2s, boxes["sure-item"]).body["round"]["wonItems"][0]["inventoryItemId"] for _ in range(2))
    cash_out(s2s, sold)
    s2s.get("/api/s2s/boxes?currency=SEK")
    buy(s2s, boxes["sure-item"], playerExternalId="u_2", currency="SEK")
    buy(s2s, boxes["harbour"], mode="prepay")
    cancel(s2s, buy(s2s, boxes["harbour"], mode="prepay").body["round"]["publicId"])
    buy(s2s, boxes["sure-bonus"], playerExternalId="u_2", funding="operator")
    reels = [{"reelIndex": 0, "boxVersionId": boxes["sure-cash"]}, {"reelIndex": 1, "boxVersionId": boxes["sure-bonus"]}]
    buy(s2s, 0, playerExternalId="u_2", reels=reels)
    order = OrderRequest(
        operator=acme.operator, player="u_1", item_ids=(kept,), address=ADDRESS, email="ada@example.com", idempotency_key=None
    )
    create_order(request=order, charge_in="EUR", clock=timezone.now)
    assert InventoryItem.objects.get(pk=kept).state == "ship_requested"
    number_movements()
    return Trading(acme, s2s, boxes)
