"""Counting all that there is to be counted, whatever the tests beside this one are doing."""

import datetime as dt
import time
from collections.abc import Sequence

from django.db.models import F
from django.utils import timezone

from catalog.models import BoxVersion, Prize
from finance import counting
from finance.models import DrawDay, DrawTally, TallyProgress

PATIENCE_S = 30.0


def count() -> int:
    """Count everything, and return how many ids were gone through.

    Transactions in other databases of the server hold counting up too: a snapshot knows them all.
    """
    gone_through, deadline = 0, time.monotonic() + PATIENCE_S
    while True:
        gone_through += counting.count_new(clock=timezone.now, until=timezone.now() + dt.timedelta(seconds=PATIENCE_S))
        if not TallyProgress.objects.exclude(counted_to=F("seen_to")).exists():
            return gone_through
        assert time.monotonic() < deadline, "Some transaction of the server does not end."
        time.sleep(0.05)


def as_drawn(
    version: BoxVersion, counts: Sequence[int], *, at: dt.datetime, currency: str = "EUR", funding: str = "player"
) -> None:
    """Let so many of each prize count as drawn in the hour of `at`, in which nothing of the version is counted yet."""
    hour = at.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)
    for prize, draws in zip(Prize.objects.filter(version=version).order_by("index"), counts, strict=True):
        of = {
            "operator_id": version.operator_id,
            "box_version": version,
            "currency": currency,
            "funding": funding,
            "prize": prize,
        }
        DrawTally.objects.create(**of, hour=hour, draws=draws)
        day, _ = DrawDay.objects.get_or_create(**of, day=hour.date(), defaults={"draws": 0})
        DrawDay.objects.filter(pk=day.pk).update(draws=F("draws") + draws)
