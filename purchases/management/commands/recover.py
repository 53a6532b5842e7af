import signal
import threading
from typing import Any

from django.core.management.base import CommandParser
from django.db import DatabaseError, connection

from lootbox.core import db, patience
from lootbox.core.commands import PlainCommand
from purchases.services.recovering import recover_due

PAUSE_S = 1.0


class Command(PlainCommand):
    """Take up unresolved money that is due: once, or for as long as the process lives."""

    help = "Undo abandoned purchases, pay what is owed, refund what expired. Without --once: the long-running worker."

    def add_own_arguments(self, parser: CommandParser) -> None:
        """Add `--once`."""
        parser.add_argument("--once", action="store_true", help="One pass over what is due, then exit.")

    def act(self, **options: Any) -> dict[str, Any]:
        """Return how much was taken up, in one pass or in all."""
        stopped = threading.Event()
        if not options["once"]:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: stopped.set())
        taken = {"rounds": 0, "calls": 0, "expired": 0}
        while True:
            try:
                with patience.limited():
                    done = recover_due(clock=db.clock)
            except DatabaseError as error:
                if options["once"] or not patience.is_passing(error):
                    raise
                connection.close()  # no request ends here, so Django would keep the broken one for ever
                self.stderr.write(f"The database did not answer in time, trying again: {error}".strip())
            else:
                taken = {name: count + getattr(done, name) for name, count in taken.items()}
            if options["once"] or stopped.wait(PAUSE_S):
                return taken
