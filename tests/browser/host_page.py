"""A casino's page as an integrator writes it, on an origin of its own: the SDK, the game in a frame, an ear for messages."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlencode

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Casino</title><link rel="icon" href="data:,"></head>
<body><main><h1>Casino</h1><div id="games"></div></main>
<script type="module">
  const wanted = JSON.parse(new URLSearchParams(location.search).get("wanted"));
  const { LBS } = await import(wanted.sdk);
  window.heard = [];
  window.games = LBS[wanted.method]("#games", wanted.options);
  const types = ["ready", "walletBalanceChanged", "authRequired", "sessionAuthenticated", "insufficientBalance",
    "navigationChanged", "boxCardClicked", "boxCardPurchase", "resize"];
  for (const type of types) games.on(type, (payload) => window.heard.push([type, payload]));
</script></body></html>
"""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = _PAGE.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing on the tests' output."""


class HostPage:
    """Where a casino's pages are."""

    def __init__(self, port: int) -> None:
        self.origin = f"http://127.0.0.1:{port}"

    def address(self, platform: str, *, method: str = "mount", **options: Any) -> str:
        """Return the page that calls the SDK's `method` with these options."""
        wanted = {"sdk": f"{platform}/sdk/games-core.js", "method": method, "options": options}
        return f"{self.origin}/?{urlencode({'wanted': json.dumps(wanted)})}"


@contextmanager
def serving() -> Iterator[HostPage]:
    """Serve the page on a free port until the end of the block."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield HostPage(server.server_port)
        finally:
            server.shutdown()
            thread.join()
