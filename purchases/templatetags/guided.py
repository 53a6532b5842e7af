"""What the pages of lower apps show of guided actions."""

from typing import Any

from django import template
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from purchases import acting, inspector
from wallet.models import WalletCall

register = template.Library()


@register.simple_tag(takes_context=True)
def guided_actions(context: dict[str, Any], row: Any) -> list[dict[str, str]]:
    """Return title and address of what the person may do to a row now."""
    user = context["request"].user
    offered = acting.offered(row=row, user=user) if isinstance(user, User) else []
    return [
        {"title": action.title, "url": reverse("admin:purchases_round_act", args=[action.name, row.pk])} for action in offered
    ]


@register.simple_tag
def next_step(row: Any) -> str:
    """Return what the platform will do about an unresolved wallet call, nothing for any other row."""
    unresolved = isinstance(row, WalletCall) and row.next_attempt_at is not None
    return inspector.next_step(row, at=timezone.now()) if unresolved else ""
