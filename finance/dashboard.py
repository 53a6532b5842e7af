"""The dashboard: how play, money and webhooks do over the last day, week or month, beside the time before.

It reads the hourly counts of `finance.counting`, which measure what `finance.reports` defines, and a few small indexes; what it
costs does not grow with the number of rounds. Times are UTC. Amounts of two currencies are never added: without a choice of
currency all amounts are in the operators' base currencies, each base by itself.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple

from lootbox.core import db
from operators.models import Operator
from webhooks import selectors as webhooks

HOUR: Final = dt.timedelta(hours=1)
DAY: Final = dt.timedelta(days=1)
UNDELIVERED_FOR: Final = dt.timedelta(days=7)


@dataclass(frozen=True)
class Period:
    """A span that can be chosen, in whole hours or whole days up to now."""

    key: str
    name: str
    unit: str
    step: dt.timedelta
    count: int

    @property
    def span(self) -> dt.timedelta:
        """Return how long it is."""
        return self.step * self.count

    def buckets(self, at: dt.datetime) -> list[dt.datetime]:
        """Return when its hours or days begin; the last one holds `at`."""
        latest = at.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)
        latest = latest.replace(hour=0) if self.unit == "day" else latest
        return [latest - self.step * back for back in reversed(range(self.count))]

    def label(self, bucket: dt.datetime) -> str:
        """Return how one of its hours or days is called."""
        return f"{bucket:%d %b}" if self.unit == "day" else f"{bucket:%H:%M}"


PERIODS: Final = {
    period.key: period
    for period in (
        Period("24h", "24 hours", "hour", HOUR, 24),
        Period("7d", "7 days", "day", DAY, 7),
        Period("30d", "30 days", "day", DAY, 30),
    )
}


@dataclass(frozen=True)
class Choice:
    """What the dashboard is about; no currency is all of them, in base."""

    period: Period
    operators: Sequence[Operator]
    currency: str | None = None


@dataclass(frozen=True, kw_only=True)
class Sums:
    """What was played. Amounts in minor units of one currency; `expected` is what the odds of the paid boxes pay out."""

    rounds: int = 0
    free_rounds: int = 0
    boxes: int = 0
    turnover: int = 0
    payout: int = 0
    free_cost: int = 0
    expected: Decimal = Decimal(0)

    def __add__(self, other: "Sums") -> "Sums":
        """Return both together; they must be of one currency."""
        return Sums(**{name: value + getattr(other, name) for name, value in vars(self).items()})

    @property
    def gross(self) -> int:
        """Return what players staked less what they won."""
        return self.turnover - self.payout

    @property
    def rtp(self) -> Decimal | None:
        """Return the share of the stakes that was won; None without stakes."""
        return Decimal(self.payout) / self.turnover if self.turnover else None

    @property
    def theory(self) -> Decimal | None:
        """Return the share that the odds pay out; None without stakes."""
        return self.expected / self.turnover if self.turnover else None


class Played(NamedTuple):
    """What one operator's players did in one currency within one hour or day: in that currency, and in the shown one."""

    bucket: dt.datetime
    operator_id: int
    currency: str
    unit: str
    own: Sums
    shown: Sums


# The house edge of a version is kept in basis points, so what the odds pay out is exact to 0.005 % of the turnover.
_PLAYED: Final = """
SELECT date_trunc(%(unit)s, tally.hour, 'UTC'), tally.operator_id, tally.currency, tally.base_currency,
    sum(tally.rounds)::bigint, COALESCE(sum(tally.rounds) FILTER (WHERE tally.funding = 'operator'), 0)::bigint,
    sum(tally.boxes)::bigint,
    COALESCE(sum(tally.bet_minor) FILTER (WHERE tally.funding = 'player'), 0)::bigint,
    COALESCE(sum(tally.won_minor) FILTER (WHERE tally.funding = 'player'), 0)::bigint,
    COALESCE(sum(tally.won_minor) FILTER (WHERE tally.funding = 'operator'), 0)::bigint,
    COALESCE(sum(tally.bet_minor * (10000 - version.house_edge_bps)::numeric / 10000)
        FILTER (WHERE tally.funding = 'player'), 0),
    COALESCE(sum(tally.base_bet_minor) FILTER (WHERE tally.funding = 'player'), 0)::bigint,
    COALESCE(sum(tally.base_won_minor) FILTER (WHERE tally.funding = 'player'), 0)::bigint,
    COALESCE(sum(tally.base_won_minor) FILTER (WHERE tally.funding = 'operator'), 0)::bigint,
    COALESCE(sum(tally.base_bet_minor * (10000 - version.house_edge_bps)::numeric / 10000)
        FILTER (WHERE tally.funding = 'player'), 0)
FROM finance_playtally tally JOIN catalog_boxversion version ON version.id = tally.box_version_id
WHERE tally.operator_id = ANY(%(operators)s::bigint[]) AND tally.hour >= %(start)s AND tally.hour <= %(end)s
  AND (%(currency)s::text IS NULL OR tally.currency = %(currency)s)
GROUP BY 1, 2, 3, 4
"""


