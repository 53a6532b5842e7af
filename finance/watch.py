"""The RTP watch: what each box version paid out, held against its own odds (docs/finance.md says how it decides).

A series is a box version in one currency, paid by players or by the operator. Values are those of the version in the base
currency, so that exchange rates do not disturb them.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from django.conf import settings
from django.db import transaction

from catalog.models import BoxVersion, Prize
from catalog.services import set_active
from finance.chance import Law, prize_test
from finance.models import Flag, FlagKind, Severity
from lootbox.core import db
from operators.audit import By

EVERY: Final = dt.timedelta(minutes=5)
HOUR: Final = dt.timedelta(hours=1)
# What is looked at: a month for slow drifts, a day and the last hour for bursts. Counts are by the hour, so each window begins
# with the hour that its start lies in.
WINDOWS: Final[Mapping[str, dt.timedelta]] = {"month": dt.timedelta(days=30), "day": dt.timedelta(days=1), "hour": HOUR}
WINDOW_NAMES: Final[Mapping[str, str]] = {"month": "last 30 days", "day": "last 24 hours", "hour": "last hour"}
_TESTS: Final = 2
_SHOWN_PRIZES: Final = 100


@dataclass(frozen=True, order=True)
class Series:
    """What is watched as one."""

    version_id: int
    currency: str
    funding: str


@dataclass(frozen=True)
class Table:
    """A version with its prizes, which never change, and the law of its payout."""

    version: BoxVersion
    prizes: Sequence[Prize]
    law: Law


class Verdict:
    """What was drawn of a version within a window, against what its odds say. Amounts in minor units of the base currency."""

    def __init__(self, table: Table, counts: Mapping[int, int]) -> None:
        """Hold counts by prize id against the table's odds."""
        drawn = [counts.get(prize.pk, 0) for prize in table.prizes]
        self.table = table
        self.counts = counts
        self.draws = sum(drawn)
        self.payout = sum(prize.value_minor * count for prize, count in zip(table.prizes, drawn, strict=True))
        self.z = table.law.z(draws=self.draws, payout=self.payout)
        self.p = table.law.tail(draws=self.draws, payout=self.payout)
        self.prizes = prize_test(observed=drawn, weights=[prize.weight for prize in table.prizes])

    @property
    def turnover(self) -> int:
        """Return what the draws cost."""
        return self.draws * self.table.version.price_minor

    @property
    def rtp(self) -> float:
        """Return the share of the price that was paid out; 0 without draws."""
        return self.payout / self.turnover if self.draws else 0.0

    @property
    def theory(self) -> float:
        """Return the share that the odds pay out."""
        return float(self.table.law.mean / self.table.version.price_minor)

    @property
    def band(self) -> tuple[float, float]:
        """Return between which shares the RTP of so many draws is in tolerance."""
        low, high = self.table.law.limits(draws=max(self.draws, 1), p=alpha())
        price = self.table.version.price_minor
        return low / price, high / price

    @property
    def payout_off(self) -> bool:
        """Return whether the RTP is out of tolerance."""
        return self.p < alpha()

    @property
    def prizes_off(self) -> bool:
        """Return whether prizes were drawn in other proportions than published."""
        return self.prizes is not None and self.prizes.p < alpha()


def alpha() -> float:
    """Return the p below which something is out of tolerance.

    Each series is tested for payout and prizes in three windows every five minutes. The false alarms that a year may bring,
    divided by all these tests, bound what chance alone makes of a series, however the tests depend on each other.
    """
    tests = dt.timedelta(days=365) / EVERY * len(WINDOWS) * _TESTS
    return float(settings.LOOTBOX_RTP_FALSE_ALARMS) / tests


def tables(version_ids: Iterable[int]) -> dict[int, Table]:
    """Return these versions' prize tables by id."""
    versions = BoxVersion.objects.select_related("box", "operator").in_bulk(set(version_ids))
    return {version_id: Table(version, *_odds(version_id)) for version_id, version in versions.items()}


@lru_cache(maxsize=512)
def _odds(version_id: int) -> tuple[Sequence[Prize], Law]:
    # Frozen, so a process reads them once.
    prizes = list(Prize.objects.filter(version=version_id).order_by("index"))
    return prizes, Law([(prize.value_minor, prize.weight) for prize in prizes])


