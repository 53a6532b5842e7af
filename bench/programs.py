"""The processes of a measurement: a web server of one worker, and the wallet that it calls."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lootbox.embedded.processes import die_with_parent, end

ROOT: Final = Path(__file__).resolve().parents[1]
START_LIMIT_S: Final = 60.0
STOP_LIMIT_S: Final = 20.0


@dataclass(frozen=True)
class WebServer:
    """A running web server; `worker` is the process that answers."""

    port: int
    worker: int

    def cpu_s(self) -> float:
        """Return the processor time that the worker has used so far, all its threads together."""
        # The clock of another process, as clock_getcpuclockid(3) makes its number: to the nanosecond, where /proc has ticks.
        return time.clock_gettime((~self.worker << 3) | 2)


@contextlib.contextmanager
def web_server(application: str, *, environment: Mapping[str, str], threads: int, log: Path) -> Iterator[WebServer]:
    """Serve `application` as production does, by one gthread worker of that many threads, for the block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = ["-m", "gunicorn", "--config", "lootbox/gunicorn.py", "--bind", f"fd://{listener.fileno()}", application]
        told = {"WEB_CONCURRENCY": "1", "WEB_THREADS": str(threads), **environment}
        with _program(command, environment=told, listener=listener, log=log) as process:
            yield WebServer(listener.getsockname()[1], _worker_of(process, log))


@contextlib.contextmanager
def wallet(log: Path) -> Iterator[int]:
    """Run the stub wallet for the block and yield its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = ["-m", "bench.wallet_stub", str(listener.fileno())]
        with _program(command, environment={}, listener=listener, log=log):
            yield listener.getsockname()[1]


@contextlib.contextmanager
def _program(
    command: list[str], *, environment: Mapping[str, str], listener: socket.socket, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=os.environ | environment,
            stdout=output,
            stderr=output,
            pass_fds=[listener.fileno()],
            preexec_fn=die_with_parent(),  # noqa: PLW1509 - no thread of this process holds a lock that the child needs
        )
    try:
        yield process
    finally:
        end(process, by=[signal.SIGTERM], patience_s=STOP_LIMIT_S)


def _worker_of(master: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + START_LIMIT_S
    children = Path(f"/proc/{master.pid}/task/{master.pid}/children")
    while master.poll() is None and time.monotonic() < deadline:
        if forked := children.read_text().split():
            return int(forked[0])
        time.sleep(0.05)
    raise RuntimeError(f"A web server did not start:\n{log.read_text()[-2000:]}")
