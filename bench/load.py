"""A load generator that costs little beside what it measures: requests are written before the clock starts."""

import collections
import hashlib
import hmac
import json
import selectors
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

PATIENCE_S: Final = 120.0  # a server that was just started loads itself first
_HEAD_END: Final = b"\r\n\r\n"
_LAST_CHUNK: Final = b"\r\n0\r\n\r\n"


class UnexpectedAnswer(Exception):
    """A server answered with another status than the measurement is about; the message holds the answer."""


@dataclass(frozen=True)
class Signer:
    """An operator's backend: a key, and where it calls."""

    key_id: str
    secret: str
    port: int

    def post(self, path: str, body: Mapping[str, Any]) -> bytes:
        """Return the bytes of a signed POST."""
        return self._request("POST", path, json.dumps(body).encode(), {})

    def get(self, path: str, **headers: str) -> bytes:
        """Return the bytes of a signed GET."""
        return self._request("GET", path, b"", headers)

    def _request(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        timestamp = str(int(time.time()))
        canonical = f"{timestamp}\n{method}\n{path.partition('?')[0]}\n{hashlib.sha256(body).hexdigest()}"
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: 127.0.0.1:{self.port}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            f"X-Key-Id: {self.key_id}",
            f"X-Timestamp: {timestamp}",
            f"X-Signature: {hmac.new(self.secret.encode(), canonical.encode(), hashlib.sha256).hexdigest()}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        return "\r\n".join([*lines, "", ""]).encode() + body


def burst(port: int, requests: Sequence[bytes], *, connections: int, status: int = 200) -> float:
    """Send all requests over that many kept-alive connections and return the seconds that it took.

    Raises UnexpectedAnswer for an answer of another status.
    """
    waiting = collections.deque(requests)
    selector = selectors.DefaultSelector()
    socks = [socket.create_connection(("127.0.0.1", port)) for _ in range(min(connections, len(requests)))]
    try:
        for sock in socks:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(sock, selectors.EVENT_READ, bytearray())
        expected = f"HTTP/1.1 {status} ".encode()
        began = time.perf_counter()
        for sock in socks:
            sock.sendall(waiting.popleft())
        outstanding = len(requests)
        while outstanding:
            outstanding -= _collect(selector, waiting, expected)
        return time.perf_counter() - began
    finally:
        selector.close()
        for sock in socks:
            sock.close()


def ask(port: int, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send one request and return status, headers by lowercase name, and the whole answer as it came."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as sock:
        sock.sendall(request)
        received = bytearray()
        while not _is_complete(received):
            received += _receive(sock, received)
    head, _, _ = bytes(received).partition(_HEAD_END)
    start, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return int(start.split(" ")[1]), headers, bytes(received)


def _collect(selector: selectors.BaseSelector, waiting: collections.deque[bytes], expected: bytes) -> int:
    """Read what came, send the next request on each connection that was answered, and return how many were."""
    answered = 0
    ready = selector.select(PATIENCE_S)
    if not ready:
        raise UnexpectedAnswer(f"Nothing was answered for {PATIENCE_S:.0f} s.")
    for key, _ in ready:
        sock, received = key.fileobj, key.data
        assert isinstance(sock, socket.socket)
        received += _receive(sock, received)
        if not _is_complete(received):
            continue
        if not received.startswith(expected):
            raise UnexpectedAnswer(bytes(received[:1000]).decode(errors="replace"))
        answered += 1
        received.clear()
        if waiting:
            sock.sendall(waiting.popleft())
    return answered


def _receive(sock: socket.socket, so_far: bytearray) -> bytes:
    received = sock.recv(65536)
    if not received:
        raise UnexpectedAnswer(f"The connection was closed after {bytes(so_far[:1000])!r}.")
    return received


def _is_complete(received: bytearray) -> bool:
    head_end = received.find(_HEAD_END)
    if head_end < 0:
        return False
    head = bytes(received[:head_end]).lower()
    if head.startswith((b"http/1.1 304", b"http/1.1 204")):
        return True
    marker = head.find(b"\r\ncontent-length:")
    if marker < 0:
        return received.endswith(_LAST_CHUNK)
    length = int(head[marker + 17 :].partition(b"\r\n")[0])
    return len(received) >= head_end + len(_HEAD_END) + length
