"""The base of our commands: plain text for people, one JSON object for programs, one line to stderr on failure."""

import json
from collections.abc import Mapping
from typing import Any

from django.core.management.base import BaseCommand, CommandParser


class PlainCommand(BaseCommand):
    """A command that prints what it returned from `act`: as lines, or with `--json` as one object."""

    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add `--json`, then what the command takes."""
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")
        self.add_own_arguments(parser)

    def add_own_arguments(self, parser: CommandParser) -> None:
        """Add what the command takes."""

    def handle(self, *_: Any, **options: Any) -> None:
        """Act, then print the result."""
        result = self.act(**options)
        if options["json"]:
            self.stdout.write(json.dumps(result, ensure_ascii=False))
        else:
            self.show(result)

    def show(self, result: Mapping[str, Any]) -> None:
        """Print the result for people."""
        for name, value in result.items():
            self.stdout.write(f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}")

    def act(self, **options: Any) -> Mapping[str, Any]:
        """Return what there is to print. Raises `CommandError` with one line that says what to do."""
        raise NotImplementedError
