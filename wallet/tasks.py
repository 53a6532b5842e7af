"""What the schedule runs for wallet calls."""

from typing import Any

from celery import shared_task

from wallet import numbering


@shared_task
def number_movements(**_: Any) -> None:
    """Give committed movements their place in the ledger."""
    numbering.number_movements()
