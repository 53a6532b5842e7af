"""Which measurement stands behind which goal."""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench import catalogue, counts, draw, exports, history, purchase, simulation, slow_wallet, webhooks
from bench.cast import make_casino
from bench.table import Row

Measure = Callable[[Callable[[], None]], Sequence[Row]]


def measures(*, logs: Path, wallet_port: int, rounds: int) -> Mapping[str, Measure]:
    """Return what measures each goal, with operators to measure on."""
    prompt = make_casino("prompt", wallet_port=wallet_port, delay_ms=0)
    slow = make_casino("slow", wallet_port=wallet_port, delay_ms=20)
    return {
        "P1": lambda tick: purchase.measure(prompt, logs=logs, rounds=rounds, tick=tick),
        "P2": lambda tick: counts.measure(prompt, logs=logs, tick=tick),
        "P3": lambda tick: slow_wallet.measure(prompt, slow, logs=logs, rounds=rounds, tick=tick),
        "C1": lambda tick: catalogue.measure(prompt, logs=logs, rounds=rounds, tick=tick),
        "D1": functools.partial(_elsewhere, "D1", draw.measure),
        "D2": lambda tick: simulation.measure(rounds=rounds, tick=tick),
        "W1": functools.partial(_elsewhere, "W1", webhooks.measure),
        "E1": lambda tick: exports.measure(prompt, slow, logs=logs, rounds=rounds, tick=tick),
        "H1": lambda tick: history.measure(prompt, logs=logs, rounds=rounds, tick=tick),
    }


def _elsewhere(key: str, measure: Callable[[], list[tuple[str, float, float]]], tick: Callable[[], None]) -> list[Row]:
    """Return the rows of a program that measures by itself; of its deliveries more is better, of its costs less."""
    found = measure()
    tick()
    return [
        Row(key=key, what=name, value=value, goal=goal, at_least="deliveries/s" in name, unit="" if "SQL" in name else "x")
        for name, value, goal in found
    ]
