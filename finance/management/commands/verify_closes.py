from typing import Any

from django.core.management.base import CommandError, CommandParser

from finance import closing
from finance.management.commands import _progress
from lootbox.core.commands import PlainCommand
from operators import selectors
from operators.configuration import InvalidSetting


class Command(PlainCommand):
    """Verify the closed days of an operator."""

    help = "Recompute every close from the movements that it covers. Exits 0 when all hashes and their chain hold, else 1."

    def add_own_arguments(self, parser: CommandParser) -> None:
        """Add the operator, and a hash to hold."""
        parser.add_argument("slug", metavar="SLUG")
        parser.add_argument("--holds", metavar="HASH", help="An earlier close's hash, which has to be there still.")

    def act(self, **options: Any) -> dict[str, Any]:
        """Return how many closes there are, and the newest hash."""
        try:
            operator = selectors.operator_by_slug(slug=options["slug"])
            with _progress.shown("Movements") as progress:
                count, newest = closing.verify(operator=operator, progress=progress)
        except (InvalidSetting, closing.BrokenClose) as broken:
            raise CommandError(str(broken)) from broken
        if options["holds"] and not closing.has_hash(operator=operator, wanted=options["holds"]):
            raise CommandError("No close has that hash: closes were cut off or exchanged since.")
        return {"closes": count, "newestHash": newest}
