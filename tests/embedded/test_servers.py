"""The embedded servers: shared by all who hold them, private, and up again after any kill."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import environ
import psycopg
import pytest

from lootbox import embedded
from lootbox.embedded import EmbeddedBroker, EmbeddedPostgres, EmbeddedServerError, running, socket_directory
from lootbox.embedded.processes import working_in
from lootbox.embedded.server import Server

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def no_stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)


def connect(home: Path) -> psycopg.Connection:
    parsed = environ.Env.db_url_config(embedded.database_url(home))
    return psycopg.connect(
        host=parsed["HOST"], port=parsed["PORT"], user=parsed["USER"], dbname=parsed["NAME"], autocommit=True
    )


def postmaster(home: Path) -> int:
    return int((home / "postgres" / "postmaster.pid").read_text().partition("\n")[0])


def wait_until_ended(server: Server) -> None:
    deadline = time.monotonic() + 30
    while server.is_running() or any(working_in(server.data)):
        assert time.monotonic() < deadline, f"{server.title} is still there"
        time.sleep(0.02)


class TestRunning:
    def test_brings_both_servers_up_for_the_block_and_no_longer(self, home: Path) -> None:
        servers = [EmbeddedPostgres(home), EmbeddedBroker(home)]
        with running(home):
            assert all(server.is_running() for server in servers)
            with connect(home) as connection:
                assert connection.execute("SELECT current_database()").fetchone() == ("lootbox",)
        assert not any(server.is_running() for server in servers)
        assert not any(any(working_in(server.data)) for server in servers)

    def test_keeps_data_and_durability(self, home: Path) -> None:
        with EmbeddedPostgres(home), connect(home) as connection:
            connection.execute("CREATE TABLE kept (word text)")
            connection.execute("INSERT INTO kept VALUES ('still here')")
            assert connection.execute("SHOW fsync").fetchone() == ("on",)
        with EmbeddedPostgres(home), connect(home) as connection:
            assert connection.execute("SELECT word FROM kept").fetchone() == ("still here",)

    def test_leaves_to_others_what_others_hold(self, home: Path) -> None:
        with EmbeddedPostgres(home) as mine:
            with EmbeddedPostgres(home):
                pass
            assert mine.is_running()

    def test_hands_the_server_on_when_the_one_who_started_it_leaves_first(self, home: Path) -> None:
        first, second = EmbeddedBroker(home), EmbeddedBroker(home)
        first.start()
        second.start()
        first.stop()
        assert second.is_running()
        second.stop()
        assert not second.is_running()

    def test_is_private_to_the_user(self, home: Path) -> None:
        with running(home):
            sockets = socket_directory(home)
            for directory in (home, sockets, home / "postgres", home / "broker", home / "logs"):
                assert stat.S_IMODE(directory.stat().st_mode) == 0o700, directory
            with connect(home) as connection:
                assert connection.execute("SHOW listen_addresses").fetchone() == ("",)

    def test_starts_once_for_two_who_come_at_once(self, tmp_path: Path) -> None:
        program = (
            "import sys; from pathlib import Path; from lootbox.embedded import EmbeddedPostgres\n"
            "with EmbeddedPostgres(Path(sys.argv[1])):\n"
            "    print((Path(sys.argv[1]) / 'postgres/postmaster.pid').read_text().split()[0], flush=True)\n"
            "    sys.stdin.read()\n"
        )
        command = [sys.executable, "-c", program, str(tmp_path)]
        starters = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
        seen = {starter.stdout.readline() for starter in starters if starter.stdout}
        assert seen == {f"{postmaster(tmp_path)}\n"}
        for starter in starters:
            starter.communicate()
            assert starter.returncode == 0
        assert not EmbeddedPostgres(tmp_path).is_running()

    @pytest.mark.parametrize("name", ["h" * 120, "with space, 'quote' and ü"])
    def test_finds_a_short_socket_for_an_awkward_home(self, tmp_path: Path, name: str) -> None:
        home = tmp_path / name
        with running(home), connect(home) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
            assert home not in socket_directory(home).parents
            assert stat.S_IMODE(socket_directory(home).stat().st_mode) == 0o700
        socket_directory(home).rmdir()

    def test_refuses_a_home_where_nothing_can_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(EmbeddedServerError, match="LOOTBOX_HOME"), running(tmp_path / "file"):
            pass

    def test_leaves_out_a_server_that_another_stands_in_for(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DATABASE_URL", "postgres://somewhere.else/lootbox")
        with running(home) as servers:
            assert [type(server) for server in servers] == [EmbeddedBroker]
            assert not EmbeddedPostgres(home).is_running()


class TestRecovery:
    @pytest.fixture
    def held(self, home: Path) -> Iterator[EmbeddedPostgres]:
        with EmbeddedPostgres(home) as server:
            yield server

    def test_starts_again_after_postgres_was_killed(self, home: Path, held: EmbeddedPostgres) -> None:
        with connect(home) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS committed (number int)")
            connection.execute("INSERT INTO committed VALUES (42)")
        os.kill(postmaster(home), signal.SIGKILL)
        wait_until_ended(held)
        assert (home / "postgres" / "postmaster.pid").exists()
        with EmbeddedPostgres(home), connect(home) as connection:
            assert connection.execute("SELECT number FROM committed").fetchone() == (42,)

    def test_starts_again_when_the_lock_file_names_another_program(self, home: Path, held: EmbeddedPostgres) -> None:
        lock = home / "postgres" / "postmaster.pid"
        text = lock.read_text()
        held.stop()
        lock.write_text(text.replace(text.partition("\n")[0], str(os.getpid()), 1))
        with EmbeddedPostgres(home), connect(home) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)

    def test_begins_anew_after_a_first_start_that_was_killed(self, tmp_path: Path) -> None:
        (tmp_path / "postgres.unfinished").mkdir()
        (tmp_path / "postgres.unfinished" / "PG_VERSION").write_text("half")
        with EmbeddedPostgres(tmp_path), connect(tmp_path) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)

    def test_ends_the_servers_of_a_holder_that_was_killed(self, home: Path) -> None:
        program = (
            "import sys, time; from pathlib import Path; from lootbox.embedded import running\n"
            "with running(Path(sys.argv[1])): print('up', flush=True); time.sleep(600)"
        )
        with subprocess.Popen([sys.executable, "-c", program, str(home)], stdout=subprocess.PIPE) as holder:
            assert holder.stdout
            assert holder.stdout.readline() == b"up\n"
            holder.kill()
        for server in (EmbeddedPostgres(home), EmbeddedBroker(home)):
            wait_until_ended(server)

    def test_says_why_a_server_can_not_start(self, tmp_path: Path) -> None:
        (tmp_path / "postgres").mkdir(mode=0o700)
        with pytest.raises(EmbeddedServerError, match=r"postgres\.log"), EmbeddedPostgres(tmp_path):
            pass


class TestExec:
    def test_gives_the_command_a_home_with_servers_and_hands_back_its_status(self) -> None:
        program = (
            "import os, sys; from pathlib import Path; from lootbox.embedded import EmbeddedBroker, EmbeddedPostgres\n"
            "home = Path(os.environ['LOOTBOX_HOME'])\n"
            "print(home, flush=True)\n"
            "sys.exit(7 if EmbeddedPostgres(home).is_running() and EmbeddedBroker(home).is_running() else 1)"
        )
        wrapper = [sys.executable, "-m", "lootbox.embedded", "exec", "--temporary", "--fast", "--"]
        result = subprocess.run([*wrapper, sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=False)
        assert result.returncode == 7
        assert not Path(result.stdout.strip()).exists()
