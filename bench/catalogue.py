"""Goal C1: a box's prize table beside the emptiest signed view there is, and its 304 beside it."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.bursts import Kind, alternate, median_cpu_ms, ratio
from bench.cast import OTHER_CURRENCY, Casino
from bench.load import ask
from bench.programs import web_server
from bench.table import Row

REQUESTS: Final = 300
CONNECTIONS: Final = 4


def measure(casino: Casino, *, logs: Path, rounds: int, tick: Callable[[], None]) -> list[Row]:
    """Return the rows of C1."""
    with web_server("lootbox.wsgi", environment={}, threads=CONNECTIONS, log=logs / "catalogue.log") as server:
        signer = casino.signer(server.port)
        path = f"/api/s2s/boxes/{casino.items_box}"
        _, headers, _ = ask(server.port, signer.get(path))
        tag = headers["etag"]
        kinds = {
            "empty": Kind(server, lambda: [signer.get("/api/s2s/health")] * REQUESTS, CONNECTIONS),
            "box": Kind(server, lambda: [signer.get(path)] * REQUESTS, CONNECTIONS),
            "foreign": Kind(server, lambda: [signer.get(f"{path}?currency={OTHER_CURRENCY}")] * REQUESTS, CONNECTIONS),
            "unchanged": Kind(server, lambda: [signer.get(path, **{"If-None-Match": tag})] * REQUESTS, CONNECTIONS, 304),
        }
        measured = alternate(kinds, rounds=rounds, tick=tick)
    return [
        Row(
            key="C1",
            what="processor time of a cached prize table, of an empty view's",
            value=ratio(measured, "box", "empty", cpu=True),
            goal=1.5,
            beside=f"{median_cpu_ms(measured, 'box'):.2f} ms of {median_cpu_ms(measured, 'empty'):.2f} ms",
        ),
        Row(
            key="C1",
            what="processor time of the table in another currency, of an empty view's",
            value=ratio(measured, "foreign", "empty", cpu=True),
            goal=1.5,
            beside=f"{median_cpu_ms(measured, 'foreign'):.2f} ms of {median_cpu_ms(measured, 'empty'):.2f} ms",
        ),
        Row(
            key="C1",
            what="processor time of its 304, of the table's",
            value=ratio(measured, "unchanged", "box", cpu=True),
            goal=1.05,  # no dearer, to the precision of the clock
            beside=f"{median_cpu_ms(measured, 'unchanged'):.2f} ms of {median_cpu_ms(measured, 'box'):.2f} ms",
        ),
    ]
