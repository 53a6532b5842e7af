"""The casino as a program, how it speaks HTTP, and its catalogue."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals
from socket import create_connection
from typing import Any

import pytest

from tests.casino.caller import KEY_ID, OUTBOUND_SECRET, SECRET, Client, debit

FOLDER = Path(__file__).parents[2] / "examples" / "casino"
VARIABLES = {"CASINO_KEY_ID": KEY_ID, "CASINO_SECRET": SECRET, "CASINO_OUTBOUND_SECRET": OUTBOUND_SECRET}


@contextmanager
def started(data: Path, *options: str, **variables: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, str(FOLDER / "casino.py"), "--port", "0", "--data", str(data), *options]
    environment = {"PATH": os.environ["PATH"], **VARIABLES, **variables}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def client_of(process: "subprocess.Popen[str]") -> Client:
    assert process.stdout is not None
    port = re.search(r"http://127\.0\.0\.1:(\d+)/", process.stdout.readline())
    assert port is not None
    return Client(int(port[1]))


class TestProgram:
    @pytest.mark.parametrize("number", [SIGINT, SIGTERM])
    def test_ends_at_once_when_asked_to_and_remembers(self, tmp_path: Path, number: Signals) -> None:
        with started(tmp_path / "data") as process:
            casino = client_of(process)
            first = casino.wallet(debit()).json
            with closing(HTTPConnection("127.0.0.1", casino.port)) as idle:
                idle.request("GET", "/health")
                assert idle.getresponse().read() == b'{"status": "ok"}'
                process.send_signal(number)
                assert process.wait(timeout=10) == 0
        with started(tmp_path / "data") as process:
            casino = client_of(process)
            assert casino.wallet(debit()).json == first
            assert len(casino.ledger()["movements"]) == 1

    def test_remembers_what_it_answered_after_a_kill(self, tmp_path: Path) -> None:
        with started(tmp_path / "data") as process:
            first = client_of(process).wallet(debit()).json
            process.kill()
        with started(tmp_path / "data") as process:
            assert client_of(process).wallet(debit()).json == first

    def test_takes_options_before_variables(self, tmp_path: Path) -> None:
        with started(tmp_path / "data", "--outbound-secret", "whsec_AAAA") as process:
            assert client_of(process).wallet(debit()).status == 401

    @pytest.mark.parametrize(
        ("variables", "message"),
        [({"CASINO_SECRET": ""}, "--secret"), ({"CASINO_OUTBOUND_SECRET": "plain"}, "starts with whsec_")],
    )
    def test_says_what_is_missing(self, tmp_path: Path, variables: dict[str, str], message: str) -> None:
        with started(tmp_path / "data", **variables) as process:
            _, errors = process.communicate(timeout=10)
        assert process.returncode == 2
        assert message in errors

    def test_says_that_the_port_is_taken(self, tmp_path: Path, casino: Client) -> None:
        with started(tmp_path / "data", "--port", str(casino.port)) as process:
            _, errors = process.communicate(timeout=10)
        assert process.returncode == 1
        assert errors.startswith(f"Port {casino.port} can't be used")

    def test_imports_the_standard_library_and_itself_only(self) -> None:
        own = {path.stem for path in FOLDER.glob("*.py")}
        imported = {
            name.partition(".")[0]
            for path in FOLDER.glob("*.py")
            for name in re.findall(r"^\s*(?:from|import) ([\w.]+)", path.read_text(), re.MULTILINE)
        }
        assert imported - own <= sys.stdlib_module_names


class TestHttp:
    def test_keeps_a_connection_open(self, casino: Client) -> None:
        with closing(HTTPConnection("127.0.0.1", casino.port)) as connection:
            for method, path, status in [("GET", "/health", 200), ("POST", "/wallet", 401), ("GET", "/none", 404)]:
                connection.request(method, path, b"body that nobody asked for")
                response = connection.getresponse()
                assert (response.status, response.version) == (status, 11)
                response.read()

    @pytest.mark.parametrize(
        ("header", "status"),
        [
            ("Content-Length: 262145", 413),
            ("Content-Length: -1", 411),
            ("Content-Length: x", 411),
            ("Transfer-Encoding: chunked", 411),
        ],
    )
    def test_refuses_a_body_that_it_can_not_measure(self, casino: Client, header: str, status: int) -> None:
        with create_connection(("127.0.0.1", casino.port)) as connection:
            connection.sendall(f"POST /wallet HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n".encode())
            with connection.makefile("rb") as answer:
                assert answer.read().startswith(f"HTTP/1.1 {status} ".encode())  # and the connection ends

    def test_serves_its_own_files_and_no_others(self, casino: Client) -> None:
        assert casino.get("/static/casino.css").headers["Content-Type"] == "text/css; charset=utf-8"
        assert casino.get("/static/icon.svg").headers["Content-Type"] == "image/svg+xml"
        for path in ("/static/../casino.py", "/casino.py", "/static/", "//[", "/%00"):
            assert casino.get(path).status == 404
        assert casino.send("POST", "/").status == 404
        assert casino.send("GET", "/buy").status == 404


def value_of(prize: dict[str, Any], items: dict[str, Any]) -> int:
    worth = items[prize["item"]] if "item" in prize else prize.get("cash") or prize["bonus"]
    return int(worth["valueMinor"])


class TestCatalogue:
    catalogue = json.loads((FOLDER / "boxes.json").read_text())
    items = {item["sku"]: item for item in catalogue["items"]}

    @pytest.mark.parametrize("box", catalogue["boxes"], ids=lambda box: box["slug"])
    def test_keeps_between_6_and_12_percent(self, box: dict[str, Any]) -> None:
        total = sum(prize["weight"] for prize in box["prizes"])
        worth = sum(prize["weight"] * value_of(prize, self.items) for prize in box["prizes"])
        assert 0.06 <= 1 - worth / (total * box["priceMinor"]) <= 0.12

    def test_names_everything_in_three_languages(self) -> None:
        named = [*self.catalogue["items"], *self.catalogue["boxes"]]
        named += [
            prize[kind]
            for box in self.catalogue["boxes"]
            for prize in box["prizes"]
            for kind in ("cash", "bonus")
            if kind in prize
        ]
        assert all(set(thing["name"]) == {"en", "de", "sv"} for thing in named)

    def test_lists_each_item_once_and_wins_each(self) -> None:
        won = {prize.get("item") for box in self.catalogue["boxes"] for prize in box["prizes"]} - {None}
        assert won == set(self.items)
        assert len(self.items) == len(self.catalogue["items"])
