"""The dispatcher's statements: take what is due in hand, and write down how it ended. One round trip each for any batch."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from lootbox.core import db
from webhooks.lanes import AHEAD, AHEAD_OF_SLOW, FIRST_WIDTH, Job, Lane
from webhooks.models import Delivery, DeliveryState
from webhooks.sender import Attempt

# Each lease serves this many operators that answer promptly and as many that don't, drawn by lot, so that all have their turn.
LANES_AT_ONCE: Final = 16

_DUE: Final = """
    d.state = 'due' AND d.next_attempt_at <= %(at)s AND (d.leased_until IS NULL OR d.leased_until <= %(at)s)
"""
_LEASE: Final = f"""
    WITH lane AS (
        SELECT o.id, o.version, e.failing_since,
            COALESCE(known.slow, e.failing_since IS NOT NULL) AS slow,
            COALESCE(known.quota, CASE WHEN e.failing_since IS NULL THEN %(quota)s ELSE %(slow_quota)s END) AS quota
        FROM operators_operator o
        JOIN webhooks_endpoint e ON e.operator_id = o.id
        LEFT JOIN unnest(%(known)s::bigint[], %(slow)s::boolean[], %(quotas)s::int[]) AS known (id, slow, quota)
            ON known.id = o.id
        WHERE e.enabled AND o.webhook_url <> '' AND EXISTS (
            SELECT FROM webhooks_delivery d WHERE d.operator_id = o.id AND {_DUE}
        )
    ), chosen AS (
        (SELECT *, %(room)s AS room FROM lane WHERE NOT slow AND quota > 0 ORDER BY random() LIMIT %(lanes)s)
        UNION ALL
        (SELECT *, %(slow_room)s AS room FROM lane WHERE slow AND quota > 0 ORDER BY random() LIMIT %(lanes)s)
    ), shared AS (
        SELECT *, LEAST(quota, room / count(*) OVER (PARTITION BY slow)) AS share FROM chosen
    ), leased AS (
        SELECT shared.version, shared.failing_since, due.event_id
        FROM shared CROSS JOIN LATERAL (
            SELECT d.event_id FROM webhooks_delivery d WHERE d.operator_id = shared.id AND {_DUE}
            ORDER BY d.next_attempt_at, d.event_id LIMIT shared.share
            FOR NO KEY UPDATE SKIP LOCKED
        ) due
    )
    UPDATE webhooks_delivery d SET leased_until = %(until)s
    FROM leased JOIN webhooks_event event ON event.id = leased.event_id
    WHERE d.event_id = leased.event_id
    RETURNING d.operator_id, leased.version, leased.failing_since, d.next_attempt_at, d.event_id, event.body, d.failures
"""  # noqa: S608 - composed of constants

_MARK: Final = """
    WITH ended AS (
        SELECT * FROM unnest(
            %(event_id)s::uuid[], %(leased_until)s::timestamptz[], %(state)s::text[], %(failures)s::int[],
            %(next_attempt_at)s::timestamptz[], %(url)s::text[], %(started_at)s::timestamptz[], %(latency_ms)s::int[],
            %(outcome)s::text[], %(http_status)s::int[], %(detail)s::text[], %(excerpt)s::text[]
        ) AS ended (event_id, leased_until, state, failures, next_attempt_at, url, started_at, latency_ms, outcome, http_status,
            detail, excerpt)
    ), marked AS (
        UPDATE webhooks_delivery d SET
            state = ended.state,
            attempts = d.attempts + 1,
            failures = ended.failures,
            next_attempt_at = ended.next_attempt_at,
            leased_until = NULL,
            delivered_at = CASE WHEN ended.state = 'delivered'
                THEN ended.started_at + ended.latency_ms * interval '1 millisecond' ELSE d.delivered_at END
        FROM ended
        WHERE d.event_id = ANY(%(event_id)s::uuid[]) AND d.event_id = ended.event_id
            AND d.state = 'due' AND d.leased_until = ended.leased_until
        RETURNING d.event_id, d.operator_id, d.attempts
    )
    INSERT INTO webhooks_deliveryattempt
        (delivery_id, operator_id, number, url, started_at, latency_ms, outcome, http_status, detail, excerpt)
    SELECT marked.event_id, marked.operator_id, marked.attempts,
        ended.url, ended.started_at, ended.latency_ms, ended.outcome, ended.http_status, ended.detail, ended.excerpt
    FROM marked JOIN ended USING (event_id)
    RETURNING delivery_id
"""


class Leased(NamedTuple):
    """A delivery taken in hand, and what its operator and endpoint were like at that moment."""

    operator_id: int
    version: int
    failing_since: dt.datetime | None
    job: Job


class Ended(NamedTuple):
    """What a delivery becomes after an attempt."""

    job: Job
    attempt: Attempt
    state: DeliveryState
    failures: int
    next_attempt_at: dt.datetime | None


def lease(*, lanes: Mapping[int, Lane], room: int, slow_room: int, at: dt.datetime, until: dt.datetime) -> list[Leased]:
    """Return due deliveries, the oldest of each operator first; nobody else takes them before `until`.

    An operator gets no more than its lane's quota, and a fair share of `room`, or of `slow_room` when its receiver is slow.
    """
    found = db.rows(
        _LEASE,
        {
            "at": at,
            "until": until,
            "known": list(lanes),
            "slow": [lane.slow for lane in lanes.values()],
            "quotas": [lane.quota for lane in lanes.values()],
            "quota": FIRST_WIDTH * AHEAD,
            "slow_quota": AHEAD_OF_SLOW,
            "room": room,
            "slow_room": slow_room,
            "lanes": LANES_AT_ONCE,
        },
    )
    found.sort(key=lambda row: (row[3], row[4]))
    return [
        Leased(operator_id, version, failing_since, Job(event_id, bytes(body), failures, until))
        for operator_id, version, failing_since, _, event_id, body, failures in found
    ]


def mark(*, ended: Sequence[Ended]) -> int:
    """Write down how attempts ended, and return how many were; one whose lease another dispatcher took over is left to that."""
    marked = db.rows(
        _MARK,
        {
            "event_id": [each.job.event_id for each in ended],
            "leased_until": [each.job.leased_until for each in ended],
            "state": [each.state.value for each in ended],
            "failures": [each.failures for each in ended],
            "next_attempt_at": [each.next_attempt_at for each in ended],
            "url": [each.attempt.url for each in ended],
            "started_at": [each.attempt.started_at for each in ended],
            "latency_ms": [each.attempt.latency_ms for each in ended],
            "outcome": [each.attempt.outcome.value for each in ended],
            "http_status": [each.attempt.http_status for each in ended],
            "detail": [each.attempt.detail for each in ended],
            "excerpt": [each.attempt.excerpt for each in ended],
        },
    )
    return len(marked)


def release(*, jobs: Sequence[Job]) -> None:
    """Let others take what was leased and not begun."""
    Delivery.objects.filter(pk__in=[job.event_id for job in jobs], leased_until__in={job.leased_until for job in jobs}).update(
        leased_until=None
    )
