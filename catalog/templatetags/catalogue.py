"""How the catalogue's pages show figures."""

from typing import Any

from django import template

from lootbox.core import wording

register = template.Library()


@register.filter
def points(bps: int) -> str:
    """Return basis points such as `4.40 %`."""
    return wording.points(bps)


@register.filter
def said(value: Any) -> Any:
    """Return an attribute's value in words."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value


@register.filter
def grouped(number: int) -> str:
    """Return a whole number with its thousands apart."""
    return f"{number:,}"
