"""A wallet that accepts everything, at once or after as many milliseconds as the last part of the address says.

    python -m bench.wallet_stub 9        # serves the listening socket that it was handed as descriptor 9

`POST /wallet/20` is answered after 20 ms. It keeps no ledger and checks no signature, so that it is never what a measurement
waits for.
"""

import asyncio
import socket
import sys

BODY = b'{"accepted":true,"balanceAfterMinor":999500,"providerTxnRef":"w-1"}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
HEAD_END = b"\r\n\r\n"


class Wallet(asyncio.Protocol):
    """One connection, one request at a time."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what to answer on."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        """Answer once a request is complete."""
        self._received += data
        head, found, body = self._received.partition(HEAD_END)
        if not found or len(body) < _content_length(head):
            return
        self._received = b""
        delay_ms = int(head.partition(b" HTTP/")[0].rpartition(b"/")[2])
        if delay_ms:
            asyncio.get_running_loop().call_later(delay_ms / 1000, self._transport.write, ANSWER)
        else:
            self._transport.write(ANSWER)


def _content_length(head: bytes) -> int:
    return int(head.lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0])


async def serve(listener: socket.socket) -> None:
    """Answer until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Wallet, sock=listener)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(socket.socket(fileno=int(sys.argv[1]))))
