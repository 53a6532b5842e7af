"""One request, one answer, one deadline; connections are kept for the next call to the same origin."""

import os
import re
import select
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from lootbox.core.http.addresses import Address, NotSent, Origin, Target, parse, resolve
from lootbox.core.http.answers import AnswerReader, MalformedAnswer

CONNECT_LIMIT_S: Final = 3.0
# Servers close idle connections after 2 s (gunicorn), 5 s (Node) or more. A request that crosses such a close on the wire has
# an unknown fate, and a player has to try again; a new connection costs only milliseconds.
IDLE_LIMIT_S: Final = 1.5
IDLE_PER_THREAD: Final = 8
RECEIVE_BYTES: Final = 16 * 1024
TIMEOUT_STEP_S: Final = 0.01

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]*")


class NoAnswer(Exception):
    """The request may have arrived, and there is no usable answer.

    `reason` is a sentence, `status` the answer's status where it came that far, `excerpt` the start of its body.
    """

    def __init__(self, reason: str, *, status: int | None = None, excerpt: bytes = b"") -> None:
        """Say in `reason` what went wrong, and keep what was read for people to look at."""
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.excerpt = excerpt


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer, whatever its status. `headers` have lowercase names."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    latency_ms: int


def post(
    *, url: str, body: bytes, headers: Mapping[str, str], timeout_s: float, allow_private: bool, max_bytes: int = 65536
) -> Answer:
    """Return the answer to one POST, of any status, within `timeout_s` seconds in all. Raises `NotSent` and `NoAnswer`.

    A redirect is an answer like any other. Contract sections 10 and 11.
    """
    sized = {**headers, "Content-Length": str(len(body))}
    return _call("POST", url, sized, body, timeout_s=timeout_s, allow_private=allow_private, max_bytes=max_bytes)


def get(*, url: str, headers: Mapping[str, str], timeout_s: float, allow_private: bool, max_bytes: int = 65536) -> Answer:
    """Return the answer to one GET, under the same rules as `post`. Raises `NotSent` and `NoAnswer`."""
    return _call("GET", url, headers, b"", timeout_s=timeout_s, allow_private=allow_private, max_bytes=max_bytes)


def close_connections() -> None:
    """Close the connections that this thread keeps for its next call; the end of a thread does the same."""
    while _kept.idle:
        _kept.idle.popitem()[1].close()


def _call(
    method: str, url: str, headers: Mapping[str, str], body: bytes, *, timeout_s: float, allow_private: bool, max_bytes: int
) -> Answer:
    started = time.monotonic()
    deadline = started + timeout_s
    target = parse(url=url, allow_private=allow_private)
    request = _compose(method, target, headers, body)
    connection = _take(target.origin, started) or _connect(target, deadline)
    answer = AnswerReader(lambda: connection.receive(deadline), max_bytes=max_bytes)
    try:
        connection.send(request, deadline)
        content = answer.read()
    except (MalformedAnswer, OSError) as error:
        connection.close()
        raise NoAnswer(_reason(error), status=answer.status, excerpt=answer.excerpt()) from error
    ended = time.monotonic()
    if answer.reusable:
        _keep(target.origin, connection, ended)
    else:
        connection.close()
    assert answer.status is not None
    return Answer(answer.status, content, answer.headers, round((ended - started) * 1000))


def _reason(error: MalformedAnswer | OSError) -> str:
    match error:
        case TimeoutError():
            return "There was no complete answer within the time limit."
        case OSError():
            return f"The connection broke before the answer was complete ({error})."
        case _:
            return str(error)


def _compose(method: str, target: Target, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [
        f"{method} {target.path}{target.query} HTTP/1.1",
        f"Host: {target.authority}",
        "User-Agent: LootBox",
        "Accept-Encoding: identity",
    ]
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise NotSent(f"The header {name!r} can't be sent, as it holds a control character.")
        lines.append(f"{name}: {value}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def _remaining(deadline: float) -> float:
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("timed out")
    return seconds


class _Connection:
    """One connection to a checked address, in use by one thread for one call at a time."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._timeout_s = -1.0
        self.idle_since = 0.0

    def send(self, request: bytes, deadline: float) -> None:
        left = memoryview(request)
        while left:
            self._wait_until(deadline)
            left = left[self._sock.send(left) :]

    def receive(self, deadline: float) -> bytes:
        # What remains is set anew for each read, or a server that drips its answer would stretch the deadline without end.
        self._wait_until(deadline)
        return self._sock.recv(RECEIVE_BYTES)

    def _wait_until(self, deadline: float) -> None:
        # Each setting is a call of the system, and most wallets answer before a hundredth of a second matters.
        remaining_s = _remaining(deadline)
        if abs(remaining_s - self._timeout_s) > TIMEOUT_STEP_S:
            self._sock.settimeout(remaining_s)
            self._timeout_s = remaining_s

    def is_quiet(self) -> bool:
        """Return whether nothing came since the last answer: neither the server's goodbye nor an answer nobody asked for."""
        return not self._poll.poll(0) and not (isinstance(self._sock, ssl.SSLSocket) and self._sock.pending())

    def close(self) -> None:
        self._sock.close()

    # A thread that ends drops what it kept.
    __del__ = close


class _Kept(threading.local):
    """What this thread keeps for its next calls, the longest idle first. Threads share no connection, so none waits."""

    def __init__(self) -> None:
        self.idle: dict[Origin, _Connection] = {}


_kept: Final = _Kept()
# A child that went on using its parent's connections would mix up whose answer is whose.
os.register_at_fork(after_in_child=close_connections)


def _take(origin: Origin, now: float) -> _Connection | None:
    idle = _kept.idle
    while idle and (oldest := next(iter(idle.items())))[1].idle_since < now - IDLE_LIMIT_S:
        idle.pop(oldest[0]).close()
    connection = idle.pop(origin, None)
    if connection and not connection.is_quiet():
        connection.close()
        return None
    return connection


def _keep(origin: Origin, connection: _Connection, now: float) -> None:
    connection.idle_since = now
    idle = _kept.idle
    idle[origin] = connection
    if len(idle) > IDLE_PER_THREAD:
        idle.pop(next(iter(idle))).close()


def _connect(target: Target, deadline: float) -> _Connection:
    """Return a new connection. Raises `NotSent`."""
    try:
        addresses = resolve(target.origin, deadline=deadline)
        limit = min(deadline, time.monotonic() + CONNECT_LIMIT_S)
        for untried in range(len(addresses), 0, -1):
            # An address that is dead leaves the others their share of the time.
            until = time.monotonic() + _remaining(limit) / untried
            try:
                return _Connection(_open(target.origin, addresses[-untried], until))
            except OSError:
                if untried == 1:
                    raise
    except OSError as error:
        raise NotSent(f"{target.authority} could not be reached ({error}).") from error
    raise NotSent(f"{target.authority} has no address.")


def _open(origin: Origin, address: Address, until: float) -> socket.socket:
    sock = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
    try:
        sock.settimeout(_remaining(until))
        sock.connect((str(address), origin.port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if origin.scheme == "http":
            return sock
        sock.settimeout(_remaining(until))
        return _tls().wrap_socket(sock, server_hostname=origin.host)
    except BaseException:
        sock.close()
        raise


@cache
def _tls() -> ssl.SSLContext:
    # Loading the certificate authorities takes 16 ms, so it is done once a process.
    return ssl.create_default_context()
