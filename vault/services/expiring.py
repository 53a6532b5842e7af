"""Won items that nobody resolved in time (contract section 3)."""

import datetime as dt

from lootbox.core import db
from vault import notices
from vault.models import InventoryItem, ItemState
from webhooks import outbox
from webhooks.models import EventType


def expire_items(*, at: dt.datetime, limit: int) -> int:
    """Expire up to `limit` items whose time is up, tell of each, and return how many. Locked ones wait for their lock's end."""
    with db.phase():
        due = InventoryItem.objects.filter(state=ItemState.UNRESOLVED, locked_by=None, expires_at__lte=at)
        free = due.select_for_update(of=("self",), skip_locked=True, no_key=True).select_related("operator", "player")
        items = list(free.order_by("expires_at")[:limit])
        InventoryItem.objects.filter(pk__in=[item.pk for item in items]).update(state=ItemState.EXPIRED, resolved_at=at)
        for item in items:
            item.state = ItemState.EXPIRED
            event = notices.of_item(event=EventType.ITEM_EXPIRED, item=item, cashback_minor=None, at=at)
            outbox.record(operator=item.operator, event=event, at=at)
    return len(items)
