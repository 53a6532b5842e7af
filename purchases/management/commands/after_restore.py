import secrets
from typing import Any

from django.core.management.base import CommandError, CommandParser

from lootbox.core import db
from lootbox.core.commands import PlainCommand
from operators.audit import COMMAND_LINE
from purchases.services.restoring import make_safe

NEXT = (
    "Start recovery, and wait until manage.py recover --once --json takes nothing up.",
    "Compare books with each operator's statement from the time of the backup on: what only the operator has was lost with us.",
    "Start the web servers, then deliveries and schedule.",
)


class Command(PlainCommand):
    """Make a database that was restored from a backup safe to sell from again."""

    help = "Run once after restoring a backup, before anything else is started: new seeds, new ids, open money asked for again."

    def add_own_arguments(self, parser: CommandParser) -> None:
        """Add the confirmation."""
        parser.add_argument("--yes", action="store_true", help="This database was restored, and nothing works on it.")

    def act(self, **options: Any) -> dict[str, Any]:
        """Return what was done, and what to do next."""
        if not options["yes"]:
            raise CommandError("This gives every player new seeds. Stop web servers, recovery and workers, then add --yes.")
        return make_safe(by=COMMAND_LINE, clock=db.clock, secrets=secrets.token_hex).as_json() | {"next": NEXT}
