"""What the schedule runs for the catalogue."""

from typing import Any

from celery import shared_task

from catalog import rates


@shared_task
def load_rates(**_: Any) -> None:
    """Load the European Central Bank's rates of the day. A failure is logged by the worker, and the next run tries again."""
    rates.load_rates(document=rates.fetch_rates())
