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
