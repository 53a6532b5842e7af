from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from lootbox.core.commands import PlainCommand
from operators import services
from operators.configuration import InvalidSetting


class Command(PlainCommand):
    """Make an operator with its first key. The secrets are printed this once."""

    help = "Make an operator with its first key and print its secrets, which can't be shown again."

    def add_own_arguments(self, parser: CommandParser) -> None:
        """Add the operator's slug and first settings."""
        parser.add_argument("slug", metavar="SLUG", help="2 to 40 of the characters a-z 0-9 and -.")
        parser.add_argument("--name", help="What people call it; the slug unless given.")
        parser.add_argument("--currency", default="EUR", help="The base currency (default EUR).")
        parser.add_argument("--currencies", default="", help="Comma list of currencies, the base one included or not.")
        parser.add_argument("--wallet-url", default="", help="Where its wallet answers.")
        parser.add_argument("--webhook-url", default="", help="Where its webhook receiver answers.")

    def act(self, **options: Any) -> dict[str, Any]:
        """Return the operator's slug, key id and secrets."""
        try:
            made = services.create_operator(
                slug=options["slug"],
                name=options["name"] or options["slug"],
                currency=options["currency"],
                currencies=[code for code in options["currencies"].split(",") if code],
                wallet_url=options["wallet_url"],
                webhook_url=options["webhook_url"],
                at=timezone.now(),
            )
        except InvalidSetting as error:
            raise CommandError(str(error)) from error
        return {
            "operator": made.operator.slug,
            "keyId": made.key.key_id,
            "secret": made.key.secret,
            "outboundSecret": made.outbound_secret,
        }
