import json
from typing import Any, Final

from django.core.management.base import CommandError, CommandParser

from lootbox.core.commands import PlainCommand
from lootbox.core.errors import ApiError
from purchases import proofs
from purchases.proofs import Verdict

REFUSALS: Final = {
    Verdict.FAILS: (1, "Round {} does not hold. Keep the database as it is, and compare the findings above."),
    Verdict.UNREVEALED: (2, "The server seed of round {} is not revealed yet. Its player can rotate it, then try again."),
    Verdict.UNDRAWN: (2, "Round {} was not drawn, so there is nothing to verify yet."),
}


class Command(PlainCommand):
    """Verify one round. Ends with 0 when it holds, 1 when it does not or is unknown, 2 when its seed is not revealed yet."""

    help = "Recompute a round from its revealed seed: exit 0 it holds, 1 it does not, 2 not revealed yet."

    def add_own_arguments(self, parser: CommandParser) -> None:
        """Add the round."""
        parser.add_argument("public_id", metavar="PUBLIC_ID", help="The round, such as r_01J….")

    def handle(self, *_: Any, **options: Any) -> None:
        """Print what was found, then end with the status that says whether the round holds."""
        public_id = options["public_id"]
        try:
            verification = proofs.verify(public_id=public_id)
        except ApiError as error:
            raise CommandError(
                f"There is no round {public_id}. A round's id starts with r_ and is in its purchase's answer."
            ) from error
        if options["json"]:
            findings = [finding._asdict() for finding in verification.findings]
            self.stdout.write(json.dumps({"round": public_id, "verdict": verification.verdict, "findings": findings}))
        else:
            for finding in verification.findings:
                self.stdout.write(f"{'ok' if finding.agrees else 'NO':4}{finding.text}")
        if verification.verdict in REFUSALS:
            status, message = REFUSALS[verification.verdict]
            raise CommandError(message.format(public_id), returncode=status)
        if not options["json"]:
            self.stdout.write(f"Round {public_id} holds.")