def played(*, choice: Choice, start: dt.datetime, end: dt.datetime) -> list[Played]:
    """Return what was played from the hour `start` to the hour of `end`, by hour or day, operator and currency."""
    found = []
    for bucket, operator, currency, base, rounds, free, boxes, *amounts in db.rows(
        _PLAYED,
        {
            "unit": choice.period.unit,
            "operators": [operator.pk for operator in choice.operators],
            "start": start,
            "end": end,
            "currency": choice.currency,
        },
    ):
        own, in_base = (
            Sums(
                rounds=rounds,
                free_rounds=free,
                boxes=boxes,
                turnover=turnover,
                payout=payout,
                free_cost=cost,
                expected=expected,
            )
            for turnover, payout, cost, expected in (amounts[:4], amounts[4:])
        )
        unit = choice.currency or base
        found.append(Played(bucket, operator, currency, unit, own, own if choice.currency else in_base))
    return found


class Unresolved(NamedTuple):
    """Wallet calls of unknown fate of one operator in one currency, by their age; amounts in the shown currency."""

    operator_id: int
    unit: str
    age: int
    calls: int
    amount_minor: int
    oldest_at: dt.datetime


AGES: Final = (
    ("under 5 min", dt.timedelta(0)),
    ("5 min to 1 h", dt.timedelta(minutes=5)),
    ("1 h to 1 d", HOUR),
    ("over 1 d", DAY),
)
_UNRESOLVED: Final = """
SELECT operator_id, CASE WHEN %(own)s THEN currency ELSE base_currency END,
    CASE WHEN created_at > %(minutes)s THEN 0 WHEN created_at > %(hour)s THEN 1 WHEN created_at > %(day)s THEN 2 ELSE 3 END,
    count(*), sum(CASE WHEN %(own)s THEN amount_minor ELSE base_amount_minor END)::bigint, min(created_at)
FROM wallet_walletcall
WHERE state IN ('pending', 'unknown') AND operator_id = ANY(%(operators)s::bigint[])
  AND (%(currency)s::text IS NULL OR currency = %(currency)s)
GROUP BY 1, 2, 3
"""


def unresolved(*, choice: Choice, at: dt.datetime) -> list[Unresolved]:
    """Return the money whose fate is not known now."""
    return [
        Unresolved(*row)
        for row in db.rows(
            _UNRESOLVED,
            {
                "own": choice.currency is not None,
                "minutes": at - AGES[1][1],
                "hour": at - AGES[2][1],
                "day": at - AGES[3][1],
                "operators": [operator.pk for operator in choice.operators],
                "currency": choice.currency,
            },
        )
    ]


class Waiting(NamedTuple):
    """How much money was of unknown fate at one moment; amounts in the shown currency."""

    moment: dt.datetime
    unit: str
    calls: int
    amount_minor: int


# A call whose first attempt was answered was never unresolved for longer than that attempt, so the few others are enough.
_WAITED: Final = """
WITH call AS (
    SELECT created_at, resolved_at, currency, base_currency, amount_minor, base_amount_minor FROM wallet_walletcall
    WHERE attempts > 1 AND operator_id = ANY(%(operators)s::bigint[]) AND resolved_at > %(start)s
    UNION ALL
    SELECT created_at, NULL, currency, base_currency, amount_minor, base_amount_minor FROM wallet_walletcall
    WHERE state IN ('pending', 'unknown') AND operator_id = ANY(%(operators)s::bigint[])
)
SELECT moment, CASE WHEN %(own)s THEN currency ELSE base_currency END, count(*),
    sum(CASE WHEN %(own)s THEN amount_minor ELSE base_amount_minor END)::bigint
FROM unnest(%(moments)s::timestamptz[]) AS moment
JOIN call ON call.created_at <= moment AND (call.resolved_at IS NULL OR call.resolved_at > moment)
WHERE %(currency)s::text IS NULL OR currency = %(currency)s
GROUP BY 1, 2
"""


