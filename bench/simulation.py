"""Goal D2: ten million simulated draws beside numpy's own search for their prizes, and the memory that they take."""

import itertools
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from bench.programs import ROOT
from bench.table import Row
from catalog import simulation

DRAWS: Final = 10_000_000
SIZES: Final = (10, 1_000)
MEGABYTE: Final = 1_000_000
# A process of its own, in which nothing else takes memory. Linux tells its peak in KiB; `getrusage` would count its parent's.
PROGRAM: Final = """
import json, pathlib, re, sys
from catalog.simulation import simulate
simulate(**json.loads(sys.argv[1]))
print(1024 * int(re.search(r"VmHWM:\\s+([0-9]+)", pathlib.Path("/proc/self/status").read_text())[1]))
"""


def measure(*, rounds: int, tick: Callable[[], None]) -> list[Row]:
    """Return the rows of D2."""
    return [
        Row(
            key="D2",
            what=f"10^7 simulated draws of {size:,} prizes, of numpy's searchsorted",
            value=_ratio(_weights(size), rounds=rounds, tick=tick),
            goal=1.5,
        )
        for size in SIZES
    ] + [
        Row(key="D2", what="memory of the process that simulates", value=_memory(_weights(SIZES[-1])), goal=120, unit="MB"),
    ]


def _weights(size: int) -> list[int]:
    weights = random.Random(size)  # noqa: S311 - a fixed table, not a draw
    return [weights.randint(1, 100_000) for _ in range(size)]


def _ratio(weights: list[int], *, rounds: int, tick: Callable[[], None]) -> float:
    cumulative = np.array(list(itertools.accumulate(weights)), dtype=np.int64)
    rolls = np.random.default_rng(1).integers(0, cumulative[-1], size=DRAWS)
    ratios = []
    for _ in range(rounds):
        before = _seconds(lambda: np.searchsorted(cumulative, rolls, side="right"))
        ours = _seconds(lambda: simulation.simulate(**_table(weights)))
        after = _seconds(lambda: np.searchsorted(cumulative, rolls, side="right"))
        ratios.append(2 * ours / (before + after))
        tick()
    return statistics.median(ratios)


def _memory(weights: list[int]) -> float:
    program = [sys.executable, "-c", PROGRAM, json.dumps(_table(weights))]
    return int(subprocess.run(program, cwd=ROOT, check=True, capture_output=True).stdout) / MEGABYTE


def _table(weights: list[int]) -> dict[str, Any]:
    values = [100 * index for index in range(len(weights))]
    return {"weights": weights, "values": values, "price_minor": 500, "draws": DRAWS, "seed": 1}


def _seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began
