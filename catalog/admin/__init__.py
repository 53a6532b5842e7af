"""The catalogue's pages: boxes with their versions and drafts, items and attributes, import and export, exchange rates."""

from catalog import acting
from catalog.admin import boxes, drafts, entries, rates, uploads
from operators import guided

__all__ = ["boxes", "drafts", "entries", "rates", "uploads"]

guided.register(*acting.ACTIONS)
