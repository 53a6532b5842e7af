"""The one way out of this platform: wallet calls, webhook deliveries, exchange rates.

An operator chose the address, so neither the address nor what answers there is trusted: one attempt under one deadline, to a
checked address, with no redirect, no proxy and no compression, and an answer that is bounded (contract sections 10 and 11).

Answers are read here and not by `http.client`: that one starts its timeout anew with every byte, believes the first of two
Content-Lengths, takes a 103 for the answer, and costs twice the CPU, on the path of every purchase.
"""

import os
import re
import select
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cache, lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final, NamedTuple
from urllib.parse import urlsplit

CONNECT_LIMIT_S: Final = 3.0
# Servers close idle connections after 2 s (gunicorn), 5 s (Node) or more. A request that crosses such a close on the wire has
# an unknown fate, and a player has to try again; a new connection costs only milliseconds.
IDLE_LIMIT_S: Final = 1.5
IDLE_PER_THREAD: Final = 8
HEAD_LIMIT: Final = 16 * 1024
INTERIM_LIMIT: Final = 8
EXCERPT_BYTES: Final = 2048

_URL = re.compile(r"[!-~]{1,2048}")
# The last label starts with a letter, so that no way of writing an IP address is taken for a name.
_NAME = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
_STATUS_LINE = re.compile(r"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [^\x00-\x08\x0a-\x1f\x7f]*)?")
_LENGTH = re.compile(r"[0-9]{1,15}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?")

# What development may reach and production may not.
_LOCAL: Final = tuple(
    map(ip_network, ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7"))
)
# What is never an operator's server. `ipaddress.is_global` says yes to several of these, differently by Python version.
_NEVER: Final = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",  # this network, unspecified
            "100.64.0.0/10",  # carrier-grade NAT
            "168.63.129.16/32",  # Azure's platform, inside every virtual machine there
            "169.254.0.0/16",  # link-local, where clouds keep credentials
            "192.0.0.0/24",  # protocol assignments
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # 6to4 relays
            "198.18.0.0/15",  # benchmarking
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, broadcast
            # All of IPv6 but 2000::/3: unspecified, NAT64 (64:ff9b::/96, 64:ff9b:1::/48), 5f00::/16, link-local, multicast, …
            "::/3",
            "4000::/2",
            "8000::/1",
            "2001::/23",  # protocol assignments, Teredo, benchmarking
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4
            "3fff::/20",  # documentation
        ),
    )
)


class NotSent(Exception):
    """Not a byte of the request was written: nothing can have happened at the other end. `reason` is a sentence."""

    def __init__(self, reason: str) -> None:
        """Say in `reason` what was in the way."""
        super().__init__(reason)
        self.reason = reason


class UnacceptableURL(NotSent):
    """The URL is not one that this platform calls; the reason tells an operator how to put it right."""


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


def check_url(url: str, *, allow_private: bool) -> None:
    """Raise `UnacceptableURL` unless `url` may be saved as an operator's address.

    https on port 443, a host name with a dot, no user name, no fragment, 2,048 ASCII characters at most; with
    `allow_private` also http, any port, and hosts of the own machine or network. No name is resolved: what it resolves to is
    checked at each new connection, because it can change after this.
    """
    _target(url, allow_private)


def request_path(url: str) -> str:
    """Return the path as it will stand in the request line, without query: what a signature covers. Raises `UnacceptableURL`."""
    return _target(url, True).path


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
    target = _target(url, allow_private)
    request = _compose(method, target, headers, body)
    connection = _take(target.origin, started) or _connect(target, deadline)
    reader = _Reader(connection, deadline=deadline, max_bytes=max_bytes)
    try:
        connection.send(request, deadline)
        answer = reader.read()
    except (_Malformed, OSError) as error:
        connection.close()
        raise NoAnswer(_reason(error), status=reader.status, excerpt=reader.excerpt()) from error
    ended = time.monotonic()
    if reader.reusable:
        _keep(target.origin, connection, ended)
    else:
        connection.close()
    return Answer(reader.status or 0, answer, reader.headers, round((ended - started) * 1000))


