from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from catalog import rates
from catalog.rates import InvalidRate
from lootbox.core.commands import PlainCommand


class Command(PlainCommand):
    """Set an exchange rate by hand."""

    help = "1 BASE is RATE QUOTE from the next request on; the inverse is not implied."

    def add_own_arguments(self, parser: CommandParser) -> None:
        """Add the two currencies and the rate."""
        parser.add_argument("base", metavar="BASE", help="A currency such as EUR.")
        parser.add_argument("quote", metavar="QUOTE", help="Another currency such as SEK.")
        parser.add_argument("rate", metavar="RATE", help="How many QUOTE one BASE is worth, such as 11.2345.")

    def act(self, **options: Any) -> dict[str, Any]:
        """Return the rate as it was stored."""
        base, quote, rate = options["base"], options["quote"], options["rate"]
        try:
            stored = rates.set_rate(base=base, quote=quote, rate=rate, source="set_rate", at=timezone.now())
        except InvalidRate as error:
            raise CommandError(str(error)) from error
        return {"base": base, "quote": quote, "rate": f"{stored.rate:f}"}
