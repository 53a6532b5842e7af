"""Counting the draws, each exactly once, and raising the flags that a single draw or player gives reason for.

A purchase knows nothing of this. The schedule has new draws counted from PostgreSQL, in order of their ids and in bounded
batches; `TallyProgress` says how none is passed over that was committed late.
"""

import datetime as dt
from collections.abc import Callable
from typing import Final

from finance import flags
from finance.models import TallyProgress
from lootbox.core import db

Clock = Callable[[], dt.datetime]
BATCH: Final = 10_000

# One statement, and so one snapshot: whoever holds a draw's id at or below the newest that it sees began before its xmax.
_LOOK: Final = """
UPDATE finance_tallyprogress
SET seen_to = COALESCE((SELECT max(id) FROM purchases_draw), 0),
    seen_before = pg_snapshot_xmax(pg_current_snapshot())::text::bigint
WHERE id = %(id)s RETURNING seen_to
"""
# A transaction id from the future is one of another cluster, which this database was restored from: nothing of it runs here.
_SETTLED: Final = """
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint >= %(xid)s
    OR pg_snapshot_xmax(pg_current_snapshot())::text::bigint < %(xid)s
"""
_TALLY: Final = """
INSERT INTO finance_drawtally AS tally (operator_id, box_version_id, currency, funding, prize_id, hour, draws)
SELECT draw.operator_id, draw.box_version_id, round.currency, round.funding, draw.prize_id,
    date_trunc('hour', round.settled_at, 'UTC'), count(*)
FROM purchases_draw draw JOIN purchases_round round ON round.id = draw.round_id
WHERE draw.id > %(after)s AND draw.id <= %(upto)s
GROUP BY 1, 2, 3, 4, 5, 6
ON CONFLICT (box_version_id, currency, funding, hour, prize_id) DO UPDATE SET draws = tally.draws + excluded.draws
RETURNING draws
"""


def count_draws(*, clock: Clock, until: dt.datetime) -> int:
    """Count the draws that nobody counted yet, raise their flags, and return how many ids were gone through.

    Ends when there are no more, when one has to wait for a purchase that is being committed, or at `until`; the next run goes
    on from there. Beside another run it does nothing.
    """
    gone_through = 0
    TallyProgress.objects.get_or_create(pk=1)
    while clock() < until:
        with db.phase():
            progress = TallyProgress.objects.select_for_update(skip_locked=True).filter(pk=1).first()
            if progress is None:
                return gone_through
            if progress.counted_to == progress.seen_to:
                ((seen_to,),) = db.rows(_LOOK, {"id": 1})
                if seen_to == progress.counted_to:
                    return gone_through
                continue
            if db.rows(_SETTLED, {"xid": progress.seen_before}) != [(True,)]:
                return gone_through
            gone_through += _count_batch(progress, clock())
    return gone_through


def _count_batch(progress: TallyProgress, at: dt.datetime) -> int:
    after = progress.counted_to
    upto = min(progress.seen_to, after + BATCH)
    db.rows(_TALLY, {"after": after, "upto": upto})
    flags.flag_big_wins(after=after, upto=upto, at=at)
    flags.flag_free_opens(after=after, upto=upto, at=at)
    TallyProgress.objects.filter(pk=progress.pk).update(counted_to=upto)
    return upto - after