def starts(at: dt.datetime) -> dict[str, dt.datetime]:
    """Return when each window begins, on the hour."""
    return {name: (at - span).replace(minute=0, second=0, microsecond=0) for name, span in WINDOWS.items()}


def moments(at: dt.datetime) -> dict[str, dt.datetime]:
    """Return what statements that read `PIECES` want to know: when each window begins, and from when on hours are read."""
    since = starts(at)
    return {**since, "recent": since["day"].replace(hour=0)}


# What was drawn from `series.since` on, each draw in one piece: by the hour up to the next midnight (UTC) and again from
# `recent` on, by the day between them. So a month is read from as many rows as some five days of hours have.
_OF_SERIES: Final = (
    "tally.box_version_id = series.box_version_id AND tally.currency = series.currency AND tally.funding = series.funding"
)
PIECES: Final = f"""
    SELECT prize_id, hour AS at, hour + interval '1 hour' AS until, draws FROM finance_drawtally tally
    WHERE {_OF_SERIES} AND hour >= GREATEST(series.since, %(recent)s)
    UNION ALL
    SELECT prize_id, hour, hour + interval '1 hour', draws FROM finance_drawtally tally
    WHERE {_OF_SERIES} AND hour >= series.since AND hour < LEAST(series.midnight, %(recent)s)
    UNION ALL
    SELECT prize_id, day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC', draws
    FROM finance_drawday tally
    WHERE {_OF_SERIES}
      AND day >= (series.midnight AT TIME ZONE 'UTC')::date AND day < (%(recent)s AT TIME ZONE 'UTC')::date
"""
# The first midnight that is not before a moment.
MIDNIGHT: Final = "date_trunc('day', {} + interval '1 day' - interval '1 microsecond', 'UTC')"
# Series that drew within a day, so that what is counted late is judged too. Of one whose flag was closed, only what came after
# that is looked at.
_COUNTS: Final = f"""
WITH series AS (
    SELECT drawn.*, closed.latest, start.since, {MIDNIGHT.format("start.since")} AS midnight
    FROM (SELECT DISTINCT box_version_id, currency, funding FROM finance_drawtally WHERE hour >= %(day)s) drawn
    CROSS JOIN LATERAL (
        SELECT COALESCE(max(flag.id), 0) AS latest, max(flag.handled_at) AS at FROM finance_flag flag
        WHERE flag.box_version_id = drawn.box_version_id AND flag.currency = drawn.currency AND flag.funding = drawn.funding
          AND flag.kind = 'rtp' AND flag.state IN ('explained', 'dismissed')
    ) closed
    CROSS JOIN LATERAL (SELECT GREATEST(%(month)s, closed.at) AS since) start
)
SELECT series.box_version_id, series.currency, series.funding, series.latest, piece.prize_id,
    sum(piece.draws)::bigint,
    COALESCE(sum(piece.draws) FILTER (WHERE piece.at >= %(day)s), 0)::bigint,
    COALESCE(sum(piece.draws) FILTER (WHERE piece.at >= %(hour)s), 0)::bigint
FROM series CROSS JOIN LATERAL ({PIECES}) piece
GROUP BY 1, 2, 3, 4, 5
ORDER BY 1, 2, 3
"""


def judge(*, at: dt.datetime) -> list[Flag]:
    """Hold every series that drew within a day against its odds, and return the flags that were raised.

    One statement over the counts, whatever the number of draws. A series has one flag until that is closed. Where the operator
    wants it, the box goes offline in the transaction of its flag, with an audit entry.
    """
    raised = []
    counted = list(_counts(at))
    known = tables(series.version_id for series, _, _ in counted)
    for series, closed, windows in counted:
        for name, counts in windows.items():
            verdict = Verdict(known[series.version_id], counts)
            if verdict.payout_off or verdict.prizes_off:
                flag = _raise_flag(series, closed, name, verdict, at)
                raised += [flag] if flag is not None else []
                break
    return raised


