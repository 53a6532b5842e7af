"""Goal P3: how much of its throughput the product keeps when wallets take 20 ms."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.bursts import Kind, alternate, median_rate, ratio
from bench.cast import Casino, first_orders, orders
from bench.load import burst
from bench.programs import WebServer, web_server
from bench.table import Row

THREADS: Final = 32
PURCHASES: Final = 400


def measure(prompt: Casino, slow: Casino, *, logs: Path, rounds: int, tick: Callable[[], None]) -> list[Row]:
    """Return the row of P3."""
    with web_server("lootbox.wsgi", environment={}, threads=THREADS, log=logs / "slow.log") as server:
        for casino in (prompt, slow):
            requests = first_orders(casino.signer(server.port), version=casino.items_version)
            burst(server.port, requests, connections=THREADS)
            tick()
        kinds = {"prompt": _kind(server, prompt), "slow": _kind(server, slow)}
        measured = alternate(kinds, rounds=rounds, tick=tick)
    return [
        Row(
            key="P3",
            what=f"purchases a second with a wallet of 20 ms and {THREADS} threads, of those with one of 0 ms",
            value=ratio(measured, "prompt", "slow", cpu=False),
            goal=0.55,
            at_least=True,
            beside=f"{median_rate(measured, 'slow'):.0f} a second of {median_rate(measured, 'prompt'):.0f}",
        )
    ]


def _kind(server: WebServer, casino: Casino) -> Kind:
    signer = casino.signer(server.port)
    return Kind(server, lambda: orders(signer, version=casino.items_version, count=PURCHASES), THREADS)
