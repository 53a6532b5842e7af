"""`manage.py demo` from start to end, also an end by SIGKILL."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lootbox.embedded import EmbeddedBroker, EmbeddedPostgres
from lootbox.embedded.processes import started_with

pytestmark = pytest.mark.faults

PROJECT = Path(__file__).parents[2]
KEYS = ["baseUrl", "casinoUrl", "adminUrl", "adminUsername", "adminPassword", "operator", "keyId", "secret", "outboundSecret"]
CREDENTIALS = ("adminPassword", "keyId", "secret", "outboundSecret")


class Demo:
    """The demo of one home, with ports of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port, self.casino_port = free_ports()
        self.environment = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
        self.environment["LOOTBOX_HOME"] = str(home)

    def start(self, *options: str) -> subprocess.Popen[str]:
        return self._manage("demo", "--port", str(self.port), "--casino-port", str(self.casino_port), *options)

    def run(self, *arguments: str) -> tuple[int, str, str]:
        process = self._manage(*arguments)
        output, errors = process.communicate()
        return process.returncode, output, errors

    def wait_until_ready(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        deadline = time.monotonic() + 180
        while not self.file.exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, "the demo did not get ready"
            time.sleep(0.1)
        content: dict[str, Any] = json.loads(self.file.read_text())
        return content

    @property
    def file(self) -> Path:
        return self.home / "demo.json"

    def is_gone(self) -> bool:
        servers = (EmbeddedPostgres(self.home), EmbeddedBroker(self.home))
        return not any(started_with("LOOTBOX_DEMO_HOME", str(self.home))) and not any(server.is_running() for server in servers)

    def _manage(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(PROJECT / "manage.py"), *arguments]
        return subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        for probe in (one, other):
            probe.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home for demos one after the other; the first of them, whichever it is, makes the database."""
    return tmp_path_factory.mktemp("home")


class TestDemo:
    def test_serves_until_it_is_told_to_end_and_starts_again_after_a_kill(self, home: Path) -> None:
        demo = Demo(home)
        first = demo.start()
        before = demo.wait_until_ready(first)
        assert list(before) == KEYS
        assert stat.S_IMODE(demo.file.stat().st_mode) == 0o600
        status, output, _ = demo.run("create_operator", "beside", "--json")
        assert status == 0
        assert json.loads(output)["operator"] == "beside"
        status, _, errors = demo.run("demo")
        assert status == 1
        assert errors.count("\n") == 1
        assert "LOOTBOX_HOME" in errors
        first.kill()
        first.communicate()
        demo.file.unlink()

        second = demo.start()
        after = demo.wait_until_ready(second)
        assert {name: after[name] for name in CREDENTIALS} == {name: before[name] for name in CREDENTIALS}
        second.send_signal(signal.SIGTERM)
        output, errors = second.communicate()
        assert (second.returncode, errors) == (0, "")
        assert '"status": "settled"' in output
        assert demo.is_gone()

    def test_names_a_port_in_use(self, tmp_path: Path) -> None:
        demo = Demo(tmp_path)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", demo.casino_port))
            taken.listen()
            process = demo.start("--once")
            _, errors = process.communicate()
        assert process.returncode == 1
        assert errors.count("\n") == 1
        assert f"Port {demo.casino_port}" in errors
        assert "--casino-port" in errors
        assert not (tmp_path / "postgres").exists()

    def test_says_which_part_failed(self, home: Path) -> None:
        demo = Demo(home)
        demo.environment["WEB_CONCURRENCY"] = "none"
        process = demo.start("--once")
        _, errors = process.communicate()
        assert process.returncode == 1
        assert "CommandError: The web server ended" in errors
        assert "invalid literal" in errors, "the end of the log is missing"
        assert not demo.file.exists()
        assert demo.is_gone()
