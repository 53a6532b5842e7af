"""What the schedule runs for the catalogue."""

from typing import Any

from celery import shared_task
from django.utils import timezone

from catalog import drafts, rates


@shared_task
def load_rates(**_: Any) -> None:
    """Load the European Central Bank's rates of the day. A failure is logged by the worker, and the next run tries again."""
    rates.load_rates(document=rates.fetch_rates())


@shared_task
def publish_due(**_: Any) -> None:
    """Publish the drafts whose time has come, each in a task of its own."""
    for draft_id in drafts.due(at=timezone.now()):
        publish_scheduled.delay(draft_id=draft_id)


@shared_task
def publish_scheduled(*, draft_id: int, **_: Any) -> None:
    """Publish one draft, if it is still due."""
    drafts.publish_scheduled(draft_id=draft_id, at=timezone.now())
