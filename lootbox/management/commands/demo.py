"""`manage.py demo`: the whole product on this machine, in the foreground."""

import contextlib
import fcntl
import http.client
import io
import json
import os
import secrets
import selectors
import signal
import socket
import sys
import time
import uuid
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections
from django.db.backends.postgresql.base import DatabaseWrapper

from catalog.models import Box, BoxVersion
from lootbox.core.signing import sign
from lootbox.embedded import running
from lootbox.embedded.database import reach_database
from lootbox.embedded.server import Server, make_private
from lootbox.management.children import Child, Children
from operators.models import ApiKey, Operator

OPERATOR = "demo"
PLAYER = "u_anna"
ADMIN = "admin"
HOST = "127.0.0.1"
_CASINO = settings.BASE_DIR / "examples" / "casino"
_READY_DEADLINE_S = 180.0


class Stopped(BaseException):
    """Somebody asked the demo to end; not an Exception, so that nothing on the way takes it for a failure."""


class Command(BaseCommand):
    """Run everything, buy one box, say where everything is, and wait."""

    help = (
        "Run PostgreSQL, the broker, the web server, the workers and a casino on this machine until Ctrl-C. All data is "
        "below LOOTBOX_HOME, and so is demo.json with addresses and credentials, written when the demo is ready."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the ports and `--once`."""
        parser.add_argument("--port", type=_port, default=8000, help="The platform's port on 127.0.0.1 (default 8000).")
        parser.add_argument("--casino-port", type=_port, default=9000, help="The casino's port (default 9000).")
        parser.add_argument("--once", action="store_true", help="End after the first purchase instead of waiting.")

    def handle(self, *, port: int, casino_port: int, once: bool, **_: Any) -> None:
        """Run the demo until Ctrl-C or SIGTERM. Raises CommandError when a part of it fails."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _stop)
        try:
            with contextlib.ExitStack() as parts:
                try:
                    self._run(parts, port=port, casino_port=casino_port, once=once)
                finally:
                    _ignore_signals()  # the end is under way; a second Ctrl-C must not break it off
        except Stopped:
            self._say("\nThe demo has ended.")

    def _run(self, parts: contextlib.ExitStack, *, port: int, casino_port: int, once: bool) -> None:
        home = settings.LOOTBOX_HOME
        parts.enter_context(_only_demo_of(home))
        base_url, casino_url = f"http://{HOST}:{port}", f"http://{HOST}:{casino_port}"
        children = Children(home, directory=settings.BASE_DIR, environment={"LOOTBOX_HOME": str(home)})
        children.end_leftovers()
        _check_ports(port, casino_port)
        ready_file = home / "demo.json"
        ready_file.unlink(missing_ok=True)
        self._say(f"Starting the demo in {home}")
        with self._step("PostgreSQL and broker"):
            servers = parts.enter_context(running(home))
        with self._step("database"):
            reach_database(home, migrate=True)
        with self._step("operator and boxes"):
            credentials = _seed(home / "credentials.json", casino_url=casino_url)
            version_id = _seed_boxes()
            _close_connections()
        parts.enter_context(children)
        with self._step("web server, workers and casino"):
            _start(children, home, port=port, casino_port=casino_port, credentials=credentials)
            _wait_until(lambda: _answers(port, "/api/s2s/health"), children)
            _wait_until(lambda: _answers(casino_port, "/health"), children)
            _check_all_run(children)
        if version_id is None:
            self._say("\nEvery box is offline, so none was bought. Put one online in the back-office, under Boxes.")
        else:
            self._buy(port, credentials, box_version_id=version_id)
        report = {
            "baseUrl": base_url,
            "casinoUrl": casino_url,
            "adminUrl": f"{base_url}/admin/",
            "adminUsername": ADMIN,
            **{name: credentials[name] for name in ("adminPassword", "operator", "keyId", "secret", "outboundSecret")},
        }
        self._say("")
        for name, value in report.items():
            self._say(f"{name:>15}  {value}")
        self._say(f"{'logs':>15}  {home / 'logs'}")
        _write_private(ready_file, report)
        if not once:
            parts.callback(ready_file.unlink, missing_ok=True)  # credentials.json keeps the secrets
            self._say("\nThe demo is ready. Open the casino's address, or press Ctrl-C to end.")
            _wait_for_end(children, servers)

    def _buy(self, port: int, credentials: dict[str, str], *, box_version_id: int) -> None:
        """Buy one box as an operator's backend does, and show how. Raises CommandError when it isn't settled."""
        path = "/api/s2s/purchase"
        body = json.dumps(
            {
                "playerExternalId": PLAYER,
                "gameKey": "mystery_box",
                "clientActionId": f"demo-{uuid.uuid4()}",
                "reels": [{"reelIndex": 0, "boxVersionId": box_version_id}],
            },
            indent=2,
        )
        timestamp = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "X-Key-Id": credentials["keyId"],
            "X-Timestamp": timestamp,
            "X-Signature": sign(
                secret=credentials["secret"], timestamp=timestamp, method="POST", path=path, body=body.encode()
            ),
        }
        with contextlib.closing(http.client.HTTPConnection(HOST, port, timeout=30)) as platform:
            platform.request("POST", path, body, headers)
            response = platform.getresponse()
            answer = json.loads(response.read())
        self._say(f"\nPOST {path}")
        for name, value in headers.items():
            self._say(f"{name}: {value}")
        self._say(f"\n{body}\n\n{response.status} {response.reason}\n{json.dumps(answer, indent=2, ensure_ascii=False)}")
        if response.status != 200:
            raise CommandError("The demo's purchase failed: the answer above says why.")

    @contextlib.contextmanager
    def _step(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        self.stdout.write(f"  {name} … ", ending="")
        self.stdout.flush()
        try:
            yield
        except BaseException:
            self._say("not done")
            raise
        self._say(f"done in {time.monotonic() - began:.1f} s")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise ArgumentTypeError("a port is a number from 1 to 65535")
    return int(text)


def _stop(*_: int | FrameType | None) -> None:
    _ignore_signals()
    raise Stopped


def _ignore_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def _only_demo_of(home: Path) -> Iterator[None]:
    for directory in (home, home / "logs"):
        make_private(directory)
    with (home / "demo.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise CommandError(
                f"A demo runs in {home} already, as process {lock.read()}. End it, or set LOOTBOX_HOME to another directory."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _check_ports(port: int, casino_port: int) -> None:
    if port == casino_port:
        raise CommandError(f"Platform and casino can't both have port {port}. Choose another --casino-port.")
    for option, number in (("--port", port), ("--casino-port", casino_port)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, number))
            except OSError as error:
                reason = error.strerror.lower() if error.strerror else str(error)
                raise CommandError(
                    f"Port {number} can't be used: {reason}. End what listens there, or choose another one with {option}."
                ) from None


def _seed(file: Path, *, casino_url: str) -> dict[str, str]:
    """Make operator and administrator where they are missing, and return all credentials, which `file` keeps."""
    kept = json.loads(file.read_text()) if file.exists() else {}
    if not Operator.objects.filter(slug=OPERATOR).exists():
        made = _call("create_operator", OPERATOR, "--name", "Demo Casino", "--currency", "EUR", "--currencies", "EUR,SEK")
        call_command("set_rate", "EUR", "SEK", "11.2345", stdout=io.StringIO())
    elif ApiKey.objects.filter(operator__slug=OPERATOR, key_id=kept.get("keyId")).exists():
        made = {}
    else:  # the file was lost, or is another database's; nobody can read the secrets again
        made = _call("create_key", OPERATOR) | _call("rotate_outbound_secret", OPERATOR)
    user, _ = get_user_model().objects.get_or_create(username=ADMIN, defaults={"is_staff": True, "is_superuser": True})
    credentials = {"operator": OPERATOR, "adminPassword": secrets.token_urlsafe(12)} | kept | made
    if not user.check_password(credentials["adminPassword"]):
        user.set_password(credentials["adminPassword"])
        user.save(update_fields=["password"])
    _write_private(file, credentials)
    chosen = {
        "walletUrl": f"{casino_url}/wallet",
        "webhookUrl": f"{casino_url}/webhooks",
        "origins": casino_url,
        "locales": "en,de,sv",
    }
    _call("set_operator", OPERATOR, *(f"--set={name}={value}" for name, value in chosen.items()))
    return credentials


def _close_connections() -> None:
    wrapper = connections["default"]
    assert isinstance(wrapper, DatabaseWrapper)
    wrapper.close()
    wrapper.close_pool()  # and so its threads, before processes are started


def _seed_boxes() -> int | None:
    """Return a version that can be bought, None when people took all offline. What they made of the boxes is left alone."""
    if not Box.objects.filter(operator__slug=OPERATOR).exists():
        _call("import_boxes", OPERATOR, str(_CASINO / "boxes.json"))
    on_sale = BoxVersion.objects.filter(operator__slug=OPERATOR, superseded_at=None, box__active=True)
    return on_sale.order_by("box_id").values_list("pk", flat=True).first()


def _call(command: str, *arguments: str) -> dict[str, Any]:
    output = io.StringIO()
    call_command(command, *arguments, "--json", stdout=output)
    result: dict[str, Any] = json.loads(output.getvalue())
    return result


def _start(children: Children, home: Path, *, port: int, casino_port: int, credentials: dict[str, str]) -> None:
    python, address = sys.executable, f"{HOST}:{port}"
    celery = [python, "-m", "celery", "--app", "lootbox"]
    casino = [python, str(_CASINO / "casino.py"), "--port", str(casino_port), "--platform", f"http://{address}"]
    children.start(
        "web server", [python, "-m", "gunicorn", "--config", "lootbox/gunicorn.py", "--bind", address, "lootbox.wsgi"]
    )
    children.start("worker", [*celery, "worker", "--concurrency", "2", "--loglevel", "INFO"])
    children.start("beat", [*celery, "beat", "--schedule", str(home / "beat-schedule"), "--pidfile", ""])
    children.start("recovery", [python, "manage.py", "recover"])
    children.start(
        "casino",
        [*casino, "--operator", OPERATOR, "--data", str(home / "casino")],
        CASINO_KEY_ID=credentials["keyId"],
        CASINO_SECRET=credentials["secret"],
        CASINO_OUTBOUND_SECRET=credentials["outboundSecret"],
    )


def _answers(port: int, path: str) -> bool:
    """Return whether something answers HTTP there, be it a refusal."""
    try:
        with contextlib.closing(http.client.HTTPConnection(HOST, port, timeout=10)) as connection:
            connection.request("GET", path)
            connection.getresponse().read()
    except OSError:
        return False
    return True


def _wait_until(condition: Callable[[], bool], children: Children) -> None:
    deadline = time.monotonic() + _READY_DEADLINE_S
    while not condition():
        _check_all_run(children)
        if time.monotonic() > deadline:
            raise CommandError(f"The demo was not ready after {_READY_DEADLINE_S:.0f} s; see the logs in LOOTBOX_HOME.")
        time.sleep(0.1)


def _wait_for_end(children: Children, servers: Sequence[Server]) -> None:
    """Wait until a part of the demo ends by itself, which is an error, or a signal ends it all."""
    with selectors.DefaultSelector() as selector:
        for process in children.process_ids():
            selector.register(os.pidfd_open(process), selectors.EVENT_READ)
        for server in servers:
            selector.register(server, selectors.EVENT_READ)
        ended = [key.fileobj for key, _ in selector.select()]
    for server in servers:
        if server in ended:
            raise CommandError(f"{server.title} ended by itself; see {server.log}.")
    _check_all_run(children)


def _check_all_run(children: Children) -> None:
    child: Child | None = children.ended()
    if child is not None:
        print(child.tail(), file=sys.stderr)
        raise CommandError(f"The {child.name} ended with status {child.process.returncode}; above is the end of {child.log}.")


def _write_private(file: Path, content: dict[str, Any]) -> None:
    """Write JSON that only this user can read, all at once."""
    unfinished = file.with_suffix(".unfinished")
    unfinished.touch(mode=0o600)
    unfinished.write_text(json.dumps(content, indent=2) + "\n")
    unfinished.replace(file)
