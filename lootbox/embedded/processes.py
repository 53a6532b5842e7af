"""What Linux offers to tie processes together and to find them."""

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(by: signal.Signals = signal.SIGTERM) -> Callable[[], None]:
    """Return a `preexec_fn` that has the kernel send `by` to the child when its parent ends, however that ends."""
    parent = os.getpid()

    def preexec() -> None:
        _check(_libc.prctl(_PR_SET_PDEATHSIG, int(by), 0, 0, 0))
        if os.getppid() != parent:  # it ended before the line above
            os._exit(1)

    return preexec


def enter_user_namespace(*, inside_id: int) -> None:
    """Enter a user namespace in which this user is called `inside_id`; to the files it is still who it was.

    Raises OSError where the machine forbids it.
    """
    user, group = os.geteuid(), os.getegid()
    _check(_libc.unshare(_CLONE_NEWUSER))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{inside_id} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{inside_id} {group} 1")


def working_in(directory: Path) -> Iterator[int]:
    """Yield the ids of the processes whose working directory is `directory`, as a server's is its data directory."""
    yield from _processes(lambda entry: (entry / "cwd").readlink() == directory)


def started_with(name: str, value: str) -> Iterator[int]:
    """Yield the ids of the processes that were started with this environment variable, and of those below them."""
    assignment = os.fsencode(f"{name}={value}")
    yield from _processes(lambda entry: assignment in (entry / "environ").read_bytes().split(b"\0"))


def _processes(condition: Callable[[Path], bool]) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if condition(entry):
                    yield int(entry.name)
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue  # it has ended meanwhile, or is another user's


def end(process: subprocess.Popen[bytes], *, by: Sequence[signal.Signals], patience_s: float) -> None:
    """End `process` by the first signal; each time it has not ended after `patience_s`, by the next, at last by SIGKILL."""
    for number in (*by, signal.SIGKILL):
        process.send_signal(number)
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            continue
        return


def end_all(processes: Callable[[], Iterator[int]], *, patience_s: float) -> None:
    """Wait for `processes` to end, as they have been told to, and after `patience_s` end them by SIGKILL."""
    deadline = time.monotonic() + patience_s
    while remaining := list(processes()):
        if time.monotonic() > deadline:
            for process in remaining:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        time.sleep(0.05)


def _check(status: int) -> None:
    if status != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
