"""The words of the database: a phase that commits by itself, and a prepared statement that is one round trip."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

from django.db import connection, transaction
from psycopg.types.numeric import Int8Dumper

# Called in the transaction that acts, so that what it writes, such as an audit entry, stands or falls with the act.
Witness = Callable[[], object]


def phase() -> transaction.Atomic:
    """Return the context of one phase: committed when it ends, and refused inside another transaction."""
    return transaction.atomic(durable=True)


def clock() -> dt.datetime:
    """Return the database's time: what is due, or still under way, must not hang on which process is asked.

    It costs a round trip; on the hot path the statements themselves say `now()`.
    """
    [(now,)] = rows("SELECT clock_timestamp()", {})
    at: dt.datetime = now
    return at


def rows(sql: str, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return what one statement answers. Outside a phase it commits by itself, which saves two round trips."""
    with connection.cursor() as cursor:
        # Every integer goes out as a bigint. Sized by their values, as usual, each mix of sizes would be a statement of its own
        # to prepare, on every connection anew.
        cursor.adapters.register_dumper(int, Int8Dumper)
        cursor.execute(sql, params)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found
