import json
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from lootbox.core.commands import PlainCommand
from operators import selectors
from operators.audit import COMMAND_LINE
from operators.configuration import InvalidSetting
from wallet.conformance import CannotCheck, Finding, check_wallet


class Command(PlainCommand):
    """Try whether an operator's wallet keeps the rules that money rests on, with a few debits and credits of one player."""

    help = "Check an operator's wallet before it goes live. Moves a player's small change to and fro; it ends where it began."

    def add_own_arguments(self, parser: CommandParser) -> None:
        """Add whose wallet, which player, how much."""
        parser.add_argument("slug", metavar="SLUG")
        parser.add_argument("--player", required=True, metavar="ID", help="A test player with money whom nobody plays with.")
        parser.add_argument("--amount", type=int, default=1, help="What each movement moves, in the minor unit (default 1).")
        parser.add_argument("--currency", help="The operator's base currency unless given.")

    def handle(self, *_: Any, **options: Any) -> None:
        """Print a line a check as it is done; exit with 1 where one was not passed."""
        findings = []
        try:
            for finding in self._check(options):
                findings.append(finding)
                if not options["json"]:
                    self.stdout.write(_line(finding))
        except (InvalidSetting, CannotCheck) as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            checks = [vars(finding) for finding in findings]
            self.stdout.write(json.dumps({"operator": options["slug"], "player": options["player"], "checks": checks}))
        failed = sum(not finding.passed for finding in findings)
        if failed:
            raise CommandError(f"{failed} of {len(findings)} checks were not passed: this wallet must not go live.")

    def _check(self, options: dict[str, Any]) -> Any:
        if options["amount"] < 1:
            raise CommandError("Give an --amount of 1 or more.")
        operator = selectors.operator_by_slug(slug=options["slug"])
        return check_wallet(
            operator=operator,
            player=options["player"],
            amount_minor=options["amount"],
            currency=options["currency"] or operator.base_currency,
            by=COMMAND_LINE,
            clock=timezone.now,
        )


def _line(finding: Finding) -> str:
    outcome = "passed" if finding.passed else "FAILED"
    advice = "" if finding.passed else f" {finding.advice}"
    return f"{outcome}: {finding.check}: {finding.seen}.{advice}"
