from typing import Any

from django.core.management.base import CommandError, CommandParser

from lootbox.core.commands import PlainCommand
from operators import audit
from operators.models import AuditEntry


class Command(PlainCommand):
    """Verify the audit log's chain of hashes."""

    help = (
        "Verify that the audit log is what was written, and print its length and newest hash. Keep that hash elsewhere and "
        "give it with --holds later: entries cut off at the end can't be told otherwise."
    )

    def add_own_arguments(self, parser: CommandParser) -> None:
        """Add the hash that must be in the log."""
        parser.add_argument("--holds", metavar="HASH", help="A hash that an earlier run printed; it must still be there.")

    def act(self, **options: Any) -> dict[str, Any]:
        """Return the number of entries and the newest hash."""
        try:
            count, newest = audit.verify()
        except audit.BrokenChain as error:
            raise CommandError(str(error)) from error
        held = options["holds"]
        if held and not AuditEntry.objects.filter(hash=held).exists():
            raise CommandError(f"No entry has the hash {held}: entries were cut off after an earlier run printed it.")
        return {"entries": count, "newestHash": newest}
