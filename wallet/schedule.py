"""When an unresolved wallet call is asked for again: never given up (contract section 5)."""

import datetime as dt
import random
from typing import Final

from django.conf import settings

JITTER: Final = 0.2


def next_attempt(*, attempts: int, at: dt.datetime) -> dt.datetime:
    """Return when to try again after `attempts` tries: the next of the configured waits ±20 %, the last one for ever."""
    steps = settings.LOOTBOX_RECOVERY_STEPS_S
    step = steps[min(max(attempts, 1), len(steps)) - 1]
    spread = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - only keeps retries from marching in step
    return at + dt.timedelta(seconds=step * spread)
