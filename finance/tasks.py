"""What the schedule runs for finance."""

import datetime as dt
from typing import Any, Final

import structlog
from celery import shared_task
from django.db import close_old_connections
from django.utils import timezone
from kombu.exceptions import OperationalError

from finance import counting, watch
from finance.services import exporting, statements

# Well below the hard limit of a task; what is left over is for the next run.
RUN: Final = dt.timedelta(seconds=30)
logger = structlog.get_logger(__name__)


@shared_task
def count_new(**_: Any) -> None:
    """Count draws and attempts at delivery that are new, and flag big wins and repeated free opens."""
    close_old_connections()
    counting.count_new(clock=timezone.now, until=timezone.now() + RUN)


@shared_task
def watch_rtp(**_: Any) -> None:
    """Flag what was paid out against the odds; a flag is a warning in the log too."""
    close_old_connections()
    for flag in watch.judge(at=timezone.now()):
        logger.warning("rtp_out_of_tolerance", flag=flag.pk, summary=flag.summary, box_paused=flag.box_paused)


# Acknowledged early: an export may take longer than the broker waits for a task. One that dies with its worker is found in
# PostgreSQL when its lease has lapsed.
@shared_task(acks_late=False, time_limit=3600)
def make_exports(**_: Any) -> None:
    """Make the exports that wait, one after another."""
    close_old_connections()
    while exporting.make_next(clock=timezone.now):
        pass


@shared_task
def delete_exports(**_: Any) -> None:
    """Delete the files whose time is up."""
    close_old_connections()
    exporting.delete_old(at=timezone.now())


# Acknowledged early: what is lost with its worker waits in PostgreSQL, and the schedule comes back to it.
@shared_task(acks_late=False, time_limit=1800)
def match_statements(**_: Any) -> None:
    """Match the statements that wait."""
    close_old_connections()
    for statement_id in statements.due(at=timezone.now()):
        statements.run(statement_id=statement_id, clock=timezone.now)


def wake_matching() -> None:
    """Have a worker look for statements now. Without a broker the schedule finds them, a minute later."""
    try:
        match_statements.apply_async(retry=False, expires=60)
    except OperationalError as error:
        logger.warning("matching_not_woken", reason=str(error))
