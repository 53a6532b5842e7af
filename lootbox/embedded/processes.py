"""What Linux offers to tie processes together and to find them."""

import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
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


def adopt_orphans() -> None:
    """Make this process the parent of all processes below it whose own parent ends, so that none is lost sight of."""
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))


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
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "cwd").readlink() == directory:
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


def _check(status: int) -> None:
    if status != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
