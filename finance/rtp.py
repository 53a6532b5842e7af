"""What pages and people see of the RTP watch: every series at a glance, and one in full with its charts."""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Final

from finance import watch
from finance.charts import AMBER, GREEN, GREY, Chart, Plot
from finance.watch import MIDNIGHT, PIECES, WINDOW_NAMES, Series, Verdict, payer, percent, probability
from lootbox.core import db
from lootbox.core.wording import money

MOST_SERIES: Final = 200
_POINTS: Final = 30
_BARS: Final = 24


@dataclass(frozen=True)
class Watched:
    """One series and how it has done in the last 30 days."""

    series: Series
    verdict: Verdict

    @property
    def title(self) -> str:
        """Return box and version in words."""
        version = self.verdict.table.version
        return f"{version.box.name[version.operator.default_locale]}, version {version.number}"

    @cached_property
    def shown(self) -> dict[str, str]:
        """Return its figures in words."""
        return figures(self.verdict)


_LATEST: Final = f"""
WITH series AS (
    SELECT box_version_id, currency, funding, %(month)s::timestamptz AS since, {MIDNIGHT.format("%(month)s")} AS midnight
    FROM finance_drawday
    WHERE day >= (%(month)s AT TIME ZONE 'UTC')::date
      AND (%(operators)s::bigint[] IS NULL OR operator_id = ANY(%(operators)s::bigint[]))
      AND (%(version)s::bigint IS NULL OR box_version_id = %(version)s::bigint)
    GROUP BY 1, 2, 3 ORDER BY sum(draws) DESC, 1, 2, 3 LIMIT %(limit)s
)
SELECT series.box_version_id, series.currency, series.funding, piece.prize_id, sum(piece.draws)::bigint
FROM series CROSS JOIN LATERAL ({PIECES}) piece
GROUP BY 1, 2, 3, 4
"""
_PIECES: Final = f"""
WITH series AS (
    SELECT %(version)s::bigint AS box_version_id, %(currency)s::text AS currency, %(funding)s::text AS funding,
        %(month)s::timestamptz AS since, {MIDNIGHT.format("%(month)s")} AS midnight
)
SELECT piece.* FROM series CROSS JOIN LATERAL ({PIECES}) piece ORDER BY piece.at
"""


def watched(*, at: dt.datetime, operator_ids: Sequence[int] | None, version_id: int | None = None) -> list[Watched]:
    """Return what drew most in 30 days, of these operators (None: of all) and this version (None: of any)."""
    asked = {"operators": None if operator_ids is None else list(operator_ids), "version": version_id, "limit": MOST_SERIES}
    counts: dict[Series, dict[int, int]] = {}
    for version, currency, funding, prize, draws in db.rows(_LATEST, watch.moments(at) | asked):
        counts.setdefault(Series(version, currency, funding), {})[prize] = draws
    known = watch.tables(series.version_id for series in counts)
    found = [Watched(series, Verdict(known[series.version_id], drawn)) for series, drawn in counts.items()]
    return sorted(found, key=lambda one: (-one.verdict.draws, one.series))


def figures(verdict: Verdict) -> dict[str, str]:
    """Return a verdict's figures in words."""
    low, high = verdict.band
    tested, currency = verdict.prizes, verdict.table.version.currency
    return {
        "draws": f"{verdict.draws:,}",
        "turnover": money(verdict.turnover, currency),
        "payout": money(verdict.payout, currency),
        "rtp": percent(verdict.rtp) if verdict.draws else "none",
        "theory": percent(verdict.theory),
        "tolerance": f"{percent(low)} to {percent(high)}" if verdict.draws else "none",
        "z": f"{verdict.z:+.2f}" if verdict.draws else "none",
        "p": probability(verdict.p) if verdict.draws else "none",
        "chi": f"{tested.statistic:,.1f}, {tested.degrees} df" if tested else "too few draws",
        "p_prizes": probability(tested.p) if tested else "none",
    }


@dataclass(frozen=True)
class Window:
    """A verdict on one window, in words."""

    name: str
    verdict: Verdict

    @cached_property
    def shown(self) -> dict[str, str]:
        """Return its figures in words."""
        return figures(self.verdict)


@dataclass(frozen=True)
class Report:
    """One series in full."""

    series: Series
    payer: str
    windows: Sequence[Window]
    prizes: Chart
    funnel: Chart


def report(*, series: Series, known: watch.Table, at: dt.datetime) -> Report:
    """Return a series of this table in full: its verdicts, what was drawn of each prize, and how its RTP came about."""
    asked = {"version": series.version_id, "currency": series.currency, "funding": series.funding}
    drawn = db.rows(_PIECES, watch.moments(at) | asked)
    windows = []
    for name, begins in watch.starts(at).items():
        counts: dict[int, int] = {}
        for prize, since, _, draws in drawn:
            if since >= begins:
                counts[prize] = counts.get(prize, 0) + draws
        windows.append(Window(WINDOW_NAMES[name].capitalize(), Verdict(known, counts)))
    whole = windows[0].verdict
    prizes = [(prize.name[known.version.operator.default_locale], whole.counts.get(prize.pk, 0), expected)
              for prize, expected in zip(known.prizes, _expected(whole), strict=True)]  # fmt: skip
    return Report(series, payer(series.funding), windows, prize_chart(prizes), _funnel(known, drawn))


