"""Raw movements out of PostgreSQL by COPY, a stretch of the ledger at a time.

Lines are formatted there, but for public ids: base 32 costs SQL more than all the rest, and numpy next to nothing.

The ledger only grows, and what is in it never changes. So a file is exact without one long transaction: it ends at the number
that was the newest when it was begun, each stretch is a statement of its own, and between two of them no connection is held,
however slowly somebody downloads.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
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
    sql = _COPY[format_]
    for one in extents:
        for stretch in one.stretches():
            with _cursor() as cursor:
                with cursor.copy(sql, stretch) as copy:
                    text = b"".join(copy)
                rows = cursor.rowcount
            yield rows, _with_ids(text, format_)


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


def _with_ids(text: bytes, format_: Format) -> bytes:
    """Return lines with public ids where the database left UUIDs between marks."""
    parts: list[bytes] = text.split(_MARK)
    for place, prefix in enumerate(_IDS):
        mine = slice(2 * place + 1, None, 2 * len(_IDS))
        parts[mine] = _public_ids(parts[mine], prefix, format_)
    return b"".join(parts)


def _public_ids(hexes: list[bytes], prefix: Prefix, format_: Format) -> list[bytes]:
    quote, nothing = (b'"', b"null") if format_ is Format.JSONL else (b"", b"")
    given = [one for one in hexes if one]
    if not given:
        return [nothing] * len(hexes)
    raw = np.frombuffer(bytes.fromhex(b"".join(given).decode()), dtype=np.uint8).reshape(-1, 16)
    # 128 bits after two that are 0: 26 times five.
    bits = np.pad(np.unpackbits(raw, axis=1), ((0, 0), (2, 0))).reshape(-1, 26, 5)
    front, back = (np.frombuffer(text, dtype=np.uint8) for text in (quote + prefix.encode(), quote))
    rows = np.hstack([np.tile(front, (len(given), 1)), _ALPHABET[bits @ _WEIGHTS], np.tile(back, (len(given), 1))])
    public = iter([row.tobytes() for row in rows])
    return [next(public) if one else nothing for one in hexes]


def _foreign(column: SqlColumn) -> str:
    # A control character would end the line, or is a mark of ours: it has no place in a file of lines.
    plain = f"translate({column.sql}, {_CONTROLS}, repeat(' ', {len(_UNWANTED)}))"
    safe = f"CASE WHEN left({column.sql}, 1) = ANY ({_STARTS}) THEN '''' || {plain} ELSE {plain} END"
    return f"""CASE WHEN {plain} ~ '[",]' THEN '"' || replace({safe}, '"', '""') || '"' ELSE {safe} END"""


def _csv(column: SqlColumn) -> str:
    if isinstance(column.kind, Prefix):
        return _marked(column)
    return f"coalesce({_foreign(column) if column.kind == 'foreign' else f'({column.sql})::text'}, '')"


def _json(column: SqlColumn) -> str:
    name = f"""'"{column.name}":' || """
    if isinstance(column.kind, Prefix):
        return name + _marked(column)
    text = f"({column.sql})::text" if column.kind == "number" else f"to_json(({column.sql})::text)::text"
    return name + f"coalesce({text}, 'null')"


def _marked(column: SqlColumn) -> str:
    return f"E'\\x01' || coalesce(encode(uuid_send({column.sql}), 'hex'), '') || E'\\x01'"


def _copy(line: str) -> str:
    # A line is one column, in which the quote and the delimiter never occur, so it goes out as it is.
    return f"COPY (SELECT {line} {_FROM}) TO STDOUT WITH (FORMAT csv, QUOTE E'\\x02', DELIMITER E'\\x03')"


def _characters(text: str) -> str:
    return "U&'" + "".join(f"\\{ord(character):04x}" for character in text) + "'"


_MARK: Final = b"\x01"
_UNWANTED: Final = "".join(map(chr, range(1, 32)))
_CONTROLS: Final = _characters(_UNWANTED)
_STARTS: Final = f"string_to_array({_characters(FORMULA_STARTS.replace(chr(0), ''))}, NULL)"
_IDS: Final = [column.kind for column in MOVEMENTS if isinstance(column.kind, Prefix)]
_ALPHABET: Final = np.frombuffer(b"0123456789ABCDEFGHJKMNPQRSTVWXYZ", dtype=np.uint8)
_WEIGHTS: Final = np.array([16, 8, 4, 2, 1], dtype=np.uint8)
_SELECT: Final = f"SELECT {', '.join(column.sql for column in MOVEMENTS)} {_FROM}"
_COPY: Final[Mapping[Format, str]] = {
    Format.CSV: _copy(" || ',' || ".join(_csv(column) for column in MOVEMENTS)),
    Format.JSONL: _copy("'{' || " + " || ',' || ".join(_json(column) for column in MOVEMENTS) + " || '}'"),
}
