"""Counting draws and deliveries, each exactly once, and raising the flags that a single draw or player gives reason for.

A purchase knows nothing of this. The schedule has what is new counted from PostgreSQL, in order of ids and in bounded batches;
`TallyProgress` says how none is passed over that was committed late.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from finance import flags
from finance.models import TallyProgress
from lootbox.core import db

Clock = Callable[[], dt.datetime]
BATCH: Final = 10_000

# One statement, and so one snapshot: whoever holds an id at or below the newest that it sees began before its xmax.
_LOOK: Final = """
UPDATE finance_tallyprogress
SET seen_to = COALESCE((SELECT max(id) FROM {table}), 0), seen_before = pg_snapshot_xmax(pg_current_snapshot())::text::bigint
WHERE name = %(name)s RETURNING seen_to
"""
# A transaction id from the future is one of another cluster, which this database was restored from: nothing of it runs here.
_SETTLED: Final = """
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint >= %(xid)s
    OR pg_snapshot_xmax(pg_current_snapshot())::text::bigint < %(xid)s
"""
_DRAWS: Final = """
INSERT INTO finance_drawtally AS tally (operator_id, box_version_id, currency, funding, prize_id, hour, draws)
SELECT draw.operator_id, draw.box_version_id, round.currency, round.funding, draw.prize_id,
    date_trunc('hour', round.settled_at, 'UTC'), count(*)
FROM purchases_draw draw JOIN purchases_round round ON round.id = draw.round_id
WHERE draw.id > %(after)s AND draw.id <= %(upto)s
GROUP BY 1, 2, 3, 4, 5, 6
ON CONFLICT (box_version_id, currency, funding, hour, prize_id) DO UPDATE SET draws = tally.draws + excluded.draws
RETURNING 1
"""
_DAYS: Final = """
INSERT INTO finance_drawday AS tally (operator_id, box_version_id, currency, funding, prize_id, day, draws)
SELECT draw.operator_id, draw.box_version_id, round.currency, round.funding, draw.prize_id,
    (round.settled_at AT TIME ZONE 'UTC')::date, count(*)
FROM purchases_draw draw JOIN purchases_round round ON round.id = draw.round_id
WHERE draw.id > %(after)s AND draw.id <= %(upto)s
GROUP BY 1, 2, 3, 4, 5, 6
ON CONFLICT (box_version_id, currency, funding, day, prize_id) DO UPDATE SET draws = tally.draws + excluded.draws
RETURNING 1
"""
_PLAY: Final = """
INSERT INTO finance_playtally AS tally (operator_id, hour, box_version_id, currency, base_currency, funding,
    rounds, boxes, bet_minor, base_bet_minor, won_minor, base_won_minor)
SELECT draw.operator_id, date_trunc('hour', round.settled_at, 'UTC'), draw.box_version_id, round.currency, round.base_currency,
    round.funding, count(*) FILTER (WHERE reel.position = 1), count(*), sum(reel.bet_minor), sum(reel.base_bet_minor),
    sum(draw.value_minor), sum(draw.base_value_minor)
FROM purchases_draw draw
JOIN purchases_round round ON round.id = draw.round_id
JOIN purchases_reel reel ON reel.round_id = draw.round_id AND reel.reel_index = draw.reel_index
WHERE draw.id > %(after)s AND draw.id <= %(upto)s
GROUP BY 1, 2, 3, 4, 5, 6
ON CONFLICT (operator_id, hour, box_version_id, currency, base_currency, funding) DO UPDATE SET
    rounds = tally.rounds + excluded.rounds, boxes = tally.boxes + excluded.boxes,
    bet_minor = tally.bet_minor + excluded.bet_minor, base_bet_minor = tally.base_bet_minor + excluded.base_bet_minor,
    won_minor = tally.won_minor + excluded.won_minor, base_won_minor = tally.base_won_minor + excluded.base_won_minor
RETURNING 1
"""
_DELIVERIES: Final = """
INSERT INTO finance_deliverytally AS tally (operator_id, hour, delivered, late, failed)
SELECT attempt.operator_id, date_trunc('hour', attempt.started_at, 'UTC'),
    count(*) FILTER (WHERE attempt.outcome = 'delivered'),
    count(*) FILTER (WHERE attempt.outcome = 'delivered' AND attempt.started_at > event.occurred_at + interval '1 minute'),
    count(*) FILTER (WHERE attempt.outcome <> 'delivered')
FROM webhooks_deliveryattempt attempt JOIN webhooks_event event ON event.id = attempt.delivery_id
WHERE attempt.id > %(after)s AND attempt.id <= %(upto)s
GROUP BY 1, 2
ON CONFLICT (operator_id, hour) DO UPDATE SET
    delivered = tally.delivered + excluded.delivered, late = tally.late + excluded.late, failed = tally.failed + excluded.failed
RETURNING 1
"""


def _count_play(after: int, upto: int, at: dt.datetime) -> None:
    for statement in (_DRAWS, _PLAY):
        db.rows(statement, {"after": after, "upto": upto})
    flags.flag_big_wins(after=after, upto=upto, at=at)
    flags.flag_free_opens(after=after, upto=upto, at=at)


def _count_days(after: int, upto: int, _at: dt.datetime) -> None:
    db.rows(_DAYS, {"after": after, "upto": upto})


def _count_attempts(after: int, upto: int, _at: dt.datetime) -> None:
    db.rows(_DELIVERIES, {"after": after, "upto": upto})


@dataclass(frozen=True)
class _Counted:
    name: str
    look: str
    count: Callable[[int, int, dt.datetime], None]


# Days have a progress of their own: while a release is rolled out, an older one counts by the hour only.
_ALL: Final = (
    _Counted("draws", _LOOK.format(table="purchases_draw"), _count_play),
    _Counted("days of draws", _LOOK.format(table="purchases_draw"), _count_days),
    _Counted("attempts", _LOOK.format(table="webhooks_deliveryattempt"), _count_attempts),
)


def count_new(*, clock: Clock, until: dt.datetime) -> int:
    """Count draws and attempts at delivery that nobody counted yet, raise flags, and return how many ids were gone through.

    Ends when there are no more, when one has to wait for a transaction that is being committed, or at `until`; the next run
    goes on from there. Beside another run it does nothing.
    """
    return sum(_count(counted, clock, until) for counted in _ALL)


def _count(counted: _Counted, clock: Clock, until: dt.datetime) -> int:
    gone_through = 0
    TallyProgress.objects.get_or_create(name=counted.name)
    while clock() < until:
        with db.phase():
            progress = TallyProgress.objects.select_for_update(skip_locked=True).filter(name=counted.name).first()
            if progress is None:
                break
            if progress.counted_to == progress.seen_to:
                ((seen_to,),) = db.rows(counted.look, {"name": counted.name})
                if seen_to == progress.counted_to:
                    break
                continue
            if db.rows(_SETTLED, {"xid": progress.seen_before}) != [(True,)]:
                break
            upto = min(progress.seen_to, progress.counted_to + BATCH)
            counted.count(progress.counted_to, upto, clock())
            TallyProgress.objects.filter(pk=progress.pk).update(counted_to=upto)
            gone_through += upto - progress.counted_to
    return gone_through
