"""Goal P2: what a purchase asks of PostgreSQL, as PostgreSQL's own log tells it of the production web server."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
from django.conf import settings
from psycopg import Connection, sql

from bench.cast import Casino, first_orders, orders
from bench.load import burst
from bench.programs import WebServer, web_server
from bench.table import Row

PURCHASES: Final = 20
WARM_UP: Final = 12  # prepares the statements on each connection of the pool
SETTLED_S: Final = 1.0
_MESSAGE = re.compile(r"^lootbox\|LOG:  duration: [0-9.]+ ms  (statement|execute|parse) (\S+)", re.MULTILINE)
_NEW_CONNECTION = re.compile(r"LOG:  connection authorized: .*application_name=lootbox")
_LOGGING: Final = {"log_min_duration_statement": "0", "log_line_prefix": "%a|", "log_connections": "on"}


def measure(casino: Casino, *, logs: Path, tick: Callable[[], None]) -> list[Row]:
    """Return the rows of P2."""
    log = Path(settings.LOOTBOX_HOME) / "logs" / "postgres.log"
    with (
        web_server("lootbox.wsgi", environment={}, threads=4, log=logs / "counted.log") as server,
        psycopg.connect(casino.setting().database, autocommit=True) as watcher,
    ):
        burst(server.port, first_orders(casino.signer(server.port), version=casino.items_version), connections=1)
        tick()
        counter = Counter(server, casino, log, watcher)
        with _everything_logged(watcher):
            one = counter.count(version=casino.items_version, reels=1)
            many = counter.count(version=casino.items_version, reels=100)
            paid = counter.count(version=casino.cash_version, reels=1)
            tick()

    def row(what: str, value: float, goal: float, unit: str) -> Row:
        return Row(key="P2", what=what, value=value, goal=goal, unit=unit)

    return [
        row("SQL round trips of a purchase", one["trips"], 4, "trips"),
        row("SQL round trips of a purchase of 100 reels", many["trips"], one["trips"], "trips"),
        row("SQL round trips of a purchase with a payout", paid["trips"], 4, "trips"),
        row("commits of a purchase", one["commits"], 2, "commits"),
        row("commits of a purchase with a payout", paid["commits"], 3, "commits"),
        row("new database connections", one["connections"] + many["connections"] + paid["connections"], 0, "in all"),
    ]


@dataclass(frozen=True)
class Counter:
    """Counts what the purchases of `casino` at `server` leave in `log`; `watcher` is a connection of another name."""

    server: WebServer
    casino: Casino
    log: Path
    watcher: Connection[tuple[Any, ...]]

    def count(self, *, version: int, reels: int) -> dict[str, float]:
        """Return trips and commits of a purchase, and how many connections were opened meanwhile."""
        self._buy(WARM_UP, version=version, reels=reels)
        _settle()
        offset, transactions = self.log.stat().st_size, self._transactions()
        self._buy(PURCHASES, version=version, reels=reels)
        commits = self._transactions() - transactions - 1  # asking takes one
        _settle()
        written = self.log.read_bytes()[offset:].decode(errors="replace")
        # The parsing of an unnamed statement travels with the rest of it.
        trips = [kind for kind, name in _MESSAGE.findall(written) if not (kind == "parse" and name == "<unnamed>:")]
        return {
            "trips": len(trips) / PURCHASES,
            "commits": commits / PURCHASES,
            "connections": len(_NEW_CONNECTION.findall(written)),
        }

    def _buy(self, count: int, *, version: int, reels: int) -> None:
        requests = orders(self.casino.signer(self.server.port), version=version, count=count, reels=reels)
        burst(self.server.port, requests, connections=1)

    def _transactions(self) -> int:
        """Return the number of the next transaction that writes."""
        [(number,)] = self.watcher.execute("SELECT pg_current_xact_id()::text").fetchall()
        return int(number)


@contextmanager
def _everything_logged(watcher: Connection[tuple[Any, ...]]) -> Iterator[None]:
    for name, value in _LOGGING.items():
        watcher.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), value))
    watcher.execute("SELECT pg_reload_conf()")
    _settle()
    yield
    watcher.execute("ALTER SYSTEM RESET ALL")
    watcher.execute("SELECT pg_reload_conf()")


def _settle() -> None:
    # PostgreSQL's processes read new settings, and write their log, in their own time.
    time.sleep(SETTLED_S)
