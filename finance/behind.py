"""The rounds behind a figure of the reports, of which they are the same days, boxes, currency and payer.

A round of several boxes has its share only: what was staked on, and won in, the boxes that the figure is of. So the amounts of
all pages add up to the figure.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from finance.days import period
from finance.reports import Selection
from lootbox.core import db
from lootbox.core.pagination import Page, Position, paginate

PAGE: Final = 50


@dataclass(frozen=True)
class Share:
    """What of a round counts in a figure. Amounts in minor units of `currency`; a free open has neither stake nor payout."""

    round_id: UUID
    settled_at: dt.datetime
    player_id: int
    player: str
    currency: str
    funding: str
    boxes: int
    names: str
    turnover: int
    payout: int
    free_cost: int


# Down the operator's rounds in the order of their draws, until a page is full. Where few of them hold the box that is asked for
# it goes through the days at most, which the figure itself did.
_SHARES: Final = """
SELECT round.id, round.settled_at, round.player_id,
    (SELECT external_id FROM operators_player player WHERE player.id = round.player_id), round.currency, round.funding,
    share.boxes, share.names, paid.yes * share.stake, paid.yes * share.won, (1 - paid.yes) * share.won
FROM purchases_round round
CROSS JOIN LATERAL (SELECT (round.funding = 'player')::int::bigint AS yes) paid
CROSS JOIN LATERAL (
    SELECT count(*) AS boxes, string_agg(DISTINCT box.slug || ' v' || version.number, ', ') AS names,
        sum(reel.bet_minor)::bigint AS stake, sum(draw.value_minor)::bigint AS won
    FROM purchases_reel reel
    JOIN purchases_draw draw ON draw.round_id = reel.round_id AND draw.reel_index = reel.reel_index
    JOIN catalog_boxversion version ON version.id = reel.box_version_id
    JOIN catalog_box box ON box.id = version.box_id
    WHERE reel.round_id = round.id AND (%(box)s::bigint IS NULL OR version.box_id = %(box)s::bigint)
      AND (%(version)s::bigint IS NULL OR version.id = %(version)s::bigint)
) share
WHERE round.operator_id = %(operator)s AND round.settled_at >= %(start)s AND round.settled_at < %(end)s
  AND (%(currency)s::text IS NULL OR round.currency = %(currency)s::text)
  AND (%(funding)s::text IS NULL OR round.funding = %(funding)s::text)
  AND share.boxes > 0 {beyond}
ORDER BY round.settled_at {order}, round.id {order} LIMIT %(limit)s
"""
_NEWEST: Final = _SHARES.format(beyond="", order="DESC")
_OLDER: Final = _SHARES.format(beyond="AND (round.settled_at, round.id) < (%(moment)s, %(round)s)", order="DESC")
_NEWER: Final = _SHARES.format(beyond="AND (round.settled_at, round.id) > (%(moment)s, %(round)s)", order="ASC")


def rounds(selection: Selection, *, position: Position | None) -> Page[Share]:
    """Return a page of the rounds that were drawn of what is selected, of one operator, the newest first."""
    [operator] = selection.operators
    start, end = period(selection.first, selection.last, selection.zone.of(operator))
    asked: dict[str, Any] = {
        "operator": operator.pk,
        "start": start,
        "end": end,
        "currency": selection.currency,
        "funding": selection.funding,
        "box": selection.box_id,
        "version": selection.version_id,
    }

    def fetch(beside: Position | None, limit: int) -> Sequence[Share]:
        sql, beyond = _NEWEST, {}
        if beside is not None:
            sql, beyond = _NEWER if beside.backwards else _OLDER, {"moment": beside.moment, "round": beside.row_id}
        return [Share(*row) for row in db.rows(sql, {**asked, **beyond, "limit": limit})]

    return paginate(fetch=fetch, key=lambda share: (share.settled_at, share.round_id), position=position, limit=PAGE)
