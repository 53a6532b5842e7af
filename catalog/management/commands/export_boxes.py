import json
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError, CommandParser

from catalog.exporting import export_boxes
from lootbox.core.commands import PlainCommand
from operators.configuration import InvalidSetting
from operators.selectors import operator_by_slug


class Command(PlainCommand):
    """Export a catalogue."""

    help = "Print an operator's catalogue as the file that import_boxes reads, with --json on one line."

    def add_own_arguments(self, parser: CommandParser) -> None:
        """Add whose catalogue."""
        parser.add_argument("slug", metavar="SLUG", help="The operator.")

    def act(self, **options: Any) -> Mapping[str, Any]:
        """Return the file."""
        try:
            return export_boxes(operator=operator_by_slug(slug=options["slug"]))
        except InvalidSetting as error:
            raise CommandError(str(error)) from error

    def show(self, result: Mapping[str, Any]) -> None:
        """Print the file for people to edit."""
        self.stdout.write(json.dumps(result, ensure_ascii=False, indent=2))
