"""The draw, `hmac_sha256_v1`, on one page of Python's standard library (contract section 9).

Before play the player is shown the SHA-256 of a server seed, and chooses a client seed. Each round takes the next nonce, each
reel of a round has its index, and the box version's published prize table enters by its own hash. So the platform can't choose
a result: seed and table are committed to before the client seed is known. And nobody can foresee one: the server seed is secret
until the player has it revealed, after which anybody can repeat every draw made with it.
"""

import hashlib
import hmac
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

ALGORITHM_KEY: Final = "hmac_sha256_v1"
_NUMBERS: Final = 2**256


def seed_hash(server_seed: str) -> str:
    """Return what is published of a server seed while it is secret: the hex SHA-256 of its 64 ASCII characters."""
    return hashlib.sha256(server_seed.encode()).hexdigest()


def roll(*, server_seed: str, client_seed: str, nonce: int, reel_index: int, snapshot_hash: str, total_weight: int) -> int:
    """Return the number, from 0 to `total_weight` - 1, that a reel drew; each is exactly as likely as any other.

    An HMAC is a number below 2^256. Counted from 0, those numbers fall into blocks of `total_weight`, and a number's roll is
    its place in its block. The last block may be cut short by 2^256, which would favour low rolls: a number out of such a
    block is thrown away, and the next attempt decides.
    """
    attempt = 0
    while True:
        message = f"{client_seed}:{nonce}:{reel_index}:{snapshot_hash}:{attempt}"
        number = int.from_bytes(hmac.digest(server_seed.encode(), message.encode(), "sha256"), "big")
        place = number % total_weight
        if number - place + total_weight <= _NUMBERS:
            return place
        attempt += 1


def pick(cumulative: Sequence[int], roll: int) -> int:
    """Return the index of the prize: the first whose cumulative weight exceeds `roll`.

    `cumulative` holds, for each prize in the order of the snapshot, the sum of the weights up to and including its own.
    """
    return bisect_right(cumulative, roll)
