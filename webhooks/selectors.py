"""Reading the feed, and how endpoints are doing."""

import datetime as dt
from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

from lootbox.core import db
from lootbox.core.errors import invalid
from lootbox.core.ids import Prefix, parse_public_id, public_id
from operators.models import Operator
from webhooks.models import Event

RECENT_ATTEMPTS: Final = 200
COUNT_LIMIT: Final = 10_000

_HEALTH = """
    SELECT endpoint.operator_id,
        (SELECT min(d.next_attempt_at) FROM webhooks_delivery d
            WHERE d.operator_id = endpoint.operator_id AND d.state = 'due') AS waiting_since,
        (SELECT count(*) FROM (SELECT FROM webhooks_delivery d
            WHERE d.operator_id = endpoint.operator_id AND d.state = 'due' LIMIT %(limit)s) due) AS due,
        (SELECT count(*) FROM (SELECT FROM webhooks_delivery d
            WHERE d.operator_id = endpoint.operator_id AND d.state IN ('failed', 'stopped')
                AND d.event_id >= %(earliest)s LIMIT %(limit)s) undelivered) AS undelivered,
        recent.*
    FROM webhooks_endpoint endpoint CROSS JOIN LATERAL (
        SELECT count(*) AS attempts, count(*) FILTER (WHERE outcome = 'delivered') AS successes,
            percentile_disc(0.5) WITHIN GROUP (ORDER BY latency_ms) AS p50_ms,
            percentile_disc(0.95) WITHIN GROUP (ORDER BY latency_ms) AS p95_ms
        FROM (
            SELECT a.outcome, a.latency_ms FROM webhooks_deliveryattempt a
            WHERE a.operator_id = endpoint.operator_id ORDER BY a.id DESC LIMIT %(attempts)s
        ) latest
    ) recent
    WHERE endpoint.operator_id = ANY(%(operators)s::bigint[])
"""


class FeedPage(NamedTuple):
    """Some events in feed order, as they were sent, and the id to go on after; None at the end."""

    bodies: Sequence[bytes]
    next: str | None


class Health(NamedTuple):
    """How an endpoint is doing. Counts stop at 10,000; rate and latencies are of its last 200 attempts, None without any."""

    operator_id: int
    waiting_since: dt.datetime | None
    due: int
    undelivered: int
    attempts: int
    successes: int
    p50_ms: int | None
    p95_ms: int | None


def feed_page(*, operator: Operator, after: str | None, limit: int) -> FeedPage:
    """Return up to `limit` numbered events that follow the event `after`, or the first ones.

    Raises `VALIDATION_FAILED` for an `after` that is no event of this operator's. Contract section 7.
    """
    events = Event.objects.filter(operator=operator, sequence__isnull=False)
    position = 0 if after is None else _sequence(operator, after)
    rows = list(events.filter(sequence__gt=position).order_by("sequence").values_list("id", "body")[: limit + 1])
    shown = rows[:limit]
    return FeedPage([bytes(body) for _, body in shown], public_id(Prefix.EVENT, shown[-1][0]) if len(rows) > limit else None)


def health(*, operator_ids: Sequence[int], since: dt.datetime) -> dict[int, Health]:
    """Return how these operators' endpoints are doing; undelivered are those of events since `since` that wait for a person."""
    found = db.rows(
        _HEALTH,
        {
            "operators": list(operator_ids),
            "earliest": earliest_id(at=since),
            "attempts": RECENT_ATTEMPTS,
            "limit": COUNT_LIMIT,
        },
    )
    return {row[0]: Health(*row) for row in found}


def earliest_id(*, at: dt.datetime) -> UUID:
    """Return the smallest id that an event prepared at `at` can have: ids begin with the milliseconds of their making."""
    return UUID(int=int(at.timestamp() * 1000) << 80)


def _sequence(operator: Operator, after: str) -> int:
    event_id = parse_public_id(Prefix.EVENT, after)
    found = (
        Event.objects.filter(operator=operator, pk=event_id).values_list("sequence", flat=True).first() if event_id else None
    )
    if found is None:
        raise invalid("after", "Send the id of an event that this feed has given, or nothing to begin with the first.")
    return found
