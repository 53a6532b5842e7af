"""What a draw costs beside the HMAC that it can't do without: goal D1, ratios of processor time in alternating rounds."""

import hmac
import itertools
import random
import statistics
import time
from collections.abc import Callable, Sequence

from fairness import algorithm

GOALS = {10: 1.5, 1_000: 1.5, 100_000: 2.0}
ROUNDS = 15
DRAWS = 4_000

SERVER_SEED = "00" * 31 + "01"
CLIENT_SEED = "0123456789abcdef"
SNAPSHOT_HASH = "ab" * 32


def measure() -> list[tuple[str, float, float]]:
    """Return name, ratio to a bare HMAC of the same message, and goal, for each size of prize table."""
    tables = {prizes: _cumulative(prizes) for prizes in GOALS}
    ratios: dict[int, list[float]] = {prizes: [] for prizes in GOALS}
    for _ in range(ROUNDS):
        for prizes, cumulative in tables.items():
            # Before and after, so that a machine that speeds up or slows down favours neither.
            before = _seconds(_bare_hmacs, cumulative)
            draws = _seconds(_draws, cumulative)
            after = _seconds(_bare_hmacs, cumulative)
            ratios[prizes].append(2 * draws / (before + after))
    return [(f"draw, {prizes:,} prizes", statistics.median(ratios[prizes]), goal) for prizes, goal in GOALS.items()]


def _cumulative(prizes: int) -> list[int]:
    weights = random.Random(prizes)  # noqa: S311 - a fixed table, not a draw
    return list(itertools.accumulate(weights.randint(1, 1_000) for _ in range(prizes)))


def _draws(cumulative: Sequence[int]) -> None:
    for nonce in range(DRAWS):
        roll = algorithm.roll(
            server_seed=SERVER_SEED,
            client_seed=CLIENT_SEED,
            nonce=nonce,
            reel_index=0,
            snapshot_hash=SNAPSHOT_HASH,
            total_weight=cumulative[-1],
        )
        algorithm.pick(cumulative, roll)


def _bare_hmacs(_: Sequence[int]) -> None:
    for nonce in range(DRAWS):
        message = f"{CLIENT_SEED}:{nonce}:0:{SNAPSHOT_HASH}:0"
        hmac.digest(SERVER_SEED.encode(), message.encode(), "sha256")


def _seconds(work: Callable[[Sequence[int]], None], cumulative: Sequence[int]) -> float:
    began = time.process_time()
    work(cumulative)
    return time.process_time() - began


if __name__ == "__main__":
    for name, ratio, goal in measure():
        print(f"{name:24} {ratio:5.2f} x   goal {goal:.1f} x   {'met' if ratio <= goal else 'MISSED'}")
