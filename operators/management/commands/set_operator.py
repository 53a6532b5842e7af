from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from lootbox.core.commands import PlainCommand
from operators import configuration, selectors, services
from operators.configuration import InvalidSetting


class Command(PlainCommand):
    """Change and print an operator's settings."""

    help = "Change settings of an operator and print all of them. They hold from the next request on."

    def add_own_arguments(self, parser: CommandParser) -> None:
        """Add the slug and what to change."""
        parser.add_argument("slug", metavar="SLUG")
        state = parser.add_mutually_exclusive_group()
        state.add_argument("--suspend", dest="suspended", action="store_const", const=True, help="Refuse all its requests.")
        state.add_argument("--resume", dest="suspended", action="store_const", const=False, help="Let it work again.")
        parser.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help=f"May be repeated. Names: {', '.join(configuration.SETTINGS)}. Lists are comma-separated.",
        )

    def act(self, **options: Any) -> dict[str, Any]:
        """Return all settings as they are now."""
        changes = dict(_split(text) for text in options["set"])
        try:
            operator = selectors.operator_by_slug(slug=options["slug"])
            operator = services.change_settings(
                operator=operator, changes=changes, suspended=options["suspended"], at=timezone.now()
            )
        except InvalidSetting as error:
            raise CommandError(str(error)) from error
        return configuration.as_json(operator)


def _split(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise CommandError(f"--set takes NAME=VALUE, not {text!r}.")
    return name, value
