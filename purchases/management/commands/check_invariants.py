from typing import Any

from django.core.management.base import CommandError

from lootbox.core.commands import PlainCommand
from purchases import invariants


class Command(PlainCommand):
    """Check everything that must hold of the money. Fails loudly when something does not."""

    help = "Run purchases/invariants.sql: exit 0 when all of it holds."

    def act(self, **_: Any) -> dict[str, Any]:
        """Return the names of the invariants that hold, which is all of them."""
        broken = invariants.breaches()
        if broken:
            raise CommandError(
                "; ".join(f"{breach.rule.name} is broken {breach.rows} times ({breach.examples[0]})" for breach in broken)
            )
        return {"holds": [rule.name for rule in invariants.rules()]}
