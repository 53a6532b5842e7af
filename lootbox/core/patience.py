"""How long PostgreSQL may keep money waiting: the API and recovery are cut off in time, pages, reports and migrations are not.

Without limits one stuck transaction would hold every request behind it until nothing else is served. What is cut off is as if
it had never begun, and is answered with 503.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final
from weakref import WeakSet

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import Connection
from psycopg.errors import DeadlockDetected, LockNotAvailable, ReadOnlySqlTransaction, SerializationFailure

# PostgreSQL chose a victim, or a lock was not to be had in time: the same again may do.
CONTENTION: Final = (SerializationFailure, DeadlockDetected, LockNotAvailable)

_LIMITS: Final = """
SELECT set_config('lock_timeout', %s, false), set_config('statement_timeout', %s, false),
    set_config('idle_in_transaction_session_timeout', %s, false)
"""
_limited: ContextVar[bool] = ContextVar("limited", default=False)
# The pool's connections that have the limits at the moment. They cost a round trip only where a connection changes hands
# between those who want them and those who don't.
_have_limits: WeakSet[Any] = WeakSet()


@contextmanager
def limited() -> Iterator[None]:
    """Have all connections that are taken in the block, in this thread, cut statements off that wait or run for too long."""
    before = _limited.set(True)
    try:
        yield
    finally:
        _limited.reset(before)


def set_limits(*, connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Give a connection that Django just took from the pool the limits that are wanted; its signal `connection_created`."""
    limit(connection.connection)


def limit(taken: Connection[Any]) -> None:
    """Give a connection the limits that are wanted, if it does not have them."""
    wanted = _limited.get()
    if wanted == (taken in _have_limits):
        return
    seconds = (
        settings.LOOTBOX_LOCK_TIMEOUT_S,
        settings.LOOTBOX_STATEMENT_TIMEOUT_S,
        settings.LOOTBOX_IDLE_IN_TRANSACTION_TIMEOUT_S,
    )
    taken.execute(_LIMITS, [str(round(limit * 1000)) if wanted else "0" for limit in seconds])
    if wanted:
        _have_limits.add(taken)
    else:
        _have_limits.discard(taken)


def is_contention(error: Exception) -> bool:
    """Return whether the same transaction may well succeed when it is tried again at once."""
    return isinstance(error, DatabaseError) and isinstance(error.__cause__, CONTENTION)


def is_passing(error: Exception) -> bool:
    """Return whether the database was out of reach, too slow, too busy, full or read-only: nothing that is wrong with us."""
    if isinstance(error, OperationalError | InterfaceError):
        return True
    return isinstance(error, DatabaseError) and isinstance(error.__cause__, ReadOnlySqlTransaction)
