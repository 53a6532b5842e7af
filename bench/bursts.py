"""Bursts in turns: each round sends every kind of request once, in another order, and ratios are taken within a round."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.load import burst
from bench.programs import WebServer


@dataclass(frozen=True)
class Kind:
    """A kind of request: where it goes, `prepare` makes a burst of it, `status` is what it must be answered."""

    server: WebServer
    prepare: Callable[[], Sequence[bytes]]
    connections: int
    status: int = 200


@dataclass(frozen=True)
class Cost:
    """What one request cost in one burst: seconds of the clock and of the web server's processor."""

    seconds: float
    cpu_s: float


def alternate(kinds: Mapping[str, Kind], *, rounds: int, tick: Callable[[], None]) -> list[dict[str, Cost]]:
    """Return the cost of a request of each kind, for each round. `tick` is called after each burst."""
    return [dict(_round(kinds, start=number, tick=tick)) for number in range(rounds)]


def _round(kinds: Mapping[str, Kind], *, start: int, tick: Callable[[], None]) -> Iterator[tuple[str, Cost]]:
    names = list(kinds)
    for position in range(len(names)):
        name = names[(start + position) % len(names)]
        kind = kinds[name]
        requests = kind.prepare()
        cpu_s = kind.server.cpu_s()
        seconds = burst(kind.server.port, requests, connections=kind.connections, status=kind.status)
        yield name, Cost(seconds / len(requests), (kind.server.cpu_s() - cpu_s) / len(requests))
        tick()


def ratio(rounds: Sequence[Mapping[str, Cost]], of: str, to: str, *, cpu: bool) -> float:
    """Return the median over the rounds of what `of` costs for each unit that `to` costs."""
    if cpu:
        return statistics.median(costs[of].cpu_s / costs[to].cpu_s for costs in rounds)
    return statistics.median(costs[of].seconds / costs[to].seconds for costs in rounds)


def median_rate(rounds: Sequence[Mapping[str, Cost]], of: str) -> float:
    """Return the median of requests a second."""
    return statistics.median(1 / costs[of].seconds for costs in rounds)


def median_cpu_ms(rounds: Sequence[Mapping[str, Cost]], of: str) -> float:
    """Return the median of processor milliseconds a request."""
    return statistics.median(costs[of].cpu_s * 1000 for costs in rounds)
