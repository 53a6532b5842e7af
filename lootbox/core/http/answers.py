"""Reading one HTTP/1 answer from a server that is not trusted: bounded, under a deadline, and in one way only.

Not `http.client`'s reader: that one starts its timeout anew with every byte, believes the first of two Content-Lengths, takes a
103 for the answer, and makes a wallet call cost twice the CPU, on the path of every purchase.
"""

import re
from collections.abc import Callable
from typing import Final

HEAD_LIMIT: Final = 16 * 1024
CHUNK_LINE_LIMIT: Final = 256
INTERIM_LIMIT: Final = 8
EXCERPT_BYTES: Final = 2048

_STATUS_LINE = re.compile(r"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [^\x00-\x08\x0a-\x1f\x7f]*)?")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")
_LENGTH = re.compile(r"[0-9]{1,15}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?")


class MalformedAnswer(Exception):
    """The answer is too large, incomplete, or open to more than one reading; the message is a sentence."""


class AnswerReader:
    """One answer, read by `read` through `receive`, which returns some bytes, or none when the server has hung up."""

    def __init__(self, receive: Callable[[], bytes], *, max_bytes: int) -> None:
        """Read an answer whose body has `max_bytes` at most."""
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.reusable = False
        self._receive = receive
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._body = bytearray()

    def read(self) -> bytes:
        """Return the body; status, headers and whether the connection is fit for another call are in the attributes.

        Raises `MalformedAnswer`, and what `receive` raises.
        """
        for _ in range(INTERIM_LIMIT):
            version, status, self.headers = self._read_head()
            if status >= 200:
                break
        else:
            raise MalformedAnswer("The server sent interim answers only.")
        self.status = status
        if self.headers.get("content-encoding", "identity").lower() != "identity":
            raise MalformedAnswer("The answer is compressed, which was not asked for.")
        framed = self._read_body(version)
        closing = "close" in self.headers.get("connection", "").lower()
        # Bytes past the end answer nothing that was asked; kept, they would be taken for the answer to the next call.
        self.reusable = framed and version == "1" and not closing and not self._buffer
        return bytes(self._body)

    def excerpt(self) -> bytes:
        """Return the start of the body, as far as it was read."""
        return bytes((self._body + self._buffer)[:EXCERPT_BYTES]) if self.status else b""

    def _read_head(self) -> tuple[str, int, dict[str, str]]:
        head = self._read_through(b"\r\n\r\n", HEAD_LIMIT, "The answer's headers are too large.").decode("latin-1")
        status_line, *lines = head.split("\r\n")
        start = _STATUS_LINE.fullmatch(status_line)
        if not start:
            raise MalformedAnswer("The answer does not start with an HTTP/1 status line.")
        headers: dict[str, str] = {}
        for line in lines:
            header = _HEADER.fullmatch(line)
            if not header:
                raise MalformedAnswer("The answer has a malformed header.")
            name, value = header[1].lower(), header[2].rstrip(" \t")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return start[1], int(start[2]), headers

    def _read_body(self, version: str) -> bool:
        """Read the body; return whether its end was marked by anything but the end of the connection."""
        length, coding = self.headers.get("content-length"), self.headers.get("transfer-encoding")
        if self.status in {204, 304}:
            return True
        if coding is not None:
            if coding.lower() != "chunked" or length is not None or version == "0":
                raise MalformedAnswer("The answer's headers contradict each other about its length.")
            self._read_chunks()
            return True
        if length is not None:
            if not _LENGTH.fullmatch(length):
                raise MalformedAnswer("The answer's Content-Length is not one number.")
            self._read_exactly(int(length))
            return True
        while self._fill():
            self._refuse_above_limit(len(self._buffer))
        self._read_exactly(len(self._buffer))
        return False

    def _read_chunks(self) -> None:
        malformed = "The answer has a malformed chunk."
        while True:
            chunk = _CHUNK.fullmatch(self._read_through(b"\r\n", CHUNK_LINE_LIMIT, malformed))
            if not chunk:
                raise MalformedAnswer(malformed)
            size = int(chunk[1], 16)
            if size == 0:
                break
            self._read_exactly(size)
            self._read_through(b"\r\n", 0, malformed)
        trailers = HEAD_LIMIT
        while line := self._read_through(b"\r\n", trailers, "The answer's trailers are too large."):
            trailers = max(0, trailers - len(line))

    def _read_exactly(self, size: int) -> None:
        """Move the next `size` bytes to the body."""
        self._refuse_above_limit(len(self._body) + size)
        while len(self._buffer) < size:
            self._fill_or_fail()
        self._body += self._buffer[:size]
        del self._buffer[:size]

    def _read_through(self, end: bytes, limit: int, problem: str) -> bytes:
        """Take what stands before `end`, `limit` bytes at most, and `end` itself; return the former."""
        while (position := self._buffer.find(end, 0, limit + len(end))) < 0:
            if len(self._buffer) >= limit + len(end):
                raise MalformedAnswer(problem)
            self._fill_or_fail()
        taken = bytes(self._buffer[:position])
        del self._buffer[: position + len(end)]
        return taken

    def _refuse_above_limit(self, size: int) -> None:
        if size > self._max_bytes:
            raise MalformedAnswer(f"The answer is larger than {self._max_bytes} bytes.")

    def _fill_or_fail(self) -> None:
        if not self._fill():
            raise MalformedAnswer("The connection was closed before the answer was complete.")

    def _fill(self) -> bool:
        received = self._receive()
        self._buffer += received
        return bool(received)
