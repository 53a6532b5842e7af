"""PostgreSQL and Valkey out of Python wheels, on unix sockets below one directory: the default of demo, development and tests.

`database_url` and `broker_url` only compute; `running` starts what nobody runs yet. A server belongs to all who hold it and
ends with the last of them, so a command beside a running demo shares the demo's servers, and two commands at once share theirs.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from lootbox.embedded.broker import EmbeddedBroker
from lootbox.embedded.places import broker_socket, broker_url, database_url, socket_directory
from lootbox.embedded.postgres import EmbeddedPostgres
from lootbox.embedded.server import EmbeddedServerError, Server

__all__ = [
    "EmbeddedBroker",
    "EmbeddedPostgres",
    "EmbeddedServerError",
    "broker_socket",
    "broker_url",
    "database_url",
    "running",
    "socket_directory",
]


@contextlib.contextmanager
def running(home: Path, *, fast: bool = False) -> Iterator[Sequence[Server]]:
    """Hold the embedded servers of `home` for the block, starting what nobody runs yet, and yield them.

    One that DATABASE_URL or REDIS_URL stands in for is left out. What is started here ends with the block, or with the last
    other process that came to use it meanwhile. `fast` gives up durability, for data that is thrown away. Raises
    EmbeddedServerError when a server can't be started.
    """
    stand_ins: dict[str, type[Server]] = {"DATABASE_URL": EmbeddedPostgres, "REDIS_URL": EmbeddedBroker}
    with contextlib.ExitStack() as held:
        yield [held.enter_context(kind(home, fast=fast)) for name, kind in stand_ins.items() if name not in os.environ]
