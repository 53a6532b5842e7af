"""`python -m tests.faults.recovery 2`: recovery workers under a supervisor that starts a killed one again, as in production."""

import datetime as dt
import os
import signal
import sys
from contextlib import nullcontext
from typing import Final, NoReturn

import django
from django.core.management import call_command
from django.utils import timezone
from time_machine import travel

from lootbox.embedded.processes import die_with_parent
from tests.faults import points

# How many seconds the workers' clock is off.
OFFSET_S: Final = "FAULT_CLOCK_S"


def main(count: int) -> NoReturn:
    """Keep `count` workers running."""
    django.setup()
    points.install()
    tie_to_parent = die_with_parent(signal.SIGKILL)
    workers: set[int] = set()
    while True:
        while len(workers) < count:
            worker = os.fork()
            if worker == 0:
                tie_to_parent()
                offset = dt.timedelta(seconds=int(os.environ.get(OFFSET_S, "0")))
                with travel(timezone.now() + offset, tick=True) if offset else nullcontext():
                    call_command("recover", "--json")
                sys.exit()
            workers.add(worker)
        workers.discard(os.wait()[0])


if __name__ == "__main__":
    main(int(sys.argv[1]))
