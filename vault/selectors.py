"""Looking up what a player won and ordered (contract section 7)."""

from collections.abc import Collection, Sequence
from typing import Final, TypeVar
from uuid import UUID

from django.db.models import Prefetch, Q, QuerySet

from lootbox.core.errors import ApiError, ErrorCode
from lootbox.core.ids import Prefix, parse_public_id
from lootbox.core.pagination import Page, Position, paginate
from operators.models import Operator
from vault.models import InventoryItem, OrderItem, OrderStatus, ShippingOrder

NOT_SHOWN: Final = (OrderStatus.UNPAID, OrderStatus.VOIDED)
_LINES: Final = Prefetch("lines", OrderItem.objects.select_related("inventory_item").order_by("pk"))

Row = TypeVar("Row", InventoryItem, ShippingOrder)


def inventory(
    *, operator: Operator, player_external_id: str, states: Collection[str], position: Position | None, limit: int
) -> Page[InventoryItem]:
    """Return a page of a player's items in these states, newest first, each with its item of the catalogue."""
    rows = InventoryItem.objects.filter(operator=operator, player__external_id=player_external_id, state__in=states)
    return _newest_first(rows.select_related("item"), position=position, limit=limit)


def orders(*, operator: Operator, player_external_id: str, position: Position | None, limit: int) -> Page[ShippingOrder]:
    """Return a page of a player's orders, newest first."""
    rows = _shown(operator).filter(player__external_id=player_external_id)
    return _newest_first(rows, position=position, limit=limit)


def find_order(*, operator: Operator, order_public_id: str, player_external_id: str | None) -> ShippingOrder:
    """Return an order of this operator, and of this player where one is named. Raises `ORDER_NOT_FOUND`."""
    order_id = parse_public_id(Prefix.ORDER, order_public_id)
    order = _shown(operator).select_related("player").filter(pk=order_id).first() if order_id else None
    if order is None or player_external_id not in {None, order.player.external_id}:
        raise ApiError(ErrorCode.ORDER_NOT_FOUND)
    return order


def order_with_items(order_id: UUID) -> ShippingOrder:
    """Return an order as it is now, with operator, player and items, whatever its status."""
    return ShippingOrder.objects.select_related("operator", "player").prefetch_related(_LINES).get(pk=order_id)


def _shown(operator: Operator) -> QuerySet[ShippingOrder]:
    return ShippingOrder.objects.filter(operator=operator).exclude(status__in=NOT_SHOWN).prefetch_related(_LINES)


def _newest_first(rows: QuerySet[Row], *, position: Position | None, limit: int) -> Page[Row]:
    def fetch(position: Position | None, limit: int) -> Sequence[Row]:
        if position is None:
            return list(rows.order_by("-created_at", "-pk")[:limit])
        moment, row_id = position.moment, position.row_id
        if position.backwards:
            beyond = Q(created_at__gt=moment) | Q(created_at=moment, pk__gt=row_id)
            return list(rows.filter(beyond, created_at__gte=moment).order_by("created_at", "pk")[:limit])
        beyond = Q(created_at__lt=moment) | Q(created_at=moment, pk__lt=row_id)
        return list(rows.filter(beyond, created_at__lte=moment).order_by("-created_at", "-pk")[:limit])

    return paginate(fetch=fetch, key=lambda row: (row.created_at, row.pk), position=position, limit=limit)
