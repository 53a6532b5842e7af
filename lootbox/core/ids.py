"""Sortable ids: a ULID, kept as a UUID, shown with a prefix (contract section 1)."""

import enum
from uuid import UUID

from ulid import ULID


class Prefix(enum.StrEnum):
    """What a public id stands for."""

    ROUND = "r_"
    ORDER = "fo_"
    EVENT = "evt_"
    LEDGER = "txn_"


def new_id() -> UUID:
    """Return a new ULID as a UUID: the clock's milliseconds, then 80 random bits. Sorts by time of making."""
    return ULID().to_uuid()


def public_id(prefix: Prefix, value: UUID) -> str:
    """Return the id as clients see it, such as `r_01JABC…`."""
    return prefix + str(ULID.from_uuid(value))


def parse_public_id(prefix: Prefix, text: str) -> UUID | None:
    """Return the id behind the text exactly as we print it, or None: then there is no such thing."""
    if len(text) != len(prefix) + 26 or not text.startswith(prefix):
        return None
    try:
        value = ULID.from_str(text[len(prefix) :]).to_uuid()
    except ValueError:
        return None
    return value if public_id(prefix, value) == text else None
