"""What pages of wallet calls show of recovery."""

from typing import Any

from django import template
from django.utils import timezone

from purchases import inspector
from wallet.models import WalletCall

register = template.Library()


@register.simple_tag
def next_step(row: Any) -> str:
    """Return what the platform will do about an unresolved wallet call, nothing for any other row."""
    unresolved = isinstance(row, WalletCall) and row.next_attempt_at is not None
    return inspector.next_step(row, at=timezone.now()) if unresolved else ""
