"""Flags: raising them, once a cause, and what people make of them."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

from django.conf import settings
from django.db import transaction

from finance.models import Flag, FlagKind, FlagState, Severity
from finance.models.flags import UNRESOLVED
from lootbox.core import db
from lootbox.core.ids import Prefix, public_id
from lootbox.core.wording import duration, money
from operators import audit
from operators.audit import By

# Older draws are counted, but raise no flags: a platform that begins to watch is not told of years that are over.
FRESH: Final = dt.timedelta(days=30)
# So many times the threshold is one severity up.
WORSE: Final = 10


class NotOpen(Exception):
    """A flag was closed already; the message says so."""


_BIG_WINS: Final = """
SELECT draw.id, draw.round_id, draw.reel_index, round.operator_id, round.player_id, player.external_id, round.currency,
    round.funding, round.settled_at, version.box_id, version.id, box.name ->> operator.default_locale,
    version.price_minor, version.currency, version.total_weight, prize.name ->> operator.default_locale, prize.weight,
    prize.value_minor, COALESCE(operator.big_win_minor, version.price_minor * %(times)s)
FROM purchases_draw draw
JOIN purchases_round round ON round.id = draw.round_id
JOIN operators_player player ON player.id = round.player_id
JOIN operators_operator operator ON operator.id = draw.operator_id
JOIN catalog_boxversion version ON version.id = draw.box_version_id
JOIN catalog_box box ON box.id = version.box_id
JOIN catalog_prize prize ON prize.id = draw.prize_id
WHERE draw.id > %(after)s AND draw.id <= %(upto)s AND round.settled_at > %(since)s
  AND prize.value_minor > 0 AND prize.value_minor >= COALESCE(operator.big_win_minor, version.price_minor * %(times)s)
ORDER BY draw.id
"""


def flag_big_wins(*, after: int, upto: int, at: dt.datetime) -> None:
    """Flag every prize among these draws that is worth the operator's `bigWinMinor` or more, in the base currency.

    Where that is not set, `LOOTBOX_BIG_WIN_PRICES` times the box's price counts.
    """
    times = settings.LOOTBOX_BIG_WIN_PRICES
    found = []
    for (
        draw, round_id, reel, operator, player_id, player, currency, funding, settled_at, box_id, version_id, box,
        price, base, total, prize, weight, value, threshold,
    ) in db.rows(_BIG_WINS, {"after": after, "upto": upto, "since": at - FRESH, "times": times}):  # fmt: skip
        found.append(
            Flag(
                operator_id=operator,
                kind=FlagKind.BIG_WIN,
                cause=f"draw {draw}",
                severity=Severity.HIGH if value >= WORSE * threshold else Severity.MEDIUM,
                box_id=box_id,
                box_version_id=version_id,
                currency=currency,
                funding=funding,
                player_id=player_id,
                round_id=round_id,
                summary=f"{player} won {prize}, worth {money(value, base)}, from {box} for {money(price, base)}.",
                evidence={
                    "player": player,
                    "round": public_id(Prefix.ROUND, round_id),
                    "reelIndex": reel,
                    "settledAt": settled_at.isoformat(),
                    "prize": prize,
                    "valueMinor": value,
                    "priceMinor": price,
                    "baseCurrency": base,
                    "thresholdMinor": threshold,
                    "weight": weight,
                    "totalWeight": total,
                },
                seen_at=at,
            )
        )
    Flag.objects.bulk_create(found, ignore_conflicts=True)


# A player's opens count from the last time that such a flag of theirs was closed: what was explained is not asked again.
_FREE_OPENS: Final = """
WITH opened AS (
    SELECT DISTINCT round.operator_id, round.player_id
    FROM purchases_draw draw JOIN purchases_round round ON round.id = draw.round_id
    WHERE draw.id > %(after)s AND draw.id <= %(upto)s AND round.funding = 'operator' AND round.settled_at > %(since)s
)
SELECT opened.operator_id, opened.player_id, player.external_id, closed.latest, recent.opens, recent.worth, recent.first_at,
    recent.last_at, operator.base_currency
