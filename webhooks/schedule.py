"""When a delivery that failed is tried again: the contract's times as data (contract section 11)."""

import datetime as dt
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from random import Random
from typing import Final

JITTER: Final = 0.2
PATIENCE: Final = 2


def next_attempt(
    *, failures: int, steps_s: Sequence[float], retry_after: str | None, at: dt.datetime, random: Random
) -> dt.datetime | None:
    """Return when to try again after the `failures`-th failure in a row, which ended at `at`; None when that was the last try.

    Each step is up to 20 % shorter or longer, so that what failed together does not come back together. A receiver's
    `Retry-After` can put the attempt off, up to twice the step, and never brings it forward.
    """
    if failures > len(steps_s):
        return None
    step = steps_s[failures - 1]
    wait = step * random.uniform(1 - JITTER, 1 + JITTER)
    asked = _seconds(retry_after, at=at)
    if asked is not None:
        wait = max(wait, min(asked, PATIENCE * step))
    return at + dt.timedelta(seconds=wait)


def _seconds(retry_after: str | None, *, at: dt.datetime) -> float | None:
    """Return what a `Retry-After` asks for: seconds, or a date. What is neither asks for nothing."""
    if retry_after is None:
        return None
    if retry_after.isascii() and retry_after.isdecimal():
        return float(retry_after[:9])
    try:
        moment = parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):
        return None
    return (moment.replace(tzinfo=moment.tzinfo or dt.UTC) - at).total_seconds()
