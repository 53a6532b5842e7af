"""What the embedded servers share: who holds one, how it is started, and how it ends.

Each server has a keeper, a process of its own (`lootbox.embedded.keeper`). Whoever needs the server holds a connection to the
keeper's socket; the kernel closes it also for a holder that was killed. With the last one the keeper stops the server.
"""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Self

from lootbox.embedded.places import socket_directory

READY = b"+"  # the keeper to a holder: the server answers
SHARED = b"="  # the keeper to one who lets go: others hold the server
ENDED = b"."  # the keeper to the last one who lets go: the server has ended
_START_DEADLINE_S = 120.0
_STOP_DEADLINE_S = 60.0
_PROJECT = Path(__file__).resolve().parents[2]


class EmbeddedServerError(Exception):
    """An embedded server could not be started; the message says why, in one line."""


class Server(ABC):
    """One server of one home. `start` and `stop` hold it and let go; the rest is what its keeper needs to know."""

    name: ClassVar[str]
    title: ClassVar[str]
    stop_signals: ClassVar[tuple[signal.Signals, ...]]  # from polite to hard

    def __init__(self, home: Path, *, fast: bool = False) -> None:
        """Describe the server of `home`. `fast` gives up durability, for data that is thrown away."""
        self.home = home.resolve()
        self.fast = fast
        self.data = self.home / self.name
        self.sockets = socket_directory(self.home)
        self.keeper_socket = self.sockets / f"{self.name}.keeper"
        self.lock = self.home / f"{self.name}.lock"
        self.log = self.home / "logs" / f"{self.name}.log"
        self._hold: socket.socket | None = None
        self._keeper: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Hold the server until `stop`; when nobody does yet, start it. Returns when it answers.

        Raises EmbeddedServerError when it can't be started.
        """
        for directory in (self.home, self.sockets, self.log.parent):
            make_private(directory)
        while self._hold is None:
            self._hold = self._join() or self._launch()

    def stop(self) -> None:
        """Let go of the server. Returns when it has ended, or at once when others hold it."""
        if self._hold is None:
            return
        with self._hold as hold:
            self._hold = None
            hold.settimeout(_STOP_DEADLINE_S)
            hold.shutdown(socket.SHUT_WR)
            shared = hold.recv(1) == SHARED
        if self._keeper is not None:
            if shared:
                self._keeper.returncode = 0  # it goes on without its parent; else Popen complains that nobody waits for it
            self._keeper.wait()
            self._keeper = None

    def is_running(self) -> bool:
        """Return whether somebody holds the server and it answers."""
        hold = self._join()
        if hold is not None:
            hold.close()
        return hold is not None

    def fileno(self) -> int:
        """Return the held connection's descriptor: it becomes readable when the server has ended by itself."""
        assert self._hold is not None, "hold the server first: start()"
        return self._hold.fileno()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _join(self) -> socket.socket | None:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(_STOP_DEADLINE_S)
            connection.connect(str(self.keeper_socket))
            if connection.recv(1) == READY:
                return connection
        except (FileNotFoundError, ConnectionError):
            pass  # nobody holds it, or its keeper is just ending
        connection.close()
        return None

    def _launch(self) -> socket.socket | None:
        ours, theirs = socket.socketpair()
        with theirs, self.log.open("ab") as log:
            command = [sys.executable, "-m", "lootbox.embedded.keeper", self.name, str(self.home)]
            self._keeper = subprocess.Popen(  # noqa: S603
                [*command, "--fast"] if self.fast else command,
                cwd=_PROJECT,
                stdin=theirs.fileno(),
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in the terminal is for the holders
            )
        ready = False
        try:
            ours.settimeout(_START_DEADLINE_S)
            ready = ours.recv(1) == READY
        finally:
            if not ready:  # also when interrupted: the keeper then ends what it has begun
                ours.close()
                self._keeper.wait()
        if ready:
            return ours
        if self._keeper.returncode == 0:
            return None  # another keeper was faster
        raise EmbeddedServerError(f"{self.title} could not be started; {self.log} ends with: {_last_line(self.log)}")

    @abstractmethod
    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the server's process, which must not outlive the keeper."""

    @abstractmethod
    def answers(self) -> bool:
        """Return whether the server takes connections."""


def make_private(directory: Path) -> None:
    """Create `directory` for this user alone, or make it so. Raises EmbeddedServerError when it is somebody else's."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = directory.lstat()
        if status.st_uid == os.geteuid():
            directory.chmod(0o700)
            return
        reason = f"it belongs to user id {status.st_uid}"
    except OSError as error:
        reason = str(error.strerror)
    raise EmbeddedServerError(f"{directory} can't be used: {reason}. Set LOOTBOX_HOME to a directory of your own.")


def program(package: str, pattern: str) -> str:
    """Return the path of a program inside an installed package, without importing the package: that would do more than look.

    Raises EmbeddedServerError when the package has none for this machine.
    """
    specification = importlib.util.find_spec(package)
    for place in (specification and specification.submodule_search_locations) or ():
        for path in Path(place).glob(pattern):
            return str(path)
    raise EmbeddedServerError(
        f"The package {package} has no program {pattern} for this machine; set DATABASE_URL and REDIS_URL."
    )


def _last_line(log: Path) -> str:
    return next((line for line in reversed(log.read_text(errors="replace").splitlines()) if line.strip()), "nothing")
