import datetime as dt
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from lootbox.core.commands import PlainCommand
from operators import selectors, services
from operators.configuration import InvalidSetting


class Command(PlainCommand):
    """Give an operator a new outbound secret; the old one signs along until the overlap ends."""

    help = "Make a new secret for wallet calls and webhooks and print it, this once."

    def add_own_arguments(self, parser: CommandParser) -> None:
        """Add the slug and the overlap."""
        parser.add_argument("slug", metavar="SLUG")
        parser.add_argument("--overlap-hours", type=int, default=72, help="How long the old secret signs along (default 72).")

    def act(self, **options: Any) -> dict[str, Any]:
        """Return the new secret."""
        try:
            operator = selectors.operator_by_slug(slug=options["slug"])
        except InvalidSetting as error:
            raise CommandError(str(error)) from error
        overlap = dt.timedelta(hours=options["overlap_hours"])
        secret = services.rotate_outbound_secret(operator=operator, at=timezone.now(), overlap=overlap)
        return {"operator": operator.slug, "outboundSecret": secret}
