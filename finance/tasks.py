"""What the schedule runs for finance."""

import datetime as dt
from typing import Any, Final

import structlog
from celery import shared_task
from django.db import close_old_connections
from django.utils import timezone

from finance import counting, watch

# Well below the hard limit of a task; what is left over is for the next run.
RUN: Final = dt.timedelta(seconds=30)
logger = structlog.get_logger(__name__)


@shared_task
def count_draws(**_: Any) -> None:
    """Count the draws that are new, and flag big wins and repeated free opens."""
    close_old_connections()
    counting.count_draws(clock=timezone.now, until=timezone.now() + RUN)


@shared_task
def watch_rtp(**_: Any) -> None:
    """Flag what was paid out against the odds; a flag is a warning in the log too."""
    close_old_connections()
    for flag in watch.judge(at=timezone.now()):
        logger.warning("rtp_out_of_tolerance", flag=flag.pk, summary=flag.summary, box_paused=flag.box_paused)
