"""When an unresolved wallet call is asked for again: never given up (contract section 5)."""

import datetime as dt
import random
from typing import Final

from django.conf import settings

JITTER: Final = 0.2


def wait_s(*, attempts: int) -> float:
    """Return how many seconds to wait after `attempts` tries: the next of the configured waits ±20 %, the last one for ever."""
    steps = settings.LOOTBOX_RECOVERY_STEPS_S
    step = steps[min(max(attempts, 1), len(steps)) - 1]
    return step * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - only keeps retries from marching in step


def next_attempt(*, attempts: int, at: dt.datetime) -> dt.datetime:
    """Return when to try again after `attempts` tries, of which the last one ended at `at`."""
    return at + dt.timedelta(seconds=wait_s(attempts=attempts))
