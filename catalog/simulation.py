"""Millions of draws of a prize table by numpy, and what they say of it. Statistics for people; nothing here moves money.

The draw itself is `fairness.algorithm`; this picks by the same cumulative weights from numpy's generator, thousands at a time.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lootbox.core.chance import chi_square_tail

# What fits a core's cache; the memory that a simulation takes doesn't grow with its draws.
CHUNK: Final = 1 << 17
# Up to this total weight a table with an entry for every roll is small, and quicker than searching.
LARGEST_LOOKUP: Final = 1 << 20
FEWEST_EXPECTED: Final = 5
# One sound prize table in a million is called wrong.
DOUBT: Final = 1e-6

Picker = Callable[[NDArray[Any]], NDArray[np.intp]]


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """What `draws` draws gave: `counts` by prize. Values and price are minor units of one currency."""

    draws: int
    seed: int
    price_minor: int
    weights: tuple[int, ...]
    values: tuple[int, ...]
    counts: tuple[int, ...]
    longest_losing_streak: int

    @property
    def payout_minor(self) -> int:
        """Return what all draws were worth together."""
        return sum(count * value for count, value in zip(self.counts, self.values, strict=True))

    @property
    def mean(self) -> float:
        """Return the average payout in minor units."""
        return self.payout_minor / self.draws

    @property
    def expected_mean(self) -> float:
        """Return the average payout that the weights promise."""
        return self._weighted(self.values) / sum(self.weights)

    @property
    def rtp(self) -> float:
        """Return the share of the stakes that was paid out; 1 is all."""
        return self.mean / self.price_minor

    @property
    def expected_rtp(self) -> float:
        """Return the share that the weights promise."""
        return self.expected_mean / self.price_minor

    @property
    def deviation(self) -> float:
        """Return the standard deviation of one payout, by the weights."""
        total, won = sum(self.weights), self._weighted(self.values)
        squares = self._weighted([value * value for value in self.values])
        return math.sqrt(squares * total - won * won) / total

    @property
    def rtp_margin(self) -> float:
        """Return how far the simulated RTP is off at most in 95 of 100 simulations."""
        return 1.959964 * self.deviation / math.sqrt(self.draws) / self.price_minor

    @property
    def hit_frequency(self) -> float:
        """Return the share of draws that were worth the price or more."""
        hits = (count for count, value in zip(self.counts, self.values, strict=True) if value >= self.price_minor)
        return sum(hits) / self.draws

    @property
    def largest(self) -> int:
        """Return the largest payout that was drawn."""
        return max(value for count, value in zip(self.counts, self.values, strict=True) if count)

    def percentile(self, share: float) -> int:
        """Return the payout that this share of the draws did not exceed."""
        wanted, seen = math.ceil(share * self.draws), 0
        for value, count in sorted(zip(self.values, self.counts, strict=True)):
            seen += count
            if seen >= wanted:
                return value
        raise AssertionError("the counts add up to the draws")

    def chi_square(self) -> tuple[float, int, float]:
        """Return Pearson's statistic of the counts, its degrees of freedom, and the chance of one as large by luck alone.

        Prizes that are expected fewer than five times are counted together, as the test asks for.
        """
        total = sum(self.weights)
        cells: list[tuple[float, int]] = [(0.0, 0)]
        for weight, count in sorted(zip(self.weights, self.counts, strict=True)):
            if cells[-1][0] >= FEWEST_EXPECTED:
                cells.append((0.0, 0))
            cells[-1] = (cells[-1][0] + self.draws * weight / total, cells[-1][1] + count)
        if len(cells) > 1 and cells[-1][0] < FEWEST_EXPECTED:
            expected, count = cells.pop()
            cells[-1] = (cells[-1][0] + expected, cells[-1][1] + count)
        statistic = sum((count - expected) ** 2 / expected for expected, count in cells)
        freedom = len(cells) - 1
        return statistic, freedom, chi_square_tail(statistic=statistic, degrees=freedom) if freedom else 1.0

    def tolerance(self) -> float:
        """Return how far the mean may be off the promised one, in minor units, for the simulation to agree.

        Bernstein's bound, which is some five standard errors for many small prizes. Unlike those it also holds for a jackpot
        that is drawn once in a million times, or not at all.
        """
        doubt = math.log(2 / DOUBT)
        furthest = max(abs(value - self.expected_mean) for value in self.values)
        return doubt * furthest / 3 / self.draws + math.sqrt(
            (doubt * furthest / 3 / self.draws) ** 2 + 2 * doubt * self.deviation**2 / self.draws
        )

    def agrees(self) -> bool:
        """Return whether the draws gave what the weights promise, on average and prize by prize."""
        return abs(self.mean - self.expected_mean) <= self.tolerance() + 1e-9 and self.chi_square()[2] >= DOUBT

    def _weighted(self, values: Sequence[int]) -> int:
        return sum(weight * value for weight, value in zip(self.weights, values, strict=True))


def simulate(
    *,
    weights: Sequence[int],
    values: Sequence[int],
    price_minor: int,
    draws: int,
    seed: int,
    progress: Callable[[int], object] = lambda _: None,
) -> Simulation:
    """Return what `draws` draws of a prize table gave; the same seed gives the same.

    `weights` are 1 or more, `values` minor units. `progress` is told of each chunk by its number of draws.
    """
    generator = np.random.default_rng(seed)
    total, pick = sum(weights), _picker(weights)
    hits = np.array([value >= price_minor for value in values])
    counts = np.zeros(len(weights), dtype=np.int64)
    streak = longest = 0
    # Half as wide rolls are drawn and looked up in half the time.
    width = np.uint32 if total <= 2**32 else np.int64
    for start in range(0, draws, CHUNK):
        size = min(CHUNK, draws - start)
        picked = pick(generator.integers(0, total, size=size, dtype=width))
        counts += np.bincount(picked, minlength=len(weights))
        places = np.flatnonzero(hits[picked])
        if places.size:
            longest = max(longest, streak + int(places[0]), int(np.diff(places, prepend=places[0] - 1).max()) - 1)
            streak = size - 1 - int(places[-1])
        else:
            streak += size
        progress(size)
    return Simulation(
        draws=draws,
        seed=seed,
        price_minor=price_minor,
        weights=tuple(weights),
        values=tuple(values),
        counts=tuple(int(count) for count in counts),
        longest_losing_streak=max(longest, streak),
    )


def _picker(weights: Sequence[int]) -> Picker:
    """Return what finds, for rolls below the total weight, the first prize whose cumulative weight exceeds each."""
    cumulative = np.cumsum(np.array(weights, dtype=np.int64))
    if cumulative[-1] > LARGEST_LOOKUP:
        return lambda rolls: np.searchsorted(cumulative, rolls, side="right")
    prizes = np.repeat(np.arange(len(weights), dtype=np.intp), weights)
    return lambda rolls: prizes[rolls]
