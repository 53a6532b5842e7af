"""Doors from the task queue. They carry nothing: what has to be done stands in PostgreSQL."""

import datetime as dt
from functools import cache
from secrets import SystemRandom
from typing import Final

from celery import shared_task
from django.db import close_old_connections
from django.utils import timezone

from webhooks import services
from webhooks.delivery import Dispatcher

# With the time that an attempt may take, well below the hard limit of a task.
RUN: Final = dt.timedelta(seconds=20)


@cache
def _dispatcher() -> Dispatcher:
    return Dispatcher(clock=timezone.now, random=SystemRandom())


# Acknowledged early: a call that is lost with its worker is made up for by the next one.
@shared_task(acks_late=False)
def dispatch() -> None:
    """Deliver what is due. Woken after commits, and by the schedule, which is what can be relied on."""
    close_old_connections()
    _dispatcher().run(until=timezone.now() + RUN)


@shared_task
def send_notices() -> None:
    """Tell people of endpoints that went off."""
    close_old_connections()
    services.send_notices(at=timezone.now())
