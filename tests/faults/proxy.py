"""What stands between a web server and PostgreSQL: it passes everything on, until it is told to keep an answer to itself."""

import contextlib
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Self


class Proxy:
    """Listens on loopback for PostgreSQL's protocol, from its making until the end of the `with`."""

    def __init__(self, upstream: Path) -> None:
        """Pass on to the socket `upstream`."""
        self._upstream = str(upstream)
        self._marker: bytes | None = None
        self._cut = threading.Event()
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        """Begin."""
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Hang up everything."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._sockets:
            _hang_up(sock)

    def cut_after(self, marker: bytes) -> None:
        """Hang up on both sides when the next statement that holds these bytes has been answered, and keep the answer."""
        with self._lock:
            self._marker = marker
            self._cut.clear()

    def wait_cut(self) -> None:
        """Wait until that has happened."""
        assert self._cut.wait(30), "no such statement came by"

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # ended
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self._upstream)
            except OSError:
                client.close()
                continue
            self._sockets += [client, server]
            doomed = threading.Event()
            threading.Thread(target=self._forward, args=(client, server, doomed), daemon=True).start()
            threading.Thread(target=self._answer, args=(server, client, doomed), daemon=True).start()

    def _forward(self, client: socket.socket, server: socket.socket, doomed: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                with self._lock:
                    if self._marker is not None and self._marker in data:
                        self._marker = None
                        doomed.set()
                server.sendall(data)
        _hang_up(server)

    def _answer(self, server: socket.socket, client: socket.socket, doomed: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if doomed.is_set():
                    self._cut.set()
                    break
                client.sendall(data)
        _hang_up(client)
        _hang_up(server)


def _hang_up(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()
