from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from lootbox.core.commands import PlainCommand
from lootbox.core.fields import parse_moment
from operators import selectors, services
from operators.configuration import InvalidSetting


class Command(PlainCommand):
    """Make another inbound key for an operator. The secret is printed this once."""

    help = "Make a key for an operator and print its secret, which can't be shown again."

    def add_own_arguments(self, parser: CommandParser) -> None:
        """Add the slug and the key's limits."""
        parser.add_argument("slug", metavar="SLUG")
        parser.add_argument("--test", action="store_true", help="Mark it as a test key.")
        parser.add_argument("--expires-at", help="When it stops working, such as 2027-01-31T00:00:00Z.")
        parser.add_argument("--allow-ip", action="append", default=[], metavar="CIDR", help="May be repeated; none: any.")

    def act(self, **options: Any) -> dict[str, Any]:
        """Return the key's id and secret."""
        expires_at = parse_moment(options["expires_at"]) if options["expires_at"] else None
        if options["expires_at"] and expires_at is None:
            raise CommandError("--expires-at takes a UTC time such as 2027-01-31T00:00:00Z.")
        try:
            key = services.create_key(
                operator=selectors.operator_by_slug(slug=options["slug"]),
                at=timezone.now(),
                test=options["test"],
                expires_at=expires_at,
                allowed_ips=options["allow_ip"],
            )
        except InvalidSetting as error:
            raise CommandError(str(error)) from error
        return {"keyId": key.key_id, "secret": key.secret}
