"""`python -m tests.faults.server postgres HOME`: an embedded server that can be crashed and started again.

Lines in: `start`, `crash` (as `pg_ctl stop -m immediate` does), `stop`. Each is answered when done; the end of input stops.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from lootbox.embedded import EmbeddedBroker, EmbeddedPostgres
from lootbox.embedded.processes import end
from lootbox.embedded.server import Server, make_private

CRASH = {"postgres": signal.SIGQUIT, "broker": signal.SIGKILL}


def main(name: str, home: Path) -> None:
    """Serve until the end of input."""
    server: Server = {"postgres": EmbeddedPostgres, "broker": EmbeddedBroker}[name](home)
    for directory in (server.home, server.sockets, server.log.parent):
        make_private(directory)
    process: subprocess.Popen[bytes] | None = None
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the server prints is for the log
    try:
        for line in sys.stdin:
            order = line.strip()
            if order == "start":
                process = server.spawn()
                while not server.answers():
                    time.sleep(0.02)
            elif process is not None:
                end(process, by=[CRASH[name]] if order == "crash" else server.stop_signals, patience_s=20)
                process = None
            print(order, file=answers, flush=True)
    finally:
        if process is not None:
            end(process, by=server.stop_signals, patience_s=20)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
