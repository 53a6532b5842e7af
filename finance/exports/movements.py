"""Raw movements out of PostgreSQL by COPY, formatted there, a stretch of the ledger at a time.

The ledger only grows, and what is in it never changes. So a file is exact without one long transaction: it ends at the number
that was the newest when it was begun, each stretch is a statement of its own, and between two of them no connection is held,
however slowly somebody downloads.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection

from finance.exports.columns import MOVEMENTS, PAIRS, SqlColumn
from finance.exports.formats import FORMULA_STARTS, Format, Value
from lootbox.core import db
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
_FROM: Final = f"""
    FROM wallet_walletcall call
    JOIN operators_operator operator ON operator.id = call.operator_id
    JOIN operators_player player ON player.id = call.player_id
    CROSS JOIN (SELECT '\\x{PAIRS}'::bytea AS pairs) base32
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
            yield rows, text


def fetched(extents: Sequence[Extent]) -> Iterator[list[tuple[Value, ...]]]:
    """Yield the rows of each stretch, for a format that the database can't write."""
    for one in extents:
        for stretch in one.stretches():
            yield db.rows(_SELECT, stretch)
            _give_back()


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


def _csv(column: SqlColumn) -> str:
    if column.kind != "foreign":
        return column.sql
    starts = "".join(f"\\u{ord(start):04x}" for start in FORMULA_STARTS if start != "\0")
    return f"""CASE WHEN left({column.sql}, 1) = ANY (string_to_array(U&'{starts.replace(chr(92) + "u", chr(92))}', NULL))
        THEN '''' || {column.sql} ELSE {column.sql} END"""


def _json(column: SqlColumn) -> str:
    text = f"({column.sql})::text" if column.kind == "number" else f"to_json(({column.sql})::text)::text"
    return f"""'"{column.name}":' || coalesce({text}, 'null')"""


def _select(expressions: Sequence[str]) -> str:
    return f"SELECT {', '.join(expressions)} {_FROM}"


_SELECT: Final = _select([column.sql for column in MOVEMENTS])
_LINE: Final = "'{' || " + " || ',' || ".join(_json(column) for column in MOVEMENTS) + " || '}'"
# The quote and delimiter of the second are characters that JSON always escapes, so a line goes out as it is.
_COPY: Final[Mapping[Format, str]] = {
    Format.CSV: f"COPY ({_select([_csv(column) for column in MOVEMENTS])}) TO STDOUT WITH (FORMAT csv)",
    Format.JSONL: f"COPY ({_select([_LINE])}) TO STDOUT WITH (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')",
}
