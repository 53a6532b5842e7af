"""Where the embedded servers of a home are found. Nothing here creates or starts anything."""

import hashlib
import os
import re
from pathlib import Path

# The kernel takes 107 bytes for a socket's path; the longest name put below the directory has 18.
_LONGEST_DIRECTORY = 85
_PLAIN = re.compile(r"[A-Za-z0-9_./-]+")


def socket_directory(home: Path) -> Path:
    """Return the directory of the sockets: `run` below `home`, or a short one of this user's where that can't be.

    It can't be when the path is too long for a socket, or holds a character that PostgreSQL or a URL would read as syntax.
    """
    home = home.resolve()
    directory = home / "run"
    if len(os.fsencode(directory)) <= _LONGEST_DIRECTORY and _PLAIN.fullmatch(str(directory)):
        return directory
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    # Not TMPDIR: every process must come to the same path. Nobody else can enter it: `server.make_private` sees to that.
    return Path(f"/tmp/lootbox-{os.geteuid()}-{digest}")  # noqa: S108


def database_url(home: Path) -> str:
    """Return the URL of the embedded database, in django-environ's form for sockets (the path stands before the name)."""
    return f"postgres://lootbox@:5432/{socket_directory(home)}/lootbox"


def broker_socket(home: Path) -> Path:
    """Return the path of the embedded broker's socket, for clients that take a plain path."""
    return socket_directory(home) / "broker.sock"


def broker_url(home: Path) -> str:
    """Return the URL of the embedded broker, in Celery's form for sockets."""
    return f"redis+socket://{broker_socket(home)}"