def _counts(at: dt.datetime) -> Iterator[tuple[Series, int, dict[str, dict[int, int]]]]:
    found: dict[tuple[Series, int], dict[str, dict[int, int]]] = {}
    for version_id, currency, funding, closed, prize_id, month, day, hour in db.rows(_COUNTS, moments(at)):
        windows = found.setdefault((Series(version_id, currency, funding), closed), {name: {} for name in WINDOWS})
        for name, count in (("month", month), ("day", day), ("hour", hour)):
            windows[name][prize_id] = count
    for (series, closed), windows in found.items():
        yield series, closed, windows


def _raise_flag(series: Series, closed: int, window: str, verdict: Verdict, at: dt.datetime) -> Flag | None:
    version = verdict.table.version
    cause = f"version {series.version_id} {series.currency} {series.funding} after {closed}"
    with transaction.atomic():
        flag, created = Flag.objects.get_or_create(
            operator_id=version.operator_id,
            kind=FlagKind.RTP,
            cause=cause,
            defaults={
                "severity": Severity.HIGH,
                "box_id": version.box_id,
                "box_version": version,
                "currency": series.currency,
                "funding": series.funding,
                "summary": summary(series, window, verdict),
                "evidence": evidence(window, verdict, at),
                "seen_at": at,
            },
        )
        if created and _pause(flag, version.pk, at):
            flag.box_paused = True
            flag.save(update_fields=["box_paused"])
    return flag if created else None


def _pause(flag: Flag, version_id: int, at: dt.datetime) -> bool:
    # Read anew: it may have been superseded, or its operator have changed its mind, since the counts were taken.
    version = BoxVersion.objects.select_related("operator", "box").get(pk=version_id)
    if not version.operator.rtp_pause or version.superseded_at is not None:
        return False
    return set_active(box=version.box, active=False, by=By("RTP watch", f"Flag {flag.pk}: {flag.summary}"), at=at)


def payer(funding: str) -> str:
    """Return who pays, in words."""
    return "the operator" if funding == "operator" else "players"


def percent(share: float) -> str:
    """Return a share for people, such as `96.25 %`."""
    return f"{100 * share:,.2f} %"


def probability(p: float) -> str:
    """Return a chance for people, such as `0.031` or `2e-09`."""
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}" if p >= 1e-99 else "below 1e-99"


def summary(series: Series, window: str, verdict: Verdict) -> str:
    """Return what is wrong, in sentences."""
    version = verdict.table.version
    name = version.box.name[version.operator.default_locale]
    low, high = verdict.band
    told = (
        f"{name}, version {version.number}, in {series.currency}, paid by {payer(series.funding)}: {percent(verdict.rtp)} of "
        f"the price was paid out over {verdict.draws:,} draws of the {WINDOW_NAMES[window]}; the odds say "
        f"{percent(verdict.theory)}, and {percent(low)} to {percent(high)} is in tolerance."
    )
    if verdict.prizes is not None and verdict.prizes_off:
        told += f" Prizes come in other proportions than published (chi-square {verdict.prizes.statistic:,.1f})."
    return told


def evidence(window: str, verdict: Verdict, at: dt.datetime) -> dict[str, Any]:
    """Return all that the verdict rests on, as JSON. Shares and p are rounded for people; counts and amounts are exact."""
    low, high = verdict.band
    found: dict[str, Any] = {
        "window": window,
        "since": starts(at)[window].isoformat(),
        "draws": verdict.draws,
        "turnoverMinor": verdict.turnover,
        "payoutMinor": verdict.payout,
        "baseCurrency": verdict.table.version.currency,
        "rtp": round(verdict.rtp, 6),
        "theory": round(verdict.theory, 6),
        "tolerance": [round(low, 6), round(high, 6)],
        "z": round(verdict.z, 3),
        "p": verdict.p,
        "alpha": alpha(),
        "prizes": [
            {
                "name": prize.name[verdict.table.version.operator.default_locale],
                "drawn": verdict.counts.get(prize.pk, 0),
                "expected": round(verdict.draws * prize.weight / verdict.table.version.total_weight, 3),
            }
            for prize in verdict.table.prizes[:_SHOWN_PRIZES]
        ],
    }
    if verdict.prizes is not None:
        found |= {
            "chiSquare": round(verdict.prizes.statistic, 3),
            "degrees": verdict.prizes.degrees,
            "pooled": verdict.prizes.pooled,
            "pPrizes": verdict.prizes.p,
        }
    return found
