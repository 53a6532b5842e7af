"""A player's seed pairs: committed to, drawn with, revealed (contract section 9)."""

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from django.db import transaction

from fairness import algorithm
from fairness.models import SeedPair, SeedState
from lootbox.core.errors import ApiError, ErrorCode
from operators.models import Player

SeedSource: TypeAlias = Callable[[int], str]
"""Returns that many random bytes as lowercase hex. In production it is `secrets.token_hex`."""

SERVER_SEED_BYTES: Final = 32
CLIENT_SEED_BYTES: Final = 8
RENEWED_AT_ONCE: Final = 1000
_CLIENT_SEED = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class Rotation:
    """What a rotation did: `revealed` holds its server seed for all to see, the other two must only show their hashes."""

    revealed: SeedPair
    active: SeedPair
    next: SeedPair


def ensure_pairs(*, operator_id: int, player_id: int, at: dt.datetime, secrets: SeedSource) -> SeedPair:
    """Return the player's active seed pair; a player who has none gets one, and a next one, with a client seed of ours.

    Any number of callers at once end with the same pair: whose rows come second meet the unique constraints and are dropped.
    """
    active = _active_pair(player_id)
    if active is None:
        client_seed = secrets(CLIENT_SEED_BYTES)
        pairs = [
            _committed(operator_id=operator_id, player_id=player_id, client_seed=client_seed, at=at, secrets=secrets)
            for _ in range(2)
        ]
        pairs[0].state = SeedState.ACTIVE
        pairs[0].activated_at = at
        SeedPair.objects.bulk_create(pairs, ignore_conflicts=True)
        active = _active_pair(player_id)
    assert active is not None
    return active


@transaction.atomic
def rotate(*, player: Player, client_seed: str | None, at: dt.datetime, secrets: SeedSource) -> Rotation:
    """Reveal the active server seed, draw with the next one from nonce 0 on, and commit to a new next one.

    `client_seed` is the player's choice, None to carry the old one over. It meets a server seed whose hash was shown before. A
    round that is paid but not drawn yet will draw with the pair that is active then; a draw under way is waited for, and counts
    to the revealed pair. Raises `INVALID_CLIENT_SEED`, and nothing changes.
    """
    if client_seed is not None and not _CLIENT_SEED.fullmatch(client_seed):
        raise ApiError(ErrorCode.INVALID_CLIENT_SEED)
    ensure_pairs(operator_id=player.operator_id, player_id=player.pk, at=at, secrets=secrets)
    # Rotations queue on the player, draws on the pair. Without the first, the second of two rotations would wait for a pair
    # that is no longer active when it gets it. The lock is the weak one, so that rows may still be added for the player.
    Player.objects.select_for_update(of=("self",), no_key=True).get(pk=player.pk)
    revealed = SeedPair.objects.select_for_update(of=("self",)).get(player=player, state=SeedState.ACTIVE)
    active = SeedPair.objects.defer("server_seed").get(player=player, state=SeedState.NEXT)

    revealed.state = SeedState.REVEALED
    revealed.revealed_at = at
    revealed.save(update_fields=["state", "revealed_at"])
    active.state = SeedState.ACTIVE
    active.activated_at = at
    active.client_seed = revealed.client_seed if client_seed is None else client_seed
    active.save(update_fields=["state", "activated_at", "client_seed"])
    following = _committed(
        operator_id=player.operator_id, player_id=player.pk, client_seed=active.client_seed, at=at, secrets=secrets
    )
    following.save(force_insert=True)
    return Rotation(revealed=revealed, active=active, next=following)


def renew_all(*, at: dt.datetime, secrets: SeedSource) -> int:
    """Reveal what every player has drawn with and would have drawn with next, give them new pairs, and return to how many.

    For a database that was restored: since the backup its active pairs may have drawn further, and their next ones may have
    been drawn with and revealed. Neither may draw again. Client seeds are carried over. Run again, it does the same again.
    """
    renewed, latest = 0, 0
    while True:
        with transaction.atomic():
            active = SeedPair.objects.defer("server_seed").filter(state=SeedState.ACTIVE, player_id__gt=latest)
            pairs = list(active.select_for_update(of=("self",)).order_by("player_id")[:RENEWED_AT_ONCE])
            if not pairs:
                return renewed
            theirs = SeedPair.objects.filter(player_id__in=[pair.player_id for pair in pairs])
            theirs.filter(state=SeedState.ACTIVE).update(state=SeedState.REVEALED, revealed_at=at)
            theirs.filter(state=SeedState.NEXT).update(state=SeedState.ACTIVE, activated_at=at)
            theirs.filter(state=SeedState.ACTIVE).update(state=SeedState.REVEALED, revealed_at=at)
            SeedPair.objects.bulk_create(new for pair in pairs for new in _successors(pair, at=at, secrets=secrets))
            renewed, latest = renewed + len(pairs), pairs[-1].player_id


def _successors(pair: SeedPair, *, at: dt.datetime, secrets: SeedSource) -> list[SeedPair]:
    active, following = (
        _committed(operator_id=pair.operator_id, player_id=pair.player_id, client_seed=pair.client_seed, at=at, secrets=secrets)
        for _ in range(2)
    )
    active.state = SeedState.ACTIVE
    active.activated_at = at
    return [active, following]


def _active_pair(player_id: int) -> SeedPair | None:
    return SeedPair.objects.defer("server_seed").filter(player_id=player_id, state=SeedState.ACTIVE).first()


def _committed(*, operator_id: int, player_id: int, client_seed: str, at: dt.datetime, secrets: SeedSource) -> SeedPair:
    server_seed = secrets(SERVER_SEED_BYTES)
    return SeedPair(
        operator_id=operator_id,
        player_id=player_id,
        server_seed=server_seed,
        server_seed_hash=algorithm.seed_hash(server_seed),
        client_seed=client_seed,
        state=SeedState.NEXT,
        created_at=at,
    )