def waited(*, choice: Choice, at: dt.datetime) -> list[Waiting]:
    """Return how much money was of unknown fate at the end of each hour or day of the period, and now."""
    buckets = choice.period.buckets(at)
    moments = [*buckets[1:], at]
    parameters = {
        "operators": [operator.pk for operator in choice.operators],
        "start": moments[0],
        "moments": moments,
        "own": choice.currency is not None,
        "currency": choice.currency,
    }
    begins = dict(zip(moments, buckets, strict=True))
    return [Waiting(begins[moment], *rest) for moment, *rest in db.rows(_WAITED, parameters)]


class Delivered(NamedTuple):
    """Attempts at delivering webhooks within one hour or day."""

    bucket: dt.datetime
    in_time: int
    late: int
    failed: int


_DELIVERED: Final = """
SELECT date_trunc(%(unit)s, hour, 'UTC'), sum(delivered - late)::bigint, sum(late)::bigint, sum(failed)::bigint
FROM finance_deliverytally
WHERE operator_id = ANY(%(operators)s::bigint[]) AND hour >= %(start)s AND hour <= %(end)s
GROUP BY 1
"""


def delivered(*, choice: Choice, start: dt.datetime, end: dt.datetime) -> list[Delivered]:
    """Return how webhooks fared from the hour `start` to the hour of `end`, by hour or day."""
    operators = [operator.pk for operator in choice.operators]
    parameters = {"unit": choice.period.unit, "operators": operators, "start": start, "end": end}
    return [Delivered(*row) for row in db.rows(_DELIVERED, parameters)]


@dataclass(frozen=True)
class Dashboard:
    """All figures of one page."""

    choice: Choice
    at: dt.datetime
    now: Sequence[Played]
    before: Sequence[Played]
    unresolved: Sequence[Unresolved]
    waited: Sequence[Waiting]
    delivered: Sequence[Delivered]
    delivered_before: Sequence[Delivered]
    endpoints: Sequence[webhooks.Health]

    def units(self) -> list[str]:
        """Return the currencies that amounts are shown in, the one with the most turnover first."""
        known = {row.unit for row in [*self.now, *self.before]} | {row.unit for row in self.unresolved}
        if not known:
            known = {self.choice.currency} if self.choice.currency else {one.base_currency for one in self.choice.operators}
        return sorted(known, key=lambda unit: (-total(self.now, unit).turnover, unit))


def read(*, choice: Choice, at: dt.datetime) -> Dashboard:
    """Return the dashboard's figures by six statements. The time before ends as long into its last hour or day as this one."""
    start = choice.period.buckets(at)[0]
    span = choice.period.span
    return Dashboard(
        choice=choice,
        at=at,
        now=played(choice=choice, start=start, end=at),
        before=played(choice=choice, start=start - span, end=at - span),
        unresolved=unresolved(choice=choice, at=at),
        waited=waited(choice=choice, at=at),
        delivered=delivered(choice=choice, start=start, end=at),
        delivered_before=delivered(choice=choice, start=start - span, end=at - span),
        endpoints=list(
            webhooks.health(operator_ids=[operator.pk for operator in choice.operators], since=at - UNDELIVERED_FOR).values()
        ),
    )


def total(rows: Iterable[Played], unit: str | None = None) -> Sums:
    """Return what was played in one shown currency; without one only the counts mean anything."""
    return sum((row.shown for row in rows if unit is None or row.unit == unit), Sums())


def by_bucket(rows: Iterable[Played], buckets: Sequence[dt.datetime], unit: str | None = None) -> list[Sums]:
    """Return the same by hour or day, empty ones too."""
    sums: dict[Any, Sums] = {}
    for row in rows:
        if unit is None or row.unit == unit:
            sums[row.bucket] = sums.get(row.bucket, Sums()) + row.shown
    return [sums.get(bucket, Sums()) for bucket in buckets]
