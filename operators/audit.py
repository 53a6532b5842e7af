"""The audit log: one hash-chained entry for whatever a person does, in the transaction that does it."""

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection

from lootbox.core import db
from lootbox.core.strict_json import canonical
from operators.models import AuditEntry, Operator

# Taken until the transaction ends, so that entries follow each other one by one; people act rarely enough.
_CHAIN_LOCK: Final = 0x6C6F6F74
FIRST_HASH: Final = "0" * 64


@dataclass(frozen=True)
class By:
    """Who acts and why; `confirmed_by` is the second person, where it takes two."""

    actor: str
    reason: str
    confirmed_by: str = ""


COMMAND_LINE: Final = By("command line", "asked for on the command line")


class BrokenChain(Exception):
    """The log is not what was written; the message says at which entry."""


def record(
    *,
    by: By,
    action: str,
    operator: Operator | None,
    subject: str,
    at: dt.datetime,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Append an entry in the caller's transaction and return it. Values must be JSON; secrets don't belong into them."""
    if not connection.in_atomic_block:
        raise RuntimeError("An audit entry belongs into the transaction of what it tells of.")
    db.rows("SELECT pg_advisory_xact_lock(%(lock)s)::text", {"lock": _CHAIN_LOCK})
    latest = AuditEntry.objects.order_by("-sequence").first()
    entry = AuditEntry(
        sequence=latest.sequence + 1 if latest else 1,
        at=at,
        operator=operator,
        actor=by.actor,
        confirmed_by=by.confirmed_by,
        action=action,
        subject=subject,
        reason=by.reason,
        before=dict(before or {}),
        after=dict(after or {}),
        previous_hash=latest.hash if latest else FIRST_HASH,
    )
    entry.hash = entry_hash(entry)
    entry.save(force_insert=True)
    return entry


def entry_hash(entry: AuditEntry) -> str:
    """Return the hash of the entry's content and of the hash before it."""
    content = {
        "sequence": entry.sequence,
        "at": entry.at.astimezone(dt.UTC).isoformat(timespec="microseconds"),
        "operator": entry.operator_id,
        "actor": entry.actor,
        "confirmedBy": entry.confirmed_by,
        "action": entry.action,
        "subject": entry.subject,
        "reason": entry.reason,
        "before": entry.before,
        "after": entry.after,
        "previousHash": entry.previous_hash,
    }
    return hashlib.sha256(canonical(content)).hexdigest()


def verify() -> tuple[int, str]:
    """Return how many entries there are, and the newest one's hash. Raises `BrokenChain` at the first that does not hold."""
    count, previous = 0, FIRST_HASH
    for entry in AuditEntry.objects.order_by("sequence").iterator(chunk_size=2000):
        count += 1
        if entry.sequence != count:
            raise BrokenChain(f"Entry {count} is missing: after {count - 1} comes {entry.sequence}.")
        if entry.previous_hash != previous or entry.hash != entry_hash(entry):
            raise BrokenChain(f"Entry {count} is not what was written: its hash does not hold.")
        previous = entry.hash
    return count, previous