def _reason(error: Exception) -> str:
    match error:
        case TimeoutError():
            return "There was no complete answer within the time limit."
        case OSError():
            return f"The connection broke before the answer was complete ({error})."
        case _:
            return str(error)


def _remaining(deadline: float) -> float:
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("timed out")
    return seconds


# --- The request ---


class _Origin(NamedTuple):
    """What a kept connection is good for."""

    scheme: str
    host: str
    port: int
    allow_private: bool


class _Target(NamedTuple):
    """A URL, taken apart once."""

    origin: _Origin
    authority: str
    path: str
    query: str


@lru_cache(maxsize=4096)
def _target(url: str, allow_private: bool) -> _Target:  # noqa: FBT001 - positional for the cache
    if not _URL.fullmatch(url):
        raise UnacceptableURL("The URL must be 1 to 2048 ASCII characters without spaces; percent-encode what is not ASCII.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UnacceptableURL("The URL is not well-formed. Write it like https://wallet.example.com/path.") from error
    if parts.scheme != "https" and not (allow_private and parts.scheme == "http"):
        raise UnacceptableURL("The URL must start with https://.")
    if "@" in parts.netloc:
        raise UnacceptableURL("The URL must not hold a user name or password.")
    if "#" in url:
        raise UnacceptableURL("The URL must not hold a fragment; leave out # and what follows it.")
    usual_port = 443 if parts.scheme == "https" else 80
    host = parts.hostname or ""
    authority = f"[{host}]" if ":" in host else host
    if port not in {None, usual_port}:
        authority = f"{authority}:{port}"
    if parts.netloc.lower() not in {authority, f"{authority}:{usual_port}"} or port == 0 or "\\" in url:
        raise UnacceptableURL("The URL is not well-formed. Write it like https://wallet.example.com/path.")
    if not allow_private and port not in {None, 443}:
        raise UnacceptableURL("The URL must use port 443; leave the port out.")
    if not allow_private and (_literal(host) or "." not in host):
        raise UnacceptableURL("The URL must name a public host, such as wallet.example.com, and not an IP address.")
    if not _literal(host) and not _NAME.fullmatch(host):
        raise UnacceptableURL("The URL's host is not a host name. Write names in other scripts in their xn-- form.")
    origin = _Origin(parts.scheme, host, port or usual_port, allow_private)
    return _Target(origin, authority, parts.path or "/", f"?{parts.query}" if parts.query else "")


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _compose(method: str, target: _Target, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [
        f"{method} {target.path}{target.query} HTTP/1.1",
        f"Host: {target.authority}",
        "User-Agent: LootBox",
        "Accept-Encoding: identity",
    ]
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise NotSent(f"The header {name!r} can't be sent, as it holds a control character.")
        lines.append(f"{name}: {value}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogatepass") + body


# --- Connections ---


class _Connection:
    """One connection to a checked address, in use by one thread for one call at a time."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self.idle_since = 0.0

    def send(self, request: bytes, deadline: float) -> None:
        """Write all of `request` by `deadline`. Raises `OSError`."""
        left = memoryview(request)
        while left:
            self._sock.settimeout(_remaining(deadline))
            left = left[self._sock.send(left) :]

    def receive(self, deadline: float) -> bytes:
        """Return some bytes, none at the end of the stream. Raises `OSError`."""
        self._sock.settimeout(_remaining(deadline))
        return self._sock.recv(16 * 1024)

    def is_quiet(self) -> bool:
        """Return whether nothing came since the last answer: neither the server's goodbye nor an answer nobody asked for."""
        return not self._poll.poll(0) and not (isinstance(self._sock, ssl.SSLSocket) and self._sock.pending())

    def close(self) -> None:
        """Give the socket back."""
        self._sock.close()

    # A thread that ends drops what it kept.
    __del__ = close


class _Kept(threading.local):
    """What this thread keeps for its next calls, the longest idle first. Threads share no connection, so none waits."""

    def __init__(self) -> None:
        self.idle: dict[_Origin, _Connection] = {}


_kept: Final = _Kept()
# A child that went on writing to its parent's connections would mix up their answers.
os.register_at_fork(after_in_child=close_connections)


def _take(origin: _Origin, now: float) -> _Connection | None:
    idle = _kept.idle
    while idle and (oldest := next(iter(idle.items())))[1].idle_since < now - IDLE_LIMIT_S:
        idle.pop(oldest[0]).close()
    connection = idle.pop(origin, None)
    if connection and not connection.is_quiet():
        connection.close()
        return None
    return connection


def _keep(origin: _Origin, connection: _Connection, now: float) -> None:
    connection.idle_since = now
    idle = _kept.idle
    idle[origin] = connection
    if len(idle) > IDLE_PER_THREAD:
        idle.pop(next(iter(idle))).close()


def _connect(target: _Target, deadline: float) -> _Connection:
    origin = target.origin
    try:
        addresses = _resolve(origin, deadline)
        limit = min(deadline, time.monotonic() + CONNECT_LIMIT_S)
        for untried in range(len(addresses), 0, -1):
            # An address that is dead leaves the others their share of the time.
            until = time.monotonic() + _remaining(limit) / untried
            try:
                return _Connection(_open(origin, addresses[-untried], until))
            except OSError:
                if untried == 1:
                    raise
    except OSError as error:
        raise NotSent(f"{target.authority} could not be reached ({error}).") from error
    raise NotSent(f"{target.authority} has no address.")


def _open(origin: _Origin, address: IPv4Address | IPv6Address, until: float) -> socket.socket:
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
    # Loading the certificate authorities takes 16 ms: once a process.
    return ssl.create_default_context()


# --- Addresses ---

_lookups: dict[str, "Future[list[str]]"] = {}
_lookups_lock: Final = threading.Lock()


def _resolve(origin: _Origin, deadline: float) -> list[IPv4Address | IPv6Address]:
    literal = _literal(origin.host)
    found = [literal] if literal else [ip_address(text) for text in _lookup(origin.host).result(_remaining(deadline))]
    addresses = [getattr(address, "ipv4_mapped", None) or address for address in found]
    if not all(_is_allowed(address, allow_private=origin.allow_private) for address in addresses):
        raise NotSent(f"{origin.host} is at an address that is not public, so it is not called.")
    return addresses


def _is_allowed(address: IPv4Address | IPv6Address, *, allow_private: bool) -> bool:
    if any(address in network for network in _LOCAL):
        return allow_private
    return not any(address in network for network in _NEVER)


def _lookup(host: str) -> "Future[list[str]]":
    # The system's resolver knows no deadline, so it works in a thread that the caller may leave behind. One lookup a name at a
    # time: a name whose servers are slow holds one thread, however many calls wait for it.
    with _lookups_lock:
        lookup = _lookups.get(host)
        if lookup is None:
            lookup = Future()
            threading.Thread(target=_look_up, args=(host, lookup), name=f"lookup {host}", daemon=True).start()
            _lookups[host] = lookup
    return lookup


def _look_up(host: str, lookup: "Future[list[str]]") -> None:
    try:
        infos = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        lookup.set_result(list(dict.fromkeys(str(info[4][0]) for info in infos)))
    except OSError as error:
        lookup.set_exception(error)
    finally:
        with _lookups_lock:
            del _lookups[host]


# --- The answer ---


class _Malformed(Exception):
    """The answer is not one that can be read in exactly one way; the message is a sentence."""


class _Reader:
    """Reads one answer, strictly: what HTTP leaves open to two readings is no answer."""

    def __init__(self, connection: _Connection, *, deadline: float, max_bytes: int) -> None:
        self._connection = connection
        self._deadline = deadline
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._body = bytearray()
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.reusable = False

    def read(self) -> bytes:
        """Return the body, and leave status, headers and whether the connection can be used again in the attributes."""
        version = self._read_head()
        for _ in range(INTERIM_LIMIT):
            if self.status is None or self.status >= 200 or self.status == 101:
                break
            version = self._read_head()
        if self.status is None or self.status < 200:
            raise _Malformed("The answer is an interim one and never became final.")
        if self.headers.get("content-encoding", "identity").lower() != "identity":
            raise _Malformed("The answer is compressed, which was not asked for.")
        framed = self._read_body(version)
        closing = "close" in self.headers.get("connection", "").lower()
        # Bytes past the end belong to no request of ours; on this connection they would answer the next one.
        self.reusable = framed and version == "1" and not closing and not self._buffer
        return bytes(self._body)

    def excerpt(self) -> bytes:
        """Return the start of what came after the head."""
        return bytes((self._body + self._buffer)[:EXCERPT_BYTES]) if self.status else b""

    def _read_head(self) -> str:
        head = self._through(b"\r\n\r\n", HEAD_LIMIT, "The answer's headers are too large.").decode("latin-1")
        status_line, *lines = head.split("\r\n")
        matched = _STATUS_LINE.fullmatch(status_line)
        if not matched:
            raise _Malformed("The answer does not start with an HTTP/1 status line.")
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon or not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
                raise _Malformed("The answer has a malformed header.")
            name, value = name.lower(), value.strip(" \t")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        self.status, self.headers = int(matched[2]), headers
        return matched[1]

    def _read_body(self, version: str) -> bool:
        """Read the body; return whether its end was marked by anything but the end of the connection."""
        length, coding = self.headers.get("content-length"), self.headers.get("transfer-encoding")
        if self.status in {204, 304}:
            return True
        if coding is not None:
            if coding.lower() != "chunked" or length is not None or version == "0":
                raise _Malformed("The answer's length can't be told from its headers.")
            self._read_chunks()
            return True
        if length is not None:
            if not _LENGTH.fullmatch(length):
                raise _Malformed("The answer's Content-Length is not a number.")
            self._read_exactly(int(length))
            return True
        while self._fill():
            self._limit(len(self._buffer))
        self._read_exactly(len(self._buffer))
        return False

    def _read_chunks(self) -> None:
        while True:
            matched = _CHUNK.fullmatch(self._through(b"\r\n", 256, "The answer has a malformed chunk."))
            if not matched:
                raise _Malformed("The answer has a malformed chunk.")
            size = int(matched[1], 16)
            if size == 0:
                break
            self._read_exactly(size)
            if self._through(b"\r\n", 2, "The answer has a malformed chunk."):
                raise _Malformed("The answer has a malformed chunk.")
        trailers = HEAD_LIMIT
        while line := self._through(b"\r\n", trailers, "The answer's trailers are too large."):
            trailers -= len(line)

    def _read_exactly(self, size: int) -> None:
        """Move the next `size` bytes to the body."""
        self._limit(len(self._body) + size)
        while len(self._buffer) < size:
            if not self._fill():
                raise _Malformed("The connection was closed before the answer was complete.")
        self._body += self._buffer[:size]
        del self._buffer[:size]

    def _limit(self, size: int) -> None:
        if size > self._max_bytes:
            raise _Malformed(f"The answer is larger than {self._max_bytes} bytes.")

    def _through(self, end: bytes, limit: int, problem: str) -> bytes:
        """Take the bytes up to `end`, and `end` itself; return those before it."""
        while (position := self._buffer.find(end)) < 0 and len(self._buffer) <= limit:
            if not self._fill():
                raise _Malformed("The connection was closed before the answer was complete.")
        if not 0 <= position <= limit:
            raise _Malformed(problem)
        taken = bytes(self._buffer[:position])
        del self._buffer[: position + len(end)]
        return taken

    def _fill(self) -> bool:
        chunk = self._connection.receive(self._deadline)
        self._buffer += chunk
        return bool(chunk)
