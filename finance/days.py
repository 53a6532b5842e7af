"""Days as finance means them: of UTC or of the operator's time zone, from their first instant to the next day's."""

import datetime as dt
import enum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from operators.models import Operator


class Zone(enum.StrEnum):
    """Whose days are meant."""

    UTC = "utc"
    OPERATOR = "operator"

    def of(self, operator: Operator) -> str:
        """Return the name of the time zone that the operator's days are of."""
        return operator.time_zone if self is Zone.OPERATOR else "UTC"


class Period(NamedTuple):
    """A half-open stretch of time: `start` belongs to it, `end` does not."""

    start: dt.datetime
    end: dt.datetime


def first_instant(day: dt.date, zone: str) -> dt.datetime:
    """Return when a day begins there, in UTC; where the clock skips midnight, the moment that it does."""
    return dt.datetime.combine(day, dt.time.min, ZoneInfo(zone)).astimezone(dt.UTC)


def period(first: dt.date, last: dt.date, zone: str) -> Period:
    """Return the time from the beginning of the first day to the end of the last one."""
    return Period(first_instant(first, zone), first_instant(last + dt.timedelta(days=1), zone))


def day_of(moment: dt.datetime, zone: str) -> dt.date:
    """Return the day that a moment belongs to there."""
    return moment.astimezone(ZoneInfo(zone)).date()
