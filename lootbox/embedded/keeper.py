"""`python -m lootbox.embedded.keeper postgres HOME`: the process that keeps one server for those who hold it.

Its standard input is the first holder's connection. It exits 0 when the last has let go, or when another keeper was first.
"""

import argparse
import contextlib
import fcntl
import os
import selectors
import socket
import subprocess
import sys
import time
from pathlib import Path

from lootbox.embedded.broker import EmbeddedBroker
from lootbox.embedded.postgres import EmbeddedPostgres
from lootbox.embedded.processes import end, end_all, working_in
from lootbox.embedded.server import ENDED, READY, SHARED, EmbeddedServerError, Server

_PATIENCE_S = 20.0
_ANSWER_DEADLINE_S = 100.0  # crash recovery of a busy database takes a while


def main() -> None:
    """Start the server, keep it while it is held, stop it."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("server", choices=["postgres", "broker"])
    arguments.add_argument("home", type=Path)
    arguments.add_argument("--fast", action="store_true")
    options = arguments.parse_args()
    kind = {"postgres": EmbeddedPostgres, "broker": EmbeddedBroker}[options.server]
    server: Server = kind(options.home, fast=options.fast)
    try:
        keep(server, socket.socket(fileno=0))
    except EmbeddedServerError as error:
        sys.exit(str(error))


def keep(server: Server, first: socket.socket) -> None:
    """Run `server` until nobody holds it. Raises EmbeddedServerError when it doesn't start, or ends by itself."""
    with server.lock.open("w") as lock:
        while not _locked(lock.fileno()):
            if server.is_running():
                return
            time.sleep(0.05)
        # What a killed keeper's server left behind has been told to end already.
        end_all(lambda: working_in(server.data), patience_s=_PATIENCE_S)
        process = server.spawn()
        try:
            _wait_until_it_answers(server, process)
            last = _serve(server, process, first)
        finally:
            server.keeper_socket.unlink(missing_ok=True)
            end(process, by=server.stop_signals, patience_s=_PATIENCE_S)
        lock.close()  # who waits may start
        _tell(last, ENDED)


def _serve(server: Server, process: subprocess.Popen[bytes], first: socket.socket) -> socket.socket:
    """Return the connection of the last holder, still open, when it has let go."""
    with socket.socket(socket.AF_UNIX) as door, selectors.DefaultSelector() as selector:
        server.keeper_socket.unlink(missing_ok=True)
        door.bind(str(server.keeper_socket))
        door.listen()
        ended = os.pidfd_open(process.pid)
        for source in (door, ended, first):
            selector.register(source, selectors.EVENT_READ)
        holders = 1
        _tell(first, READY)
        while True:
            for key, _ in selector.select():
                if key.fileobj == ended:
                    raise EmbeddedServerError(f"{server.title} ended by itself with status {process.wait()}")
                assert isinstance(key.fileobj, socket.socket)
                if key.fileobj is door:
                    holder, _ = door.accept()
                    selector.register(holder, selectors.EVENT_READ)
                    holders += 1
                    _tell(holder, READY)
                    continue
                # A holder sends nothing: what can be read is that it has let go, or has died.
                selector.unregister(key.fileobj)
                holders -= 1
                if holders == 0:
                    return key.fileobj
                with key.fileobj as leaving:
                    _tell(leaving, SHARED)


def _wait_until_it_answers(server: Server, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _ANSWER_DEADLINE_S
    while not server.answers():
        if process.poll() is not None:
            raise EmbeddedServerError(f"{server.title} ended while starting, with status {process.returncode}")
        if time.monotonic() > deadline:
            raise EmbeddedServerError(f"{server.title} did not answer within {_ANSWER_DEADLINE_S:.0f} s")
        time.sleep(0.02)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _tell(holder: socket.socket, message: bytes) -> None:
    with contextlib.suppress(BrokenPipeError):  # it died; its connection will say so
        holder.sendall(message)


if __name__ == "__main__":
    main()
