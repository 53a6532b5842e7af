"""Counting all that there is to be counted, whatever the tests beside this one are doing."""

import datetime as dt
import time

from django.db.models import F
from django.utils import timezone

from finance import counting
from finance.models import TallyProgress

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
