"""What the schedule runs for won items."""

from typing import Any, Final

from celery import shared_task
from django.db import close_old_connections

from lootbox.core import db
from vault.services import expiring

AT_ONCE: Final = 200


@shared_task
def expire_items(**_: Any) -> None:
    """Expire the won items whose time is up, some at a time, until none is left."""
    close_old_connections()
    while expiring.expire_items(at=db.clock(), limit=AT_ONCE) == AT_ONCE:
        pass
