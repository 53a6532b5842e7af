"""The feed's order: events get a gapless number per operator after their commit.

An id or a time is taken before the commit, so a reader who remembers the highest one he saw would miss a row that was taken
earlier and committed later. A number is given only to what is committed, by one numberer at a time, who commits before the next
one starts: behind a number that somebody has seen, nothing ever appears. Settlements don't queue for it.
"""

from typing import Final

from lootbox.core import db

BATCH: Final = 5000

# Two statements, because the second must look at the table after the lock was won.
_LOCK = """
    SELECT operator_id FROM webhooks_endpoint
    WHERE operator_id = %(operator)s
        AND EXISTS (SELECT FROM webhooks_event e WHERE e.operator_id = webhooks_endpoint.operator_id AND e.sequence IS NULL)
    FOR NO KEY UPDATE
"""
_LOCK_ALL = """
    SELECT operator_id FROM webhooks_endpoint
    WHERE EXISTS (SELECT FROM webhooks_event e WHERE e.operator_id = webhooks_endpoint.operator_id AND e.sequence IS NULL)
    FOR NO KEY UPDATE SKIP LOCKED
"""
_NUMBER = """
    WITH fresh AS (
        SELECT id, operator_id FROM webhooks_event
        WHERE operator_id = ANY(%(operators)s::bigint[]) AND sequence IS NULL ORDER BY id LIMIT %(batch)s
    ), numbered AS (
        UPDATE webhooks_event e SET sequence = place.sequence
        FROM (
            SELECT fresh.id,
                endpoint.last_sequence + row_number() OVER (PARTITION BY fresh.operator_id ORDER BY fresh.id) AS sequence
            FROM fresh JOIN webhooks_endpoint endpoint USING (operator_id)
        ) place
        WHERE e.id = place.id
        RETURNING e.operator_id, e.sequence
    ), moved AS (
        UPDATE webhooks_endpoint endpoint SET last_sequence = newest.sequence
        FROM (SELECT operator_id, max(sequence) AS sequence FROM numbered GROUP BY operator_id) newest
        WHERE endpoint.operator_id = newest.operator_id
    )
    SELECT count(*) FROM numbered
"""


def number_events(*, operator_id: int | None = None) -> int:
    """Give committed events their place in the feed, and return how many got one.

    With `operator_id` all of that operator's, after waiting for whoever is numbering them; without it everybody's, passing over
    whom another process is busy with.
    """
    total = 0
    while True:
        with db.phase():
            locked = db.rows(_LOCK_ALL, {}) if operator_id is None else db.rows(_LOCK, {"operator": operator_id})
            numbered: int = db.rows(_NUMBER, {"operators": [row[0] for row in locked], "batch": BATCH})[0][0] if locked else 0
        total += numbered
        if numbered < BATCH:
            return total
