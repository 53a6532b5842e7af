"""Making a database safe that was restored from a backup: the world has gone on from it, and knows things that it does not."""

from dataclasses import dataclass
from typing import Any, Final

from django.db.models.functions import Now

from fairness import services as fairness
from fairness.services import SeedSource
from lootbox.core import db
from operators import audit
from operators.audit import By
from purchases.models import Round, RoundState
from purchases.services.settling import Clock
from wallet import services as wallet
from wallet.models import WalletCall

# Ids that wallets know as idempotency keys, and operators and proofs by number. Reused, a new item's cashback would be answered
# as paid, and a new box version would stand where players verified another.
NUMBERED: Final = ("vault_inventoryitem", "catalog_box", "catalog_boxversion", "catalog_item")
AHEAD: Final = 10**9
MOVE_AHEAD: Final = """
SELECT setval(pg_get_serial_sequence(%(table)s, 'id'), nextval(pg_get_serial_sequence(%(table)s, 'id')) + %(ahead)s)
"""


@dataclass(frozen=True)
class MadeSafe:
    """How many players got new seeds, from where on each table's ids go, how many rounds and wallet calls are due now."""

    players: int
    ids_from: dict[str, int]
    rounds: int
    calls: int

    def as_json(self) -> dict[str, Any]:
        """Return what the command prints and the audit log keeps."""
        return {
            "playersWithNewSeeds": self.players,
            "idsFrom": self.ids_from,
            "roundsDue": self.rounds,
            "walletCallsDue": self.calls,
        }


def make_safe(*, by: By, clock: Clock, secrets: SeedSource) -> MadeSafe:
    """Renew all seeds, so that no nonce is drawn twice; move ids ahead of all that were given out; have recovery ask about all
    that was open when the backup was made; and write that into the audit log. Nothing else may work on the database meanwhile.
    """
    players = fairness.renew_all(at=clock(), secrets=secrets)
    with db.phase():
        ids_from = {table: int(db.rows(MOVE_AHEAD, {"table": table, "ahead": AHEAD})[0][0]) for table in NUMBERED}
        open_rounds = Round.objects.filter(state__in=[RoundState.PENDING, RoundState.UNDOING], recover_at__isnull=False)
        rounds = open_rounds.update(recover_at=Now())
        calls = WalletCall.objects.filter(state__in=wallet.UNRESOLVED).update(next_attempt_at=Now())
        made = MadeSafe(players, ids_from, rounds, calls)
        audit.record(by=by, action="after_restore", operator=None, subject="database", at=clock(), after=made.as_json())
    return made
