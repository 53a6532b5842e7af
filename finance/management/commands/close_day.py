import datetime as dt
from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from finance import closing
from finance.management.commands import _progress
from lootbox.core.commands import PlainCommand
from operators import selectors
from operators.audit import COMMAND_LINE, By
from operators.configuration import InvalidSetting


class Command(PlainCommand):
    """Close a day of an operator."""

    help = (
        "Freeze a day's totals under a hash of what they cover, chained to the day before. Days are closed in order, once they "
        "are over in the operator's time zone; what comes in later is posted to the next day."
    )

    def add_own_arguments(self, parser: CommandParser) -> None:
        """Add the operator and the day."""
        parser.add_argument("slug", metavar="SLUG")
        parser.add_argument("day", metavar="DAY", type=_day, help="Such as 2026-06-03.")
        parser.add_argument("--reason", default=COMMAND_LINE.reason, help="Goes into the close and the audit log.")
        parser.add_argument(
            "--despite-unresolved", action="store_true", help="Close it although the fate of some money is not known yet."
        )

    def act(self, **options: Any) -> dict[str, Any]:
        """Return what was frozen."""
        try:
            with _progress.shown("Movements") as progress:
                closed = closing.close(
                    operator=selectors.operator_by_slug(slug=options["slug"]),
                    day=options["day"],
                    by=By(COMMAND_LINE.actor, options["reason"]),
                    at=timezone.now(),
                    despite_unresolved=options["despite_unresolved"],
                    progress=progress,
                )
        except (InvalidSetting, closing.NotClosable) as refusal:
            raise CommandError(str(refusal)) from refusal
        return {
            "day": str(closed.day),
            "movements": closed.movements,
            "late": closed.late,
            "lastSequence": closed.last_sequence,
            "hash": closed.hash,
            "previousHash": closed.previous_hash,
            "totals": closed.totals,
            "unresolved": closed.unresolved,
        }


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no day; write it as 2026-06-03") from None
