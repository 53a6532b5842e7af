"""Raw movements out of PostgreSQL by COPY, a stretch of the ledger at a time.

Lines are formatted there, but for public ids: base 32 costs SQL more than all the rest, and numpy next to nothing. What COPY
does anyway, such as quoting, is left to it: each function of SQL's own in a line costs as much as a column.

The ledger only grows, and what is in it never changes. So a file is exact without one long transaction: it ends at the number
that was the newest when it was begun, each stretch is a statement of its own, and between two of them no connection is held,
however slowly somebody downloads.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from django.db import connection

from finance.exports.columns import MOVEMENTS, SqlColumn
from finance.exports.formats import Format, Value
from lootbox.core import db
from lootbox.core.ids import Prefix, public_id
from lootbox.core.spreadsheets import FORMULA_STARTS
from operators.models import Operator

STRETCH: Final = 20_000
BLOCK: Final = 256 * 1024
BEGINNING: Final = dt.datetime(1, 1, 2, tzinfo=dt.UTC)
END: Final = dt.datetime(9999, 12, 30, tzinfo=dt.UTC)

_EXTENT: Final = """
    SELECT currency, count(*), min(ledger_sequence), max(ledger_sequence),
        sum(CASE type WHEN 'wallet.debit' THEN -amount_minor ELSE amount_minor END)::bigint
    FROM wallet_walletcall
    WHERE operator_id = %(operator)s AND ledger_sequence IS NOT NULL AND resolved_at >= %(start)s AND resolved_at < %(end)s
      AND (%(currency)s::text IS NULL OR currency = %(currency)s)
    GROUP BY currency ORDER BY currency
"""
_FROM: Final = """
    FROM wallet_walletcall call
    JOIN operators_operator operator ON operator.id = call.operator_id
    JOIN operators_player player ON player.id = call.player_id
    WHERE call.operator_id = %(operator)s AND call.ledger_sequence > %(after)s AND call.ledger_sequence <= %(upto)s
      AND call.resolved_at >= %(start)s AND call.resolved_at < %(end)s
      AND (%(currency)s::text IS NULL OR call.currency = %(currency)s)
    ORDER BY call.ledger_sequence
"""


@dataclass(frozen=True)
class Extent:
    """One operator's movements of a time: the stretch of the ledger that holds them, how many they are, and their sums."""

    operator: Operator
    start: dt.datetime
    end: dt.datetime
    currency: str | None
    first: int
    last: int
    rows: int
    sums: Mapping[str, int]

    def stretches(self) -> Iterator[dict[str, Any]]:
        """Yield the parameters of each stretch."""
        own = {"operator": self.operator.pk, "start": self.start, "end": self.end, "currency": self.currency}
        for after in range(self.first - 1, self.last, STRETCH):
            yield own | {"after": after, "upto": min(after + STRETCH, self.last)}


def extent(*, operator: Operator, start: dt.datetime, end: dt.datetime, currency: str | None) -> Extent:
    """Return what the operator moved from `start` until before `end`; sums by currency, signed from the player's side."""
    found = db.rows(_EXTENT, {"operator": operator.pk, "start": start, "end": end, "currency": currency})
    return Extent(
        operator,
        start,
        end,
        currency,
        first=min((row[2] for row in found), default=1),
        last=max((row[3] for row in found), default=0),
        rows=sum(row[1] for row in found),
        sums={row[0]: row[4] for row in found},
    )


def copied(extents: Sequence[Extent], format_: Format) -> Iterator[tuple[int, bytes]]:
    """Yield stretches of a CSV (without header) or JSON Lines file, each with the number of its rows."""
    for one in extents:
        for stretch in one.stretches():
            with _cursor() as cursor:
                with cursor.copy(_COPY[format_], stretch) as lines:
                    text = b"".join(map(_with_public_ids, _blocks(lines)))
                rows = cursor.rowcount
            yield rows, text


