"""What the overview shows of flags."""

from typing import Any

from django import template
from django.contrib.auth.models import User

from finance import flags
from operators.staff import operator_ids

register = template.Library()


@register.simple_tag(takes_context=True)
def unresolved_flags(context: dict[str, Any]) -> int | None:
    """Return how many flags wait for the person, None for one who may not see them."""
    user = context["request"].user
    if not isinstance(user, User) or not user.has_perm("finance.view_flag"):
        return None
    return flags.count_unresolved(operator_ids=operator_ids(user))
