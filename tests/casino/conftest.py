"""The reference casino on a real port, and a small platform for it to talk to."""

import json
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

# The casino is a program of its own, outside every package of ours.
sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "casino"))

import database
import signing
from casino import Casino, Settings
from platform_api import Platform

from tests.casino.caller import KEY_ID, OUTBOUND_SECRET, SECRET, Client


@dataclass
class FakePlatform:
    """Answers what a test puts into `answers`, to requests that are signed; remembers what it was asked."""

    port: int
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def platform() -> Iterator[FakePlatform]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            path = self.path.partition("?")[0]
            assert self.headers["X-Key-Id"] == KEY_ID
            now = int(time.time())
            assert signing.is_signed(SECRET, self.headers, method=self.command, path=path, body=body, now=now)
            fake.asked.append((self.path, json.loads(body) if body else None))
            status, answer = fake.answers[path]
            text = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    fake = FakePlatform(server.server_port)
    with serving(server):
        yield fake


@pytest.fixture
def open_casino(tmp_path: Path) -> Iterator[Callable[[str], Client]]:
    """Open the casino with a platform at that address; the same folder each time, so it remembers."""
    running: list[Any] = []

    def open_with(url: str) -> Client:
        path = tmp_path / "casino.sqlite3"
        database.create(path)
        server = Casino(0, Settings("acme", Platform(url, KEY_ID, SECRET), OUTBOUND_SECRET, path))
        context = serving(server)
        context.__enter__()
        running.append(context)
        return Client(server.server_port)

    yield open_with
    for context in running:
        context.__exit__(None, None, None)


@pytest.fixture
def casino(open_casino: Callable[[str], Client], platform: FakePlatform) -> Client:
    return open_casino(platform.url)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    path = tmp_path / "books.sqlite3"
    database.create(path)
    with closing(database.connect(path)) as connection:
        yield connection
