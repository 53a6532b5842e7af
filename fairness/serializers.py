"""Seed pairs as the player API reads and shows them (contract sections 8 and 9)."""

from typing import Any

from fairness import algorithm
from fairness.models import SeedPair, SeedState
from fairness.services import Rotation
from lootbox.core.fields import Reader


def read_client_seed(body: Reader) -> str | None:
    """Return the client seed that a rotation asks for, None when it was not sent.

    One of another type or length reads as an empty text, which `services.rotate` refuses with `INVALID_CLIENT_SEED`; so don't
    call `body.check`, which would answer `VALIDATION_FAILED`.
    """
    return body.optional_text("clientSeed", maximum=64)


def commitment(*, active: SeedPair, following: SeedPair) -> dict[str, Any]:
    """Return the `fairness` object of contract section 8."""
    return {
        "serverSeedHash": active.server_seed_hash,
        "nextServerSeedHash": following.server_seed_hash,
        "clientSeed": active.client_seed,
        "nextNonce": active.next_nonce,
        "algorithmKey": algorithm.ALGORITHM_KEY,
    }


def revealed(pair: SeedPair) -> dict[str, Any]:
    """Return a revealed pair, with how many rounds were drawn with it."""
    assert pair.state == SeedState.REVEALED
    return {
        "serverSeed": pair.server_seed,
        "serverSeedHash": pair.server_seed_hash,
        "clientSeed": pair.client_seed,
        "rounds": pair.next_nonce,
    }


def rotation(done: Rotation) -> dict[str, Any]:
    """Return the answer of `POST fairness/rotate`."""
    return {"revealed": revealed(done.revealed), "fairness": commitment(active=done.active, following=done.next)}
