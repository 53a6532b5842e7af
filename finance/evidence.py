"""A flag's evidence as people read it: facts with links, and a picture."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Count
from django.db.models.functions import TruncDate
from django.urls import reverse

from finance import rtp, watch
from finance.charts import AMBER, BLUE, GREEN, Chart, Plot
from finance.models import Flag, FlagKind
from lootbox.core.money import in_units
from lootbox.core.wording import duration, money
from purchases.models import Funding, Round

_DAYS: Final = 30
_BARS: Final = 24


@dataclass(frozen=True)
class Fact:
    """One line of the evidence; `link` leads to what it names."""

    label: str
    text: str
    link: str = ""


def facts_of(flag: Flag) -> list[Fact]:
    """Return what a flag rests on, line by line."""
    seen = flag.evidence
    facts = list(_subjects(flag))
    if flag.kind == FlagKind.BIG_WIN:
        base = seen["baseCurrency"]
        facts += [
            Fact("Prize", seen["prize"]),
            Fact("Worth", money(seen["valueMinor"], base)),
            Fact("Price of the box", money(seen["priceMinor"], base)),
            Fact("Flagged from", money(seen["thresholdMinor"], base)),
            Fact("Its odds", f"{seen['weight']:,} in {seen['totalWeight']:,}"),
            Fact("Settled", _moment(seen["settledAt"])),
        ]
    elif flag.kind == FlagKind.FREE_OPENS:
        facts += [
            Fact("Opened", f"{seen['opens']:,} boxes within {duration(seen['windowSeconds'])}"),
            Fact("Worth", money(seen["valueMinor"], seen["baseCurrency"])),
            Fact("Flagged from", f"{seen['threshold']:,} boxes"),
            Fact("First and last", f"{_moment(seen['firstAt'])}, {_moment(seen['lastAt'])}"),
        ]
    else:
        facts += _of_rtp(seen)
    return facts


def _subjects(flag: Flag) -> Iterator[Fact]:
    if flag.player is not None:
        yield Fact("Player", flag.player.external_id, reverse("admin:operators_player_change", args=[flag.player.pk]))
    if flag.round_id is not None:
        yield Fact("Round", flag.evidence["round"], reverse("admin:purchases_round_change", args=[flag.round_id]))
    if flag.box is not None and flag.box_version is not None:
        name = flag.box.name.get(flag.operator.default_locale, flag.box.slug)
        yield Fact("Box", name, reverse("admin:catalog_box_change", args=[flag.box.pk]))
        page = reverse("admin:finance_rtp", args=[flag.box_version.pk])
        yield Fact("Version", f"{flag.box_version.number}, its RTP", f"{page}?currency={flag.currency}&funding={flag.funding}")
    if flag.funding:
        yield Fact("Paid by", f"{watch.payer(flag.funding)}{f', in {flag.currency}' if flag.currency else ''}")


def _of_rtp(seen: dict[str, Any]) -> Iterator[Fact]:
    base, (low, high) = seen["baseCurrency"], seen["tolerance"]
    yield Fact("Looked at", f"the {watch.WINDOW_NAMES[seen['window']]}, from {_moment(seen['since'])}")
    yield Fact("Draws", f"{seen['draws']:,}")
    yield Fact("Turnover", money(seen["turnoverMinor"], base))
    yield Fact("Paid out", money(seen["payoutMinor"], base))
    yield Fact("RTP", f"{watch.percent(seen['rtp'])}, by the odds {watch.percent(seen['theory'])}")
    yield Fact("Tolerated", f"{watch.percent(low)} to {watch.percent(high)}")
    yield Fact("z, and p at most", f"{seen['z']:+.2f}, {watch.probability(seen['p'])}")
    if "chiSquare" in seen:
        at_most = watch.probability(seen["pPrizes"])
        yield Fact("Chi-square by prize", f"{seen['chiSquare']:,} at {seen['degrees']} degrees of freedom, p at most {at_most}")
    yield Fact("Flagged below p", watch.probability(seen["alpha"]))


def picture_of(flag: Flag, *, at: dt.datetime) -> Chart:
    """Return the chart that goes with a flag."""
    if flag.kind == FlagKind.RTP:
        return rtp.prize_chart([(prize["name"], prize["drawn"], prize["expected"]) for prize in flag.evidence["prizes"]])
    if flag.kind == FlagKind.BIG_WIN:
        return _values(flag)
    return _free_opens(flag, at)


def _values(flag: Flag) -> Chart:
    assert flag.box_version_id is not None
    table, seen = watch.tables([flag.box_version_id])[flag.box_version_id], flag.evidence
    prizes = sorted(table.prizes, key=lambda prize: -prize.value_minor)[:_BARS]
    locale, base = table.version.operator.default_locale, table.version.currency
    names = [prize.name[locale] for prize in prizes]
    won = [prize.value_minor == seen["valueMinor"] and prize.weight == seen["weight"] for prize in prizes]
    return Chart(
        title="What the box holds",
        note=f"Values in {base}; what was won is in amber.",
        kind="bar",
        labels=names,
        plots=[
            Plot(
                name="Value",
                # For drawing only: the table says it exactly.
                values=[float(in_units(amount_minor=prize.value_minor, currency=base)) for prize in prizes],
                colour=[AMBER if mine else GREEN for mine in won],
            )
        ],
        headings=("Prize", "Value", "Odds"),
        rows=[
            (name, money(prize.value_minor, base), f"{prize.weight:,} in {table.version.total_weight:,}")
            for name, prize in zip(names, prizes, strict=True)
        ],
        axis={"type": "logarithmic"} if prizes[-1].value_minor and prizes[0].value_minor > 50 * prizes[-1].value_minor else {},
    )


def _free_opens(flag: Flag, at: dt.datetime) -> Chart:
    first = (flag.seen_at - dt.timedelta(days=_DAYS - 1)).date()
    since = dt.datetime.combine(first, dt.time(), tzinfo=dt.UTC)
    mine = Round.objects.filter(operator=flag.operator, player=flag.player, funding=Funding.OPERATOR, purchased_at__gte=since)
    opened = dict(
        mine.filter(draws__isnull=False)
        .annotate(day=TruncDate("purchased_at", tzinfo=dt.UTC))
        .values_list("day")
        .annotate(opens=Count("draws"))
    )
    days = [first + dt.timedelta(days=n) for n in range((min(at, flag.seen_at + dt.timedelta(days=7)).date() - first).days + 1)]
    counts: Sequence[int] = [opened.get(day, 0) for day in days]
    return Chart(
        title="Free opens of this player, by day (UTC)",
        kind="bar",
        labels=[f"{day:%d %b}" for day in days],
        plots=[Plot(name="Free opens", values=list(counts), colour=BLUE)],
        headings=("Day", "Free opens"),
        rows=[(f"{day:%d %b}", f"{count:,}") for day, count in zip(days, counts, strict=True)],
    )


def _moment(text: str) -> str:
    return f"{dt.datetime.fromisoformat(text).astimezone(dt.UTC):%d %b %Y %H:%M:%S}"
