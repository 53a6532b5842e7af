"""Won items and orders on the signed surface (contract sections 6 and 7)."""

from uuid import UUID

from rest_framework.request import Request

from lootbox.core import db
from lootbox.core.answers import Answer
from lootbox.core.fields import Query
from lootbox.core.pagination import decode_cursor
from operators.views import S2SView
from vault import selectors
from vault.models import ItemState
from vault.requests import EXTERNAL_ID_LENGTH, read_idempotency_key, read_order, read_player
from vault.serializers import inventory_json, order_json
from vault.services import cashing, ordering

REPLAYED = {"Idempotent-Replayed": "true"}


def read_states(query: Query) -> set[str]:
    """Return the states of items that are asked for, unresolved by default; unknown ones are ignored (contract section 7)."""
    text = query.optional_text("state", maximum=200)
    return {ItemState.UNRESOLVED.value} if text is None else set(text.split(",")) & set(ItemState.values)


def read_limit(query: Query) -> int:
    """Return how many rows a page has."""
    return query.positive("limit", default=50, largest=200)


class CashoutView(S2SView):
    """`POST /api/s2s/cashout` (contract section 6)."""

    moves_money = True

    def post(self, request: Request) -> Answer:  # noqa: ARG002 - DRF's signature
        """Answer the item that was cashed back, and the balance."""
        body = self.read_body()
        player, item_id = read_player(body), body.integer("inventoryItemId", minimum=1)
        currency, key = body.optional_text("currency", maximum=16), read_idempotency_key(body)
        body.check()
        cashed = cashing.cash_out(
            operator=self.operator,
            player_external_id=player,
            inventory_item_id=item_id,
            currency=currency,
            idempotency_key=key,
            clock=db.clock,
        )
        return Answer(cashed.as_json(), headers=REPLAYED if cashed.replayed else {})


class InventoryView(S2SView):
    """`GET /api/s2s/inventory` (contract section 7)."""

    def get(self, request: Request) -> Answer:  # noqa: ARG002 - DRF's signature
        """Answer a page of a player's items, newest first."""
        query = self.read_query()
        player, states, limit = (
            query.text("playerExternalId", maximum=EXTERNAL_ID_LENGTH),
            read_states(query),
            read_limit(query),
        )
        position = decode_cursor(query.optional_text("cursor", maximum=500), row_id=int)
        query.check()
        page = selectors.inventory(
            operator=self.operator, player_external_id=player, states=states, position=position, limit=limit
        )
        return Answer(inventory_json(page, operator=self.operator))


class OrdersView(S2SView):
    """`GET` and `POST /api/s2s/shipping/orders` (contract section 7)."""

    def get(self, request: Request) -> Answer:  # noqa: ARG002 - DRF's signature
        """Answer a page of a player's orders, newest first."""
        query = self.read_query()
        player, limit = query.text("playerExternalId", maximum=EXTERNAL_ID_LENGTH), read_limit(query)
        position = decode_cursor(query.optional_text("cursor", maximum=500), row_id=UUID)
        query.check()
        page = selectors.orders(operator=self.operator, player_external_id=player, position=position, limit=limit)
        return Answer(page.as_json(order_json))

    def post(self, request: Request) -> Answer:  # noqa: ARG002 - DRF's signature
        """Answer the order that was made; the operator charges its player itself."""
        body = self.read_body()
        order = read_order(body, operator=self.operator, player=read_player(body))
        ordered = ordering.create_order(request=order, charge_in=None, clock=db.clock)
        return Answer(ordered.as_json(), status=201, headers=REPLAYED if ordered.replayed else {})


class OrderView(S2SView):
    """`GET /api/s2s/shipping/orders/{publicId}` (contract section 7)."""

    def get(self, request: Request, public_id: str) -> Answer:  # noqa: ARG002 - DRF's signature
        """Answer the order."""
        query = self.read_query()
        player = query.optional_text("playerExternalId", maximum=EXTERNAL_ID_LENGTH)
        query.check()
        order = selectors.find_order(operator=self.operator, order_public_id=public_id, player_external_id=player)
        return Answer({"order": order_json(order)})
