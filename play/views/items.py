"""Won items and orders in a session (contract sections 6 to 8)."""

from uuid import UUID

from rest_framework.request import Request

from lootbox.core import db
from lootbox.core.answers import Answer
from lootbox.core.pagination import decode_cursor
from play.serializers import read_wallet_key
from play.views.base import PlayView
from vault import selectors
from vault.requests import read_order
from vault.serializers import inventory_json, order_json
from vault.services import cashing, ordering
from vault.views import REPLAYED, read_limit, read_states


class InventoryView(PlayView):
    """`GET /api/play/inventory`."""

    def get(self, request: Request) -> Answer:  # noqa: ARG002 - DRF's signature
        """Answer a page of the player's items, newest first."""
        query = self.read_query()
        states, limit = read_states(query), read_limit(query)
        position = decode_cursor(query.optional_text("cursor", maximum=500), row_id=int)
        query.check()
        page = selectors.inventory(
            operator=self.operator, player_external_id=self.player, states=states, position=position, limit=limit
        )
        return Answer(inventory_json(page, operator=self.operator))


class CashbackView(PlayView):
    """`POST /api/play/inventory/{id}/cashback`."""

    moves_money = True

    def post(self, request: Request, item_id: int) -> Answer:  # noqa: ARG002 - DRF's signature
        """Answer the item that was cashed back, and the balance."""
        body = self.read_body(optional=True)
        currency = body.optional_text("currency", maximum=16)
        key = read_wallet_key(body, default=f"cashback:inventory:{item_id}")
        body.check()
        cashed = cashing.cash_out(
            operator=self.operator,
            player_external_id=self.player,
            inventory_item_id=item_id,
            currency=currency,
            idempotency_key=key,
            clock=db.clock,
        )
        return Answer(cashed.as_json(), headers=REPLAYED if cashed.replayed else {})


class OrdersView(PlayView):
    """`GET` and `POST /api/play/shipping/orders`."""

    moves_money = True

    def get(self, request: Request) -> Answer:  # noqa: ARG002 - DRF's signature
        """Answer a page of the player's orders, newest first."""
        query = self.read_query()
        limit = read_limit(query)
        position = decode_cursor(query.optional_text("cursor", maximum=500), row_id=UUID)
        query.check()
        page = selectors.orders(operator=self.operator, player_external_id=self.player, position=position, limit=limit)
        return Answer(page.as_json(order_json))

    def post(self, request: Request) -> Answer:  # noqa: ARG002 - DRF's signature
        """Charge the player for shipping in the session's currency, and answer the order that was made."""
        order = read_order(self.read_body(), operator=self.operator, player=self.player)
        ordered = ordering.create_order(request=order, charge_in=self.session.currency, clock=db.clock)
        return Answer(ordered.as_json(), status=201, headers=REPLAYED if ordered.replayed else {})


class OrderView(PlayView):
    """`GET /api/play/shipping/orders/{publicId}`."""

    def get(self, request: Request, public_id: str) -> Answer:  # noqa: ARG002 - DRF's signature
        """Answer the order."""
        order = selectors.find_order(operator=self.operator, order_public_id=public_id, player_external_id=self.player)
        return Answer({"order": order_json(order)})
