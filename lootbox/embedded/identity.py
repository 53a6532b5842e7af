"""Who PostgreSQL runs as: it refuses to be root, and a fresh container often has nobody else."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lootbox.embedded.processes import die_with_parent, enter_user_namespace
from lootbox.embedded.server import EmbeddedServerError

_NOBODY = 65534


@dataclass(frozen=True)
class Identity:
    """How to start a program as somebody who isn't root, and whom its files belong to then."""

    owner: int
    prefix: tuple[str, ...]
    preexec: Callable[[], None]


def ordinary_identity(*, program: str, home: Path) -> Identity:
    """Return an identity that can run `program` on files below `home`.

    That is this user itself; for root a user namespace, where root is called nobody and the files stay root's; and where
    namespaces are forbidden (as in Docker) nobody itself, with the one privilege to pass through directories of root's.
    Raises EmbeddedServerError where root can do neither.
    """
    die = die_with_parent(signal.SIGINT)
    if os.geteuid() != 0:
        return Identity(os.geteuid(), (), die)

    def preexec() -> None:
        enter_user_namespace(inside_id=_NOBODY)
        if not os.access(home, os.W_OK | os.X_OK):
            raise PermissionError  # a directory on the way is another user's, to whom this root is now a stranger
        die()

    privileges = [f"--{which}=-all,+dac_override" for which in ("inh-caps", "ambient-caps", "bounding-set")]
    user = [f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", "--securebits=+no_setuid_fixup"]
    # The secure bit makes access(2) count the privilege. A change of user clears what `die` asked for, so setpriv asks again.
    setpriv = (shutil.which("setpriv") or "setpriv", *user, *privileges, "--pdeathsig=INT")
    for identity in (Identity(0, (), preexec), Identity(_NOBODY, setpriv, die)):
        if _works(identity, program):
            return identity
    raise EmbeddedServerError(
        "PostgreSQL refuses to run as root, and this machine lets root neither open a user namespace nor change its user id. "
        "Run the command as an ordinary user, or set DATABASE_URL."
    )


def _works(identity: Identity, program: str) -> bool:
    command = [*identity.prefix, program, "--version"]
    try:
        subprocess.run(command, preexec_fn=identity.preexec, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return False
    return True
