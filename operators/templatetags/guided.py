"""What pages show of guided actions."""

from typing import Any

from django import template
from django.contrib.auth.models import User
from django.urls import reverse

from operators import guided

register = template.Library()


@register.simple_tag(takes_context=True)
def guided_actions(context: dict[str, Any], row: Any) -> list[dict[str, str]]:
    """Return title and address of what the person may do to a row now."""
    user = context["request"].user
    offered = guided.offered(row=row, user=user) if isinstance(user, User) else []
    return [{"title": action.title, "url": reverse("admin:act", args=[action.name, row.pk])} for action in offered]


@register.simple_tag(takes_context=True)
def making(context: dict[str, Any], name: str) -> dict[str, str] | None:
    """Return title and address of something that the person may make, None if they may not."""
    offered, user = guided.MAKINGS[name], context["request"].user
    permitted = isinstance(user, User) and user.has_perm(offered.permission)
    return {"title": offered.title, "url": reverse("admin:make", args=[name])} if permitted else None
