from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from lootbox.core.commands import PlainCommand
from lootbox.core.fields import print_moment
from operators import services
from operators.configuration import InvalidSetting


class Command(PlainCommand):
    """Revoke an inbound key from the next request on."""

    help = "Revoke a key. No request can use it from now on."

    def add_own_arguments(self, parser: CommandParser) -> None:
        """Add the key's id."""
        parser.add_argument("key_id", metavar="KEY_ID")

    def act(self, **options: Any) -> dict[str, Any]:
        """Return the key's id and when it was revoked."""
        try:
            key = services.revoke_key(key_id=options["key_id"], at=timezone.now())
        except InvalidSetting as error:
            raise CommandError(str(error)) from error
        return {"keyId": key.key_id, "revokedAt": print_moment(key.revoked_at or timezone.now())}
