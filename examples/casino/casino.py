"""The reference operator: a small casino that sells mystery boxes of the platform. Start here.

    python casino.py --port 9000 --platform http://127.0.0.1:8000 --operator demo --data casino-data

Key id, secret and outbound secret come from CASINO_KEY_ID, CASINO_SECRET and CASINO_OUTBOUND_SECRET, or from options.
"""

import argparse
import contextlib
import csv
import io
import json
import os
import re
import signal
import socket
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

import cashier
import database
import journal
import shop
import signing
from pages import Pages, money
from platform_api import Platform, PlatformError

PLAYERS = ["u_anna", "u_ben", "u_chloe"]
LARGEST_BODY = 256 * 1024
STATIC = {
    "/static/casino.css": "text/css; charset=utf-8",
    "/static/game.js": "text/javascript; charset=utf-8",
    "/static/icon.svg": "image/svg+xml",
}


@dataclass(frozen=True)
class Settings:
    operator: str
    platform: Platform
    outbound_secret: str
    database: Path


class BadRequest(Exception):
    """A browser sent something that our pages never send; the message says what."""


class Casino(ThreadingHTTPServer):
    """Serves every connection in a thread of its own; leaving it finishes what is being answered."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, port: int, settings: Settings) -> None:
        self.settings = settings
        self.connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        for connection in list(self.connections):
            # One that waits for a request sees its end; one that is being answered still gets its answer.
            with contextlib.suppress(OSError):  # the other side was faster
                connection.shutdown(socket.SHUT_RD)
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A fault shows here, and to the caller as a lost connection. The platform takes that for what it is, an
        # unknown fate, and asks again with the same key. A caller who went away is no fault.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    server: Casino
    protocol_version = "HTTP/1.1"  # keeps connections open
    server_version, sys_version = "casino", ""
    timeout = 300
    wbufsize = -1  # an answer leaves in one piece
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.db = database.connect(self.server.settings.database)

    def finish(self) -> None:
        try:
            super().finish()
        finally:
            self.db.close()

    def do_GET(self) -> None:
        self.dispatch()

    def do_POST(self) -> None:
        self.dispatch()

    def dispatch(self) -> None:
        self.now = int(time.time())
        self.at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        path, _, query = self.path.partition("?")
        self.query = {name: values[-1] for name, values in parse_qs(query).items()}
        body = self.read_body()
        if body is None:
            return
        try:
            match (self.command, path):
                case ("POST", "/wallet"):
                    self.wallet(body)
                case ("POST", "/webhooks"):
                    self.webhooks(body)
                case ("GET", "/health"):
                    self.send_json(200, {"status": "ok"})
                case ("GET", "/ledger.json"):
                    self.ledger()
                case ("GET", "/statement.csv"):
                    self.statement()
                case _:
                    self.answer_people(path, body)
        except BadRequest as error:
            self.send_json(400, {"error": str(error)})

    def answer_people(self, path: str, body: bytes) -> None:
        match (self.command, path):
            case ("GET", "/"):
                self.lobby()
            case ("GET", "/calls"):
                self.calls()
            case ("POST", "/buy"):
                self.buy(body)
            case ("GET", "/game"):
                self.game()
            case ("POST", "/launches"):
                self.launch(body)
            case ("GET", _) if path in STATIC:
                self.send(200, STATIC[path], Path(__file__).parent.joinpath(path[1:]).read_bytes())
            case ("GET", _) if box := re.fullmatch(r"/boxes/([0-9]{1,18})", path):
                self.box(int(box[1]))
            case _:
                self.send_page(404, self.pages(self.player()).problem("Nothing here", "Go back to the boxes."))

    # The platform calls these two.

    def wallet(self, body: bytes) -> None:
        secret = self.server.settings.outbound_secret
        if not signing.is_signed(secret, self.headers, method="POST", path="/wallet", body=body, now=self.now):
            # No refusal: the platform would take that for the call's last word, also of one that was acted on before.
            self.send_json(401, {"error": "The signature does not hold."})
            return
        try:
            call = cashier.read(body)
        except cashier.InvalidCall as error:
            self.send_json(400, {"accepted": False, "errorCode": "INVALID_REQUEST", "message": str(error)})
            return
        with database.transaction(self.db):
            answer = cashier.answer(self.db, call, at=self.at)
            journal.record(
                self.db,
                "wallet",
                kind=call.type,
                player=call.player,
                reference=call.key,
                body=body,
                answer=answer,
                at=self.at,
            )
        # Only now: what we answer is on the disk.
        self.send_json(200, answer)

    def webhooks(self, body: bytes) -> None:
        secret = self.server.settings.outbound_secret
        if not (
            signing.is_signed(secret, self.headers, method="POST", path="/webhooks", body=body, now=self.now)
            and signing.is_signed_webhook(secret, self.headers, body=body, now=self.now)
        ):
            self.send_json(401, {"error": "The signature does not hold."})
            return
        event = json.loads(body)
        with database.transaction(self.db):
            is_new = journal.accept_event(self.db, event_id=event["id"], kind=event["type"], body=body, at=self.at)
            answer = {"received": True, "new": is_new}
            journal.record(
                self.db,
                "webhook",
                kind=event["type"],
                player=event.get("playerExternalId") or "",
                reference=event["id"],
                body=body,
                answer=answer,
                at=self.at,
            )
        self.send_json(200, answer)

    # People call these, and the ledger is for programs that compare it with the platform's.

    def ledger(self) -> None:
        with database.transaction(self.db):  # so that movements and balances are of one moment
            statement = cashier.statement(self.db)
        self.send_json(200, statement)

    def statement(self) -> None:
        text = io.StringIO()
        csv.writer(text).writerows(cashier.bookings(self.db))
        self.send(
            200,
            "text/csv; charset=utf-8",
            text.getvalue().encode(),
            {"Content-Disposition": 'attachment; filename="statement.csv"'},
        )

    def lobby(self) -> None:
        player = self.player()
        purchase = shop.find(self.db, self.query.get("action", ""))
        boxes: list[dict[str, Any]] = []
        problem = None
        try:
            boxes = self.server.settings.platform.boxes(now=self.now)
        except PlatformError as error:
            problem = str(error)
        pages = self.pages(player, currency=boxes[0]["currency"] if boxes else "EUR")
        own = purchase if purchase and purchase.player == player else None
        self.send_page(502 if problem else 200, pages.lobby(boxes, own, problem))

    def box(self, box_id: int) -> None:
        player = self.player()
        try:
            box = self.server.settings.platform.box(box_id, now=self.now)
        except PlatformError as error:
            self.send_page(502, self.pages(player).problem("The box can't be shown", str(error)))
            return
        self.send_page(200, self.pages(player, currency=box["currency"]).box(box))

    def calls(self) -> None:
        before = self.query.get("before", str(2**63 - 1))
        if not re.fullmatch(r"[0-9]{1,19}", before) or int(before) >= 2**63:
            raise BadRequest("before is the number of a row.")
        arrivals = journal.newest(self.db, before=int(before))
        older = arrivals[-1]["id"] if len(arrivals) == journal.PAGE else None
        self.send_page(200, self.pages(self.player()).calls(arrivals, older))

    def buy(self, body: bytes) -> None:
        if not self.is_same_origin():
            self.send_json(403, {"error": "Only our own pages can buy: send Sec-Fetch-Site or Origin as a browser does."})
            return
        form = {name: values[-1] for name, values in parse_qs(body.decode("latin-1")).items()}
        client_action_id, box_version_id = form.get("clientActionId", ""), form.get("boxVersionId", "")
        if not 1 <= len(client_action_id) <= 80 or not re.fullmatch(r"[0-9]{1,15}", box_version_id):
            raise BadRequest("The form wants clientActionId, 1 to 80 characters, and boxVersionId, a number.")
        player = self.player(form)
        try:
            shop.buy(
                self.db,
                self.server.settings.platform,
                client_action_id=client_action_id,
                player=player,
                box_version_id=int(box_version_id),
                now=self.now,
                at=self.at,
            )
        except shop.OtherPurchase:
            raise BadRequest("This clientActionId stands for another purchase.") from None
        # Away from the POST, so that a reload shows the prize again and buys nothing.
        self.send_response(303)
        self.send_header("Location", "/?" + urlencode({"player": player, "action": client_action_id}))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def game(self) -> None:
        player = self.player()
        try:
            boxes = self.server.settings.platform.boxes(now=self.now)
        except PlatformError as error:
            self.send_page(502, self.pages(player).problem("The game can't be opened", str(error)))
            return
        pages = self.pages(player, currency=boxes[0]["currency"] if boxes else "EUR")
        wanted = {name: self.query.get(name, "") for name in ("box", "free", "guest", "buy")}
        self.send_page(200, pages.game(boxes, wanted=wanted), embeds=True)

    def launch(self, body: bytes) -> None:
        if not self.is_same_origin():
            self.send_json(403, {"error": "Only our own pages can open the game."})
            return
        form = {name: values[-1] for name, values in parse_qs(body.decode("latin-1")).items()}
        wanted: dict[str, object] = {"playerExternalId": self.player(form), "target": {}}
        if box := form.get("box"):
            if not re.fullmatch(r"[0-9]{1,15}", box):
                raise BadRequest("box is a number.")
            wanted["target"] = {"boxId": int(box), "autoOpen": form.get("buy") == "1"}
            if form.get("free") == "1":
                # Your casino decides here who gets a free box, and counts it; this one gives everybody one.
                wanted |= {"funding": "operator", "fundingRounds": 1}
        wanted["returnUrl"] = f"http://{self.headers.get('Host', '')}/?{urlencode({'player': self.player(form)})}"
        try:
            self.send_json(201, {"launchUrl": self.server.settings.platform.launch(wanted, now=self.now)})
        except PlatformError as error:
            self.send_json(502, {"error": str(error)})

    def is_same_origin(self) -> bool:
        """Return whether one of our own pages sent this. Browsers say so themselves, and no page can make them lie."""
        site, origin = self.headers.get("Sec-Fetch-Site"), self.headers.get("Origin")
        if site is not None:
            return site == "same-origin"
        host = self.headers.get("Host", "")
        return origin in {f"http://{host}", f"https://{host}"}

    def player(self, fields: dict[str, str] | None = None) -> str:
        """Return who plays. This casino has no log-in: yours takes the player from its session instead."""
        player = (self.query if fields is None else fields).get("player", PLAYERS[0])
        if not 1 <= len(player) <= 190:
            raise BadRequest("player is 1 to 190 characters.")
        return player

    def pages(self, player: str, *, currency: str = "EUR") -> Pages:
        settings = self.server.settings
        return Pages(
            operator=settings.operator,
            player=player,
            players=sorted({*PLAYERS, *cashier.players(self.db)}),
            balance=money(cashier.balance(self.db, player, currency), currency),
            platform_url=settings.platform.url,
        )

    # How requests come in and answers go out.

    def read_body(self) -> bytes | None:
        """Return the body, or None after refusing it."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not re.fullmatch(r"[0-9]{1,9}", length):
            self.send_error(411)
            return None
        if int(length) > LARGEST_BODY:
            self.send_error(413)
            return None
        return self.rfile.read(int(length))

    def send_json(self, status: int, answer: object) -> None:
        self.send(status, "application/json", json.dumps(answer).encode())

    def send_page(self, status: int, page: str, *, embeds: bool = False) -> None:
        platform = self.server.settings.platform.url
        policy = (
            f"default-src 'none'; style-src 'self'; img-src 'self' {platform};"
            " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        if embeds:  # the platform's SDK, its game in a frame, and our own call for a launch
            policy += f"; script-src 'self' {platform}; frame-src {platform}; connect-src 'self'"
        self.send(
            status,
            "text/html; charset=utf-8",
            page.encode(),
            {"Content-Security-Policy": policy, "Referrer-Policy": "same-origin"},
        )

    def send(self, status: int, content_type: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def read_arguments(arguments: list[str] | None = None) -> tuple[int, Settings]:
    """Return the port and the settings from the command line and the environment."""
    parser = argparse.ArgumentParser(description="A small casino that sells the platform's mystery boxes.")
    parser.add_argument("--port", type=int, default=9000, help="where to listen on 127.0.0.1; 0 picks a free one")
    parser.add_argument("--platform", default="http://127.0.0.1:8000", help="base address of the platform")
    parser.add_argument("--operator", default="demo", help="our name at the platform")
    parser.add_argument("--data", type=Path, default=Path("casino-data"), help="folder of the casino's database")
    for option, variable in (
        ("--key-id", "CASINO_KEY_ID"),
        ("--secret", "CASINO_SECRET"),
        ("--outbound-secret", "CASINO_OUTBOUND_SECRET"),
    ):
        value = os.environ.get(variable)
        # The environment is the better place: other people on the machine can read a command line.
        parser.add_argument(option, default=value, required=not value, help=f"default: the variable {variable}")
    given = parser.parse_args(arguments)
    try:
        signing.webhook_key(given.outbound_secret)
    except ValueError as error:
        parser.error(str(error))
    return given.port, Settings(
        operator=given.operator,
        platform=Platform(given.platform.rstrip("/"), given.key_id, given.secret),
        outbound_secret=given.outbound_secret,
        database=given.data / "casino.sqlite3",
    )


def main() -> None:
    port, settings = read_arguments()
    database.create(settings.database)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        server = Casino(port, settings)
    except OSError as error:
        sys.exit(f"Port {port} can't be used: {error.strerror}. Choose another one with --port.")
    with server:
        print(f"The casino is open at http://127.0.0.1:{server.server_port}/", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