def _expected(verdict: Verdict) -> list[float]:
    version = verdict.table.version
    return [verdict.draws * prize.weight / version.total_weight for prize in verdict.table.prizes]


def prize_chart(prizes: Sequence[tuple[str, int, float]]) -> Chart:
    """Return how often each prize was drawn beside how often its odds say, from name, drawn and expected."""
    shown = prizes[:_BARS]
    most, least = max((e for _, _, e in shown), default=0), min((e for _, _, e in shown), default=0)
    rows = [
        (name, f"{expected:,.1f}", f"{drawn:,}", f"{drawn - expected:+,.1f}", _ratio(drawn, expected))
        for name, drawn, expected in prizes
    ]
    return Chart(
        title="Prizes: drawn against expected",
        kind="bar",
        labels=[name for name, _, _ in shown],
        plots=[
            Plot(name="Expected", values=[round(expected, 2) for _, _, expected in shown], colour="#9ca3af"),
            Plot(name="Drawn", values=[drawn for _, drawn, _ in shown], colour=GREEN),
        ],
        headings=("Prize", "Expected", "Drawn", "Difference", "Drawn of expected"),
        rows=rows if any(drawn for _, drawn, _ in prizes) else (),
        axis={"type": "logarithmic", "min": min(0.5, least or 0.5)} if least and most > 30 * least else {},
        wide=True,
        note=f"The first {_BARS} of {len(prizes)} prizes; all are in the table." if len(prizes) > _BARS else "",
    )


def _ratio(drawn: int, expected: float) -> str:
    return f"{100 * drawn / expected:,.0f} %" if expected else "none"


def _funnel(known: watch.Table, pieces: Sequence[tuple[int, dt.datetime, dt.datetime, int]]) -> Chart:
    values = {prize.pk: prize.value_minor for prize in known.prizes}
    totals: dict[dt.datetime, tuple[int, int]] = {}
    for prize, _, until, draws in pieces:
        count, payout = totals.get(until, (0, 0))
        totals[until] = count + draws, payout + draws * values[prize]
    running = list(accumulate(totals.values(), lambda sum_, more: (sum_[0] + more[0], sum_[1] + more[1])))
    points = _thinned(list(zip(totals, running, strict=True)))
    price, theory, p = known.version.price_minor, float(known.law.mean) / known.version.price_minor, watch.alpha()
    bands = [tuple(limit / price for limit in known.law.limits(draws=draws, p=p)) for _, (draws, _) in points]
    shares = [payout / draws / price for _, (draws, payout) in points]
    # Few draws tolerate anything: what matters is where the curve settles.
    top = max([1.6 * theory, *(1.2 * share for share in shares[len(shares) // 3 :])])
    return Chart(
        title="RTP as draws add up, with its tolerance",
        note="The last 30 days. A healthy box stays inside the band, which narrows as draws add up.",
        kind="line",
        labels=[f"{draws:,}" for _, (draws, _) in points],
        plots=[
            Plot(name="RTP", values=[_rounded(100 * share) for share in shares], colour=GREEN),
            Plot(name="By the odds", values=[_rounded(100 * theory)] * len(points), colour=GREY, dashed=True),
            Plot(name="Most tolerated", values=[_rounded(100 * high) for _, high in bands], colour=AMBER, filled_to=1),
            Plot(name="Least tolerated", values=[_rounded(100 * low) for low, _ in bands], colour=AMBER),
        ],
        headings=("Until (UTC)", "Draws", "Paid out", "RTP", "Tolerated"),
        rows=[
            (
                f"{until:%d %b %H:%M}",
                f"{draws:,}",
                money(payout, known.version.currency),
                percent(share),
                f"{percent(low)} to {percent(high)}",
            )
            for (until, (draws, payout)), share, (low, high) in zip(points, shares, bands, strict=True)
        ],
        axis={
            "min": math.floor(50 * theory),
            "max": math.ceil(100 * top),
            "beginAtZero": False,
            "title": {"display": True, "text": "% of turnover"},
        },
    )


def _thinned(points: Sequence[tuple[dt.datetime, tuple[int, int]]]) -> Sequence[tuple[dt.datetime, tuple[int, int]]]:
    """Return as many points as a curve shows, evenly by draws, the last one among them."""
    kept: list[tuple[dt.datetime, tuple[int, int]]] = []
    for point in points:
        if len(points) <= _POINTS or point[1][0] * _POINTS >= points[-1][1][0] * (len(kept) + 1):
            kept.append(point)
    return kept


def _rounded(percentage: float) -> float:
    return round(percentage, 3)


def chosen(found: Sequence[Watched], wanted: Mapping[str, str]) -> Watched | None:
    """Return the series that a page's address asks for, else the one that drew most; None where none drew."""
    asked = (wanted.get("currency"), wanted.get("funding"))
    return next((one for one in found if (one.series.currency, one.series.funding) == asked), found[0] if found else None)
