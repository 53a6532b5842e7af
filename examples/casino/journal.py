"""What arrived: every wallet call and webhook as raw text for people, and each event once to act on."""

import json
import sqlite3
from typing import Literal

PAGE = 100


def record(
    db: sqlite3.Connection,
    channel: Literal["wallet", "webhook"],
    *,
    kind: str,
    player: str,
    reference: str,
    body: bytes,
    answer: object,
    at: str,
) -> None:
    """Note an arrival. `reference` is the idempotency key or the event's id: the same again is a repeat."""
    db.execute(
        "INSERT INTO arrivals (channel, type, player, reference, body, answer, at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (channel, kind, player, reference, body.decode(), json.dumps(answer), at),
    )


def accept_event(db: sqlite3.Connection, *, event_id: str, kind: str, body: bytes, at: str) -> bool:
    """Return whether the event is new. Deliveries repeat; what an event makes you do belongs into this transaction."""
    added = db.execute("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?)", (event_id, kind, body.decode(), at))
    return added.rowcount == 1


def newest(db: sqlite3.Connection, *, before: int) -> list[sqlite3.Row]:
    """Return up to 100 arrivals with an id below `before`, newest first, each with `is_repeat`."""
    return db.execute(
        "SELECT *, reference <> '' AND EXISTS (SELECT 1 FROM arrivals AS earlier WHERE earlier.channel = arrivals.channel"
        " AND earlier.reference = arrivals.reference AND earlier.id < arrivals.id) AS is_repeat"
        " FROM arrivals WHERE id < ? ORDER BY id DESC LIMIT ?",
        (before, PAGE),
    ).fetchall()
