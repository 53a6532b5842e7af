"""A server on a real socket that misbehaves as told: whatever a wallet or a webhook receiver may do to the platform.

    with FaultyServer(reset(), answer(b'{"accepted":true}')) as server:
        ...  # the first request to server.url("/wallet") meets a reset, every later one is accepted
        assert [request.body for request in server.received] == [...]

Each request takes the next act of the script; the last act stays. An act is any function of the connection and the request, so
a test can also answer out of a ledger of its own.
"""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

PATIENCE_S = 10.0


@dataclass(frozen=True)
class Received:
    """One request as it came in; `connection` counts the connections from 0, header names are lowercase."""

    connection: int
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    raw: bytes


class Peer:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket, stopping: threading.Event) -> None:
        self._sock = sock
        self._stopping = stopping
        self._buffer = b""
        self.closed = False

    def send(self, data: bytes) -> None:
        """Send `data`. Raises `OSError` once the client is gone."""
        self._sock.sendall(data)

    def pause(self, seconds: float) -> None:
        """Wait; the end of the server ends it."""
        self._stopping.wait(seconds)

    def wait_gone(self) -> None:
        """Wait until the client hangs up."""
        while self._sock.recv(4096):
            pass

    def close(self) -> None:
        """Hang up."""
        self.closed = True
        self._sock.close()

    def reset(self) -> None:
        """Hang up with an RST."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def receive(self, connection: int) -> Received | None:
        """Return the next request, or None when the client hung up."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._fill():
                return None
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        request_line, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        length = int(headers.get("content-length", "0"))
        while len(self._buffer) < length:
            if not self._fill():
                return None
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        method, target, _ = request_line.split(" ")
        return Received(connection, method, target, headers, body, head + b"\r\n\r\n" + body)

    def _fill(self) -> bool:
        received = self._sock.recv(65536)
        self._buffer += received
        return bool(received)


Act = Callable[[Peer, Received], None]


def framed(body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None) -> bytes:
    """Return the bytes of a well-formed answer."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {"Content-Type": "application/json"}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def answer(body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Act:
    """Answer properly and keep the connection."""
    return raw(framed(body, status=status, headers=headers), close=False)


def raw(data: bytes, *, close: bool = True) -> Act:
    """Send exactly `data`, then hang up, or keep the connection."""

    def act(peer: Peer, _: Received) -> None:
        peer.send(data)
        if close:
            peer.close()

    return act


def in_turn(*acts: Act) -> Act:
    """Do several acts for one request."""

    def act(peer: Peer, request: Received) -> None:
        for each in acts:
            each(peer, request)

    return act


def never() -> Act:
    """Take the request and never answer."""

    def act(peer: Peer, _: Received) -> None:
        peer.wait_gone()

    return act


def late(then: Act, *, seconds: float) -> Act:
    """Take the request, and act only after `seconds`."""

    def act(peer: Peer, request: Received) -> None:
        peer.pause(seconds)
        then(peer, request)

    return act


def drip(data: bytes, *, gap_s: float) -> Act:
    """Send `data` one byte at a time, `gap_s` apart."""

    def act(peer: Peer, _: Received) -> None:
        for position in range(len(data)):
            peer.send(data[position : position + 1])
            peer.pause(gap_s)

    return act


def endless(start: bytes, again: bytes) -> Act:
    """Send `start`, then `again` until the client hangs up."""

    def act(peer: Peer, _: Received) -> None:
        peer.send(start)
        while True:
            peer.send(again)

    return act


def reset(after: bytes = b"") -> Act:
    """Send `after`, then reset the connection."""

    def act(peer: Peer, _: Received) -> None:
        peer.send(after)
        peer.reset()

    return act


def redirect(location: str, *, status: int = 307) -> Act:
    """Send the client elsewhere."""
    return answer(b"", status=status, headers={"Location": location})


class FaultyServer:
    """The server; listens on loopback from its making until the end of the `with`."""

    def __init__(self, *script: Act, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.received: list[Received] = []
        self.connections = 0
        self._script = list(script)
        self._tls = tls
        self._stopping = threading.Event()
        self._change = threading.Condition()
        self._open: dict[int, socket.socket] = {}
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        with self._change:
            for sock in self._open.values():
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE_S)
        self._listener.close()

    def url(self, path: str = "/", *, host: str = "127.0.0.1") -> str:
        """Return the address of `path` on this server."""
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}{path}"

    def play(self, *script: Act) -> None:
        """Go on with another script."""
        with self._change:
            self._script = list(script)

    def wait_all_closed(self) -> None:
        """Wait until this end of every connection so far is closed."""
        with self._change:
            assert self._change.wait_for(lambda: not self._open, PATIENCE_S), "a connection is still open"

    def wait_received(self, count: int) -> None:
        """Wait until `count` requests have come in."""
        with self._change:
            assert self._change.wait_for(lambda: len(self.received) >= count, PATIENCE_S), f"not {count} requests yet"

    def _start(self, run: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=run, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return  # stopped
            with self._change:
                if self._stopping.is_set():
                    sock.close()
                    return
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                number = self.connections
                self.connections += 1
                self._open[number] = sock
                self._start(self._serve, sock, number)

    def _serve(self, sock: socket.socket, number: int) -> None:
        try:
            # The client may be gone at any moment; that is what the tests are about.
            with contextlib.suppress(OSError):
                if self._tls:
                    sock = self._tls.wrap_socket(sock, server_side=True)
                    with self._change:
                        self._open[number] = sock
                self._converse(Peer(sock, self._stopping), number)
        finally:
            sock.close()
            with self._change:
                del self._open[number]
                self._change.notify_all()

    def _converse(self, peer: Peer, number: int) -> None:
        while not peer.closed and (request := peer.receive(number)):
            with self._change:
                self.received.append(request)
                act = self._script.pop(0) if len(self._script) > 1 else self._script[0]
                self._change.notify_all()
            act(peer, request)
