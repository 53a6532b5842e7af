"""The casino's own database, one SQLite file."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Times are ISO 8601 in UTC. Amounts are whole minor units: cents for EUR, yen for JPY.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS balances (
    player TEXT NOT NULL,
    currency TEXT NOT NULL,
    opening_minor INTEGER NOT NULL,
    balance_minor INTEGER NOT NULL CHECK (balance_minor >= 0),
    PRIMARY KEY (player, currency)
);
-- What the wallet decided, once per key, for ever. A row is never changed; moved_minor is what it did to the balance,
-- so opening_minor and the sum of moved_minor make balance_minor.
CREATE TABLE IF NOT EXISTS movements (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    player TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    error_code TEXT,
    moved_minor INTEGER NOT NULL,
    balance_after_minor INTEGER NOT NULL,
    at TEXT NOT NULL
);
-- Each event once, however often it is delivered.
CREATE TABLE IF NOT EXISTS events (
    id TEXT PRIMARY KEY,
    type TEXT NOT NULL,
    body TEXT NOT NULL,
    at TEXT NOT NULL
);
-- Every wallet call and webhook whose signature held, repeats too: for people to look at.
CREATE TABLE IF NOT EXISTS arrivals (
    id INTEGER PRIMARY KEY,
    channel TEXT NOT NULL,
    type TEXT NOT NULL,
    player TEXT NOT NULL,
    reference TEXT NOT NULL,
    body TEXT NOT NULL,
    answer TEXT NOT NULL,
    at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS arrivals_reference ON arrivals (channel, reference);
-- What players clicked on, written down before the platform hears of it.
CREATE TABLE IF NOT EXISTS purchases (
    client_action_id TEXT PRIMARY KEY,
    player TEXT NOT NULL,
    box_version_id INTEGER NOT NULL,
    status INTEGER,
    answer TEXT,
    at TEXT NOT NULL
);
"""


def create(path: Path) -> None:
    """Make the file and its tables where they are missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    db = connect(path)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(_SCHEMA)
    finally:
        db.close()


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection that the caller closes. A commit on it is on the disk when it returns."""
    # Waiting for another writer ends before the platform gives up on our answer, after 10 s.
    db = sqlite3.connect(path, timeout=8, isolation_level=None)
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA synchronous = FULL")
    return db


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Take the one write lock first, so that what is read inside is still true when it is acted on."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
