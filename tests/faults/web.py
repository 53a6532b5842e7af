"""The web server's own settings, with workers that are forked from a loaded master, so that a killed one is back at once."""

import datetime as dt
import os
from typing import Any

import time_machine

from lootbox.gunicorn import *  # noqa: F403 - it is what is tested
from tests.faults import points

preload_app = True


def post_fork(_: Any, __: Any) -> None:
    """Put the points into the new worker, and its clock wrong where it has to be."""
    points.install()
    offset_s = float(os.environ.get("FAULT_CLOCK_S", "0"))
    if offset_s:
        time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=offset_s), tick=True).start()