def _blocks(lines: Iterable[bytes]) -> Iterator[bytearray]:
    """Yield lines put together, while PostgreSQL works on those to come."""
    block = bytearray()
    for line in lines:
        block += line
        if len(block) >= BLOCK:
            yield block
            block = bytearray()
    if block:
        yield block


def fetched(extents: Sequence[Extent]) -> Iterator[list[tuple[Value, ...]]]:
    """Yield the rows of each stretch, for a format that the database can't write."""
    for one in extents:
        for stretch in one.stretches():
            found = db.rows(_SELECT, stretch)
            _give_back()
            yield [
                tuple(
                    public_id(column.kind, value) if isinstance(column.kind, Prefix) and value is not None else value
                    for column, value in zip(MOVEMENTS, row, strict=True)
                )
                for row in found
            ]


@contextmanager
def _cursor() -> Iterator[Any]:
    """Lend a cursor of psycopg's own, which binds on the client's side, as COPY wants it."""
    connection.ensure_connection()
    try:
        with connection.connection.cursor() as cursor:
            yield cursor
    finally:
        _give_back()


def _give_back() -> None:
    """Give the connection back to the pool."""
    if not connection.in_atomic_block:
        connection.close()


def _with_public_ids(text: bytearray) -> bytearray:
    """Return lines with the 26 digits of a public id where the database left a mark and the 32 of a UUID."""
    buffer = np.frombuffer(text, dtype=np.uint8)
    marks = np.flatnonzero(buffer == _MARK)
    places = np.lib.stride_tricks.sliding_window_view(buffer, 33, writeable=True)
    hexes = places[marks, 1:].tobytes()
    high, low = np.frombuffer(bytes.fromhex(hexes.decode()), dtype=">u8").reshape(-1, 2).T.astype(np.uint64)
    # 128 bits after two that are 0: 26 times five, of which one group lies across the halves.
    groups = [
        high >> shift - 64 if shift >= 64 else low >> shift | (high << 64 - shift if shift > 59 else 0)
        for shift in range(125, -1, -5)
    ]
    places[marks, :26] = _ALPHABET[np.stack(groups, axis=1) & 31]
    places[marks, 26:] = _MARK
    return text.translate(None, bytes([_MARK]))


def _csv(column: SqlColumn) -> str:
    if column.kind != "foreign":
        return _plain(column)
    return f"CASE WHEN ascii({column.sql}) = ANY ({_STARTS}) THEN '''' || {_plain(column)} ELSE {_plain(column)} END"


def _plain(column: SqlColumn) -> str:
    if isinstance(column.kind, Prefix):
        return f"'{column.kind}' || U&'\\{_MARK:04x}' || encode(uuid_send({column.sql}), 'hex')"
    # What looks like a mark has no place in a text: no door of ours lets it in.
    return f"replace({column.sql}, U&'\\{_MARK:04x}', ' ')" if column.kind == "foreign" else column.sql


_MARK: Final = 0x7F
_STARTS: Final = f"'{{{','.join(str(ord(start)) for start in FORMULA_STARTS if ord(start))}}}'::int[]"
_ALPHABET: Final = np.frombuffer(b"0123456789ABCDEFGHJKMNPQRSTVWXYZ", dtype=np.uint8)
_SELECT: Final = f"SELECT {', '.join(column.sql for column in MOVEMENTS)} {_FROM}"
_NAMED: Final = ", ".join(f'{_plain(column)} AS "{column.name}"' for column in MOVEMENTS)
_COPY: Final[Mapping[Format, str]] = {
    Format.CSV: f"COPY (SELECT {', '.join(map(_csv, MOVEMENTS))} {_FROM}) TO STDOUT WITH (FORMAT csv)",
    # JSON escapes what is quote and delimiter here, so a line goes out as it is.
    Format.JSONL: f"COPY (SELECT row_to_json(line) FROM (SELECT {_NAMED} {_FROM}) line) "
    "TO STDOUT WITH (FORMAT csv, QUOTE E'\\x02', DELIMITER E'\\x03')",
}
