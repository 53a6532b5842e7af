from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from catalog import rates
from catalog.rates import InvalidRate
from lootbox.core.commands import PlainCommand


class Command(PlainCommand):
    """Load the European Central Bank's daily rates."""

    help = (
        "Load the European Central Bank's daily rates, and the rates between each operator's currencies that follow from them."
    )

    def add_own_arguments(self, parser: CommandParser) -> None:
        """Add where to read from."""
        parser.add_argument("--file", type=Path, help="Read this XML file instead of fetching LOOTBOX_RATES_URL.")

    def act(self, **options: Any) -> dict[str, Any]:
        """Return the rates that are new."""
        file: Path | None = options["file"]
        try:
            document = rates.fetch_rates() if file is None else file.read_bytes()
            stored = rates.load_rates(document=document)
        except InvalidRate as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{file} can't be read: {error.strerror}.") from error
        return {"loaded": len(stored), "rates": [str(rate) for rate in stored]}