FROM opened
JOIN operators_player player ON player.id = opened.player_id
JOIN operators_operator operator ON operator.id = opened.operator_id
CROSS JOIN LATERAL (
    SELECT COALESCE(max(flag.id), 0) AS latest, max(flag.handled_at) AS at FROM finance_flag flag
    WHERE flag.operator_id = opened.operator_id AND flag.player_id = opened.player_id
      AND flag.kind = 'repeated_free_opens' AND flag.state IN ('explained', 'dismissed')
) closed
CROSS JOIN LATERAL (
    SELECT count(*) AS opens, sum(draw.base_value_minor)::bigint AS worth, min(round.purchased_at) AS first_at,
        max(round.purchased_at) AS last_at
    FROM purchases_round round JOIN purchases_draw draw ON draw.round_id = round.id
    WHERE round.operator_id = opened.operator_id AND round.player_id = opened.player_id AND round.funding = 'operator'
      AND round.purchased_at > GREATEST(%(since)s, closed.at)
) recent
WHERE recent.opens >= %(many)s
"""


def flag_free_opens(*, after: int, upto: int, at: dt.datetime) -> None:
    """Flag every player among these draws who opened `LOOTBOX_FREE_OPENS` or more boxes at the operator's expense.

    Counts the boxes bought within `LOOTBOX_FREE_OPENS_WINDOW_S` before `at`, and since a flag of this kind was last closed.
    """
    many, window = settings.LOOTBOX_FREE_OPENS, settings.LOOTBOX_FREE_OPENS_WINDOW_S
    since = at - dt.timedelta(seconds=window)
    Flag.objects.bulk_create(
        [
            Flag(
                operator_id=operator,
                kind=FlagKind.FREE_OPENS,
                cause=f"player {player_id} after {closed}",
                severity=Severity.MEDIUM if opens >= WORSE * many else Severity.LOW,
                funding="operator",
                player_id=player_id,
                summary=f"{player} opened {opens} boxes at the operator's expense within {duration(window)}.",
                evidence={
                    "player": player,
                    "opens": opens,
                    "valueMinor": worth,
                    "baseCurrency": base,
                    "firstAt": first_at.isoformat(),
                    "lastAt": last_at.isoformat(),
                    "threshold": many,
                    "windowSeconds": window,
                },
                seen_at=at,
            )
            for operator, player_id, player, closed, opens, worth, first_at, last_at, base in db.rows(
                _FREE_OPENS, {"after": after, "upto": upto, "since": since, "many": many}
            )
        ],
        ignore_conflicts=True,
    )


def change_state(*, flag: Flag, state: FlagState, by: By, at: dt.datetime) -> None:
    """Take a flag up, or close it, with the reason in the flag and in the audit log. Raises `NotOpen`."""
    with transaction.atomic():
        before = Flag.objects.select_for_update(of=("self",)).get(pk=flag.pk)
        if before.state not in UNRESOLVED:
            raise NotOpen(f"This flag is {before.get_state_display().lower()} already.")
        changes: dict[str, Any] = {"state": state, "handled_by": by.actor, "handled_at": at, "handled_reason": by.reason}
        Flag.objects.filter(pk=flag.pk).update(**changes)
        audit.record(
            by=by,
            action=f"flag.{state.value}",
            operator=flag.operator,
            subject=f"flag {flag.pk}",
            before={"state": before.state},
            after={"state": state.value, "kind": flag.kind, "summary": flag.summary},
            at=at,
        )


def count_unresolved(*, operator_ids: Sequence[int] | None) -> int:
    """Return how many flags of these operators, None for all, nobody has closed yet."""
    rows = Flag.objects.filter(state__in=UNRESOLVED)
    return (rows if operator_ids is None else rows.filter(operator__in=operator_ids)).count()
