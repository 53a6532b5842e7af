"""What a player is shown of their seeds: hashes of the secret ones, and the revealed ones."""

from typing import Any, Final

from fairness import serializers
from fairness.models import SeedPair, SeedState
from operators.models import Player

REVEALED_SHOWN: Final = 100


def commitment(*, player: Player) -> dict[str, Any]:
    """Return the `fairness` object of contract section 8: what the player's next round draws with, and the hash after it.

    The player must have seed pairs (`services.ensure_pairs`). No server seed is decrypted.
    """
    pairs = SeedPair.objects.defer("server_seed").filter(player=player, state__in=[SeedState.ACTIVE, SeedState.NEXT])
    by_state = {pair.state: pair for pair in pairs}
    return serializers.commitment(active=by_state[SeedState.ACTIVE], following=by_state[SeedState.NEXT])


def state(*, player: Player) -> dict[str, Any]:
    """Return the answer of `GET fairness/state`, with the newest 100 revealed pairs, newest first (contract section 8)."""
    revealed = SeedPair.objects.filter(player=player, state=SeedState.REVEALED).order_by("-revealed_at", "-id")
    return {
        "fairness": commitment(player=player),
        "revealed": [serializers.revealed(pair) for pair in revealed[:REVEALED_SHOWN]],
    }
