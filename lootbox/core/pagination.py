"""Opaque cursors over rows in a fixed order, right while rows arrive: keyset paging, never OFFSET (contract section 1)."""

import base64
import binascii
import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from lootbox.core import strict_json
from lootbox.core.errors import invalid

Row = TypeVar("Row")


@dataclass(frozen=True)
class Position:
    """A place between two rows: the time and id of the row beside it, and which way to read from there."""

    moment: dt.datetime
    row_id: int | UUID
    backwards: bool

    def encode(self) -> str:
        """Return the cursor as clients get it."""
        value = {"t": self.moment.isoformat(), "i": str(self.row_id), "b": self.backwards}
        return base64.urlsafe_b64encode(strict_json.compact(value)).decode().rstrip("=")


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Some rows in order, and the cursors to go on with."""

    rows: Sequence[Row]
    next: str | None
    prev: str | None

    def as_json(self, show: Callable[[Row], Any]) -> dict[str, Any]:
        """Return the list answer of section 1, each row by `show`."""
        return {"items": [show(row) for row in self.rows], "cursor": {"next": self.next, "prev": self.prev}}


def decode_cursor(text: str | None, *, row_id: Callable[[str], int | UUID]) -> Position | None:
    """Return where a cursor points, None for none. Raises `VALIDATION_FAILED` for one that we never gave out."""
    if text is None:
        return None
    try:
        value = strict_json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
        position = Position(dt.datetime.fromisoformat(value["t"]), row_id(value["i"]), value["b"] is True)
        if position.moment.tzinfo is None:
            raise ValueError("a moment without offset")  # noqa: TRY301 - one way out for every malformed cursor
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
        raise invalid("cursor", "Send a cursor exactly as an earlier answer gave it, or none.") from error
    return position


def paginate(
    *,
    fetch: Callable[[Position | None, int], Sequence[Row]],
    key: Callable[[Row], tuple[dt.datetime, int | UUID]],
    position: Position | None,
    limit: int,
) -> Page[Row]:
    """Return the page at `position`.

    `fetch` returns up to the given number of rows beyond a position in the direction it says, the nearest first; `key` is the
    time and id that the rows are ordered by.
    """
    rows = fetch(position, limit + 1)
    more, rows = len(rows) > limit, rows[:limit]
    backwards = position is not None and position.backwards
    if backwards:
        rows = rows[::-1]
    if not rows:
        return Page(rows, None, None)
    ahead = Position(*key(rows[-1]), backwards=False).encode()
    behind = Position(*key(rows[0]), backwards=True).encode()
    return Page(
        rows,
        next=ahead if backwards or more else None,
        prev=behind if (more if backwards else position is not None) else None,
    )
