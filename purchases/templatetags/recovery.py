"""What pages of wallet calls show of recovery."""

from typing import Any

from django import template
from django.contrib.auth.models import User
from django.utils import timezone

from purchases import inspector, unresolved
from purchases.models import Round
from wallet.models import WalletCall

register = template.Library()


@register.simple_tag
def next_step(row: Any) -> str:
    """Return what the platform will do about an unresolved wallet call, nothing for any other row."""
    if not isinstance(row, WalletCall) or row.next_attempt_at is None:
        return ""
    round_ = Round.objects.filter(pk=row.round_id).first() if row.round_id else None
    return inspector.next_step(row, at=timezone.now(), round_=round_)


@register.simple_tag(takes_context=True)
def oldest_unresolved(context: dict[str, Any]) -> str | None:
    """Return how old the oldest unresolved money is that the person sees, None when none is old."""
    user = context["request"].user
    permitted = isinstance(user, User) and user.has_perm("wallet.view_walletcall")
    return unresolved.oldest(user=user, at=timezone.now()) if permitted else None
