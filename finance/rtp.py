"""What pages and people see of the RTP watch: every series at a glance, and one in full with its charts."""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any, Final

from finance import watch
from finance.charts import AMBER, GREEN, GREY, Chart, Plot
from finance.watch import WINDOW_NAMES, Series, Verdict, payer, percent, probability
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


_LATEST: Final = """
SELECT box_version_id, currency, funding, sum(draws)::bigint AS draws
FROM finance_drawtally
WHERE hour >= %(since)s AND (%(operators)s::bigint[] IS NULL OR operator_id = ANY(%(operators)s::bigint[]))
  AND (%(version)s::bigint IS NULL OR box_version_id = %(version)s::bigint)
GROUP BY 1, 2, 3 ORDER BY draws DESC, 1, 2, 3 LIMIT %(limit)s
"""
_COUNTS: Final = """
SELECT tally.box_version_id, tally.currency, tally.funding, tally.prize_id, sum(tally.draws)::bigint
FROM unnest(%(versions)s::bigint[], %(currencies)s::text[], %(fundings)s::text[]) AS series (version_id, currency, funding)
JOIN finance_drawtally tally ON tally.box_version_id = series.version_id AND tally.currency = series.currency
    AND tally.funding = series.funding AND tally.hour >= %(since)s
GROUP BY 1, 2, 3, 4
"""
_HOURS: Final = """
SELECT hour, prize_id, draws FROM finance_drawtally
WHERE box_version_id = %(version)s AND currency = %(currency)s AND funding = %(funding)s AND hour >= %(since)s
ORDER BY hour
"""


def watched(*, at: dt.datetime, operator_ids: Sequence[int] | None, version_id: int | None = None) -> list[Watched]:
    """Return what drew most in 30 days, of these operators (None: of all) and this version (None: of any)."""
    since = watch.starts(at)["month"]
    found = db.rows(
        _LATEST,
        {
            "since": since,
            "operators": None if operator_ids is None else list(operator_ids),
            "version": version_id,
            "limit": MOST_SERIES,
        },
    )
    series = [Series(version, currency, funding) for version, currency, funding, _ in found]
    counts: dict[Series, dict[int, int]] = {one: {} for one in series}
    for version, currency, funding, prize, draws in db.rows(
        _COUNTS,
        {
            "versions": [one.version_id for one in series],
            "currencies": [one.currency for one in series],
            "fundings": [one.funding for one in series],
            "since": since,
        },
    ):
        counts[Series(version, currency, funding)][prize] = draws
    known = watch.tables(one.version_id for one in series)
    return [Watched(one, Verdict(known[one.version_id], counts[one])) for one in series]


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
    since = watch.starts(at)
    params = {"version": series.version_id, "currency": series.currency, "funding": series.funding, "since": since["month"]}
    hours = db.rows(_HOURS, params)
    windows = []
    for name, begins in since.items():
        counts: dict[int, int] = {}
        for hour, prize, draws in hours:
            if hour >= begins:
                counts[prize] = counts.get(prize, 0) + draws
        windows.append(Window(WINDOW_NAMES[name].capitalize(), Verdict(known, counts)))
    whole = windows[0].verdict
    prizes = [(prize.name[known.version.operator.default_locale], whole.counts.get(prize.pk, 0), expected)
              for prize, expected in zip(known.prizes, _expected(whole), strict=True)]  # fmt: skip
    return Report(series, payer(series.funding), windows, prize_chart(prizes), _funnel(known, hours))


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


def _funnel(known: watch.Table, hours: Sequence[tuple[dt.datetime, int, int]]) -> Chart:
    values = {prize.pk: prize.value_minor for prize in known.prizes}
    totals: dict[dt.datetime, tuple[int, int]] = {}
    for hour, prize, draws in hours:
        count, payout = totals.get(hour, (0, 0))
        totals[hour] = count + draws, payout + draws * values[prize]
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
                f"{hour + watch.HOUR:%d %b %H:%M}",
                f"{draws:,}",
                money(payout, known.version.currency),
                percent(share),
                f"{percent(low)} to {percent(high)}",
            )
            for (hour, (draws, payout)), share, (low, high) in zip(points, shares, bands, strict=True)
        ],
        axis={
            "min": math.floor(50 * theory),
            "max": math.ceil(100 * top),
            "beginAtZero": False,
            "title": {"display": True, "text": "% of turnover"},
        },
    )


def _thinned(points: list[Any]) -> list[Any]:
    step = max(1, math.ceil(len(points) / _POINTS))
    return points[::-1][::step][::-1]


def _rounded(percentage: float) -> float:
    return round(percentage, 3)


def chosen(found: Sequence[Watched], wanted: Mapping[str, str]) -> Watched | None:
    """Return the series that a page's address asks for, else the one that drew most; None where none drew."""
    asked = (wanted.get("currency"), wanted.get("funding"))
    return next((one for one in found if (one.series.currency, one.series.funding) == asked), found[0] if found else None)
