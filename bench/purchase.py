"""Goals P1, P4 and P5: a purchase beside the floor, beside a usual Django project, and beside its own replay and refusal."""

import functools
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from bench import floor
from bench.bursts import Cost, Kind, alternate, median_cpu_ms, median_rate, ratio
from bench.cast import PLAYERS, Casino, first_orders, orders
from bench.load import burst
from bench.programs import ROOT, web_server
from bench.table import Row

APPLICATION: Final = "lootbox.wsgi"
THREADS: Final = 24
CONNECTIONS: Final = 8
PURCHASES: Final = 300


def measure(casino: Casino, *, logs: Path, rounds: int, tick: Callable[[], None]) -> list[Row]:
    """Return the rows of P1, P4 and P5."""
    setting = casino.setting()
    environment = setting.as_environment()
    floor.create(setting, players=PLAYERS)
    subprocess.run([sys.executable, "-m", "bench.naive"], cwd=ROOT, env=os.environ | environment, check=True)
    serve = functools.partial(web_server, environment=environment, threads=THREADS)
    with (
        serve(APPLICATION, log=logs / "product.log") as product,
        serve("bench.floor:load()", log=logs / "floor.log") as bare,
        serve("bench.naive", log=logs / "naive.log") as naive,
    ):
        bought: list[bytes] = []

        def buy(port: int, count: int = PURCHASES) -> list[bytes]:
            return orders(casino.signer(port), version=casino.items_version, count=count)

        def buy_and_remember() -> list[bytes]:
            bought[:] = buy(product.port)
            return bought

        def forge() -> list[bytes]:
            stranger = replace(casino.signer(product.port), secret="of another")  # noqa: S106
            return orders(stranger, version=casino.items_version, count=PURCHASES)

        for server in (product, bare, naive):
            requests = first_orders(casino.signer(server.port), version=casino.items_version)
            burst(server.port, requests, connections=CONNECTIONS)
            tick()
        kinds = {
            "product": Kind(product, buy_and_remember, CONNECTIONS),
            "floor": Kind(bare, lambda: buy(bare.port), CONNECTIONS),
            "replay": Kind(product, lambda: bought, CONNECTIONS),
            "naive": Kind(naive, lambda: buy(naive.port, PURCHASES // 6), CONNECTIONS),
            "forged": Kind(product, forge, CONNECTIONS, status=401),
        }
        return list(_rows(alternate(kinds, rounds=rounds, tick=tick)))


def _rows(rounds: Sequence[dict[str, Cost]]) -> Sequence[Row]:
    def beside_rates(of: str, to: str) -> str:
        return f"{median_rate(rounds, of):.0f} a second of {median_rate(rounds, to):.0f}"

    def beside_cpu(of: str, to: str) -> str:
        return f"{median_cpu_ms(rounds, of):.2f} ms of {median_cpu_ms(rounds, to):.2f} ms"

    return [
        Row(
            key="P1",
            what="purchases a second, of the floor's",
            value=ratio(rounds, "floor", "product", cpu=False),
            goal=0.40,
            final=0.75,
            at_least=True,
            beside=beside_rates("product", "floor"),
        ),
        Row(
            key="P1",
            what="processor time of a purchase, of the floor's",
            value=ratio(rounds, "product", "floor", cpu=True),
            goal=2.5,
            final=1.4,
            beside=beside_cpu("product", "floor"),
        ),
        Row(
            key="P4",
            what="processor time of a replay, of a purchase's",
            value=ratio(rounds, "replay", "product", cpu=True),
            goal=0.5,
            beside=beside_cpu("replay", "product"),
        ),
        Row(
            key="P4",
            what="processor time of a bad signature, of a purchase's",
            value=ratio(rounds, "forged", "product", cpu=True),
            goal=0.25,
            beside=beside_cpu("forged", "product"),
        ),
        Row(
            key="P5",
            what="purchases a second, of naive Django's",
            value=ratio(rounds, "naive", "product", cpu=False),
            goal=6,
            at_least=True,
            beside=beside_rates("product", "naive"),
        ),
        Row(
            key="P5",
            what="purchases a second of processor time, of naive Django's",
            value=ratio(rounds, "naive", "product", cpu=True),
            goal=6,
            at_least=True,
            beside=beside_cpu("product", "naive"),
        ),
    ]
