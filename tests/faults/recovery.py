"""`python -m tests.faults.recovery 2`: recovery workers under a supervisor that starts a killed one again, as in production."""

import os
import signal
import sys
from typing import NoReturn

import django
from django.core.management import call_command

from lootbox.embedded.processes import die_with_parent
from tests.faults import points


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
                call_command("recover", "--json")
                sys.exit()
            workers.add(worker)
        workers.discard(os.wait()[0])


if __name__ == "__main__":
    main(int(sys.argv[1]))
