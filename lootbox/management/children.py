"""The processes that the demo starts: each with a log, none outliving the demo."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from lootbox.embedded.processes import die_with_parent, end_all, started_with

_MARK = "LOOTBOX_DEMO_HOME"  # the environment variable by which a killed demo's processes are found again
_PATIENCE_S = 20.0  # web server and worker finish what they have begun
_LEFTOVER_PATIENCE_S = 5.0


class Child:
    """A process in a session of its own, so that Ctrl-C in the terminal reaches the demo alone, which ends it in order."""

    def __init__(
        self, *, name: str, command: Sequence[str], directory: Path, environment: Mapping[str, str], log: Path
    ) -> None:
        """Start `command` in `directory`, writing to `log` anew."""
        self.name = name
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(  # noqa: S603
                command,
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 - called from the only thread
            )

    def tail(self, lines: int = 20) -> str:
        """Return the last lines of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class Children:
    """All processes of the demo of one home; leaving the context ends them, and what they started."""

    def __init__(self, home: Path, *, directory: Path, environment: Mapping[str, str]) -> None:
        """Prepare to start processes in `directory`, with `environment` beside this process's own."""
        self._directory = directory
        self._mark = str(home)
        self._logs = home / "logs"
        self._environment = {**os.environ, **environment, _MARK: self._mark, "PYTHONUNBUFFERED": "1"}
        self._children: list[Child] = []

    def start(self, name: str, command: Sequence[str], **environment: str) -> Child:
        """Start a process that logs to `NAME.log`."""
        log = self._logs / f"{name.replace(' ', '-')}.log"
        own = {**self._environment, **environment}
        child = Child(name=name, command=command, directory=self._directory, environment=own, log=log)
        self._children.append(child)
        return child

    def ended(self) -> Child | None:
        """Return one that has ended by itself, or None while all run."""
        return next((child for child in self._children if child.process.poll() is not None), None)

    def process_ids(self) -> list[int]:
        """Return the ids of the processes started here."""
        return [child.process.pid for child in self._children]

    def end_leftovers(self) -> None:
        """End what a killed demo of this home left behind: the kernel has told it to end already."""
        end_all(lambda: started_with(_MARK, self._mark), patience_s=_LEFTOVER_PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children:
            child.process.terminate()
        deadline = time.monotonic() + _PATIENCE_S
        for child in self._children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.0, deadline - time.monotonic()))
            with contextlib.suppress(ProcessLookupError):  # all below it ended with it, as they should
                os.killpg(child.process.pid, signal.SIGKILL)
            child.process.wait()
        end_all(lambda: started_with(_MARK, self._mark), patience_s=0)
