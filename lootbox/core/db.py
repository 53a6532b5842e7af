"""The words of the database: a phase that commits by itself, and a prepared statement that is one round trip."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any, cast

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from psycopg.types.numeric import Int8Dumper

from lootbox.core.postgresql.base import Connection, DatabaseWrapper

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
    """Return what one statement answers. Outside a phase it commits by itself, which saves two round trips.

    Where this thread has no connection, the statement borrows one for itself alone: what Django does around opening and closing
    its own costs as much as the statement.
    """
    database = _database()
    if database.execute_wrappers or database.force_debug_cursor:
        # Somebody counts or logs statements, and does so where Django's own go through.
        with database.cursor() as cursor:
            cursor.adapters.register_dumper(int, Int8Dumper)
            cursor.execute(sql, params)
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found
    with database.wrap_database_errors:
        if database.connection is not None or database.in_atomic_block:
            database.ensure_connection()
            own: Connection = database.connection
            return own.rows(sql, params)
        borrowed = database.borrow()
        try:
            return borrowed.rows(sql, params)
        finally:
            database.give_back(borrowed)


def after_commit(act: Callable[[], object]) -> None:
    """Do `act` once what was written is committed: at once outside a phase, where a statement has committed by itself."""
    database = _database()
    if database.in_atomic_block:
        database.on_commit(act)
    else:
        act()


def let_go() -> None:
    """Give this thread's connection back to the pool. Raises `RuntimeError` inside a transaction."""
    database = _database()
    if database.in_atomic_block:
        raise RuntimeError("Nobody is asked inside a transaction: commit the intent first.")
    if database.connection is not None:
        database.close()


def end_request(**_: Any) -> None:
    """Give back the connection that a request leaves with its thread, if it does; Django's signal `request_finished`.

    A transaction that is still open is not the request's: a test's stands around it.
    """
    database = _database()
    if database.connection is not None and not database.in_atomic_block:
        database.close()


def _database() -> DatabaseWrapper:
    return cast("DatabaseWrapper", connections[DEFAULT_DB_ALIAS])
