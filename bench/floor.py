"""The floor: a purchase's durable work and nothing else, as well as it can be written by hand.

A bare WSGI program: signature, strict validation, idempotency, intent, wallet call, draw, settlement, events. Two statements,
each a commit, prepared; no connection is held while the wallet is asked. Its tables carry the keys and indexes that the work
needs, and foreign keys. It has no back-office, tenants, currencies, caps, recovery, rate limit, nor guards by trigger: what
the product costs beside it is what those cost, and the framework.
"""

import datetime as dt
import hashlib
import hmac
import itertools
import json
import os
import re
import socket
import threading
import time
import uuid
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg_pool import ConnectionPool

from bench.setting import Setting

SCHEMA: Final = """
CREATE SCHEMA floor;
SET search_path = floor;
CREATE TABLE player (id bigserial PRIMARY KEY, external_id text COLLATE "C" NOT NULL UNIQUE);
CREATE TABLE seed (
    id bigserial PRIMARY KEY, player_id bigint NOT NULL UNIQUE REFERENCES player, server_seed text NOT NULL,
    server_seed_hash text NOT NULL UNIQUE, client_seed text NOT NULL, next_nonce bigint NOT NULL DEFAULT 0);
CREATE TABLE version (id bigint PRIMARY KEY, current boolean NOT NULL);
CREATE TABLE round (
    id uuid PRIMARY KEY, player_id bigint NOT NULL REFERENCES player, state text NOT NULL, currency text NOT NULL,
    bet_minor bigint NOT NULL CHECK (bet_minor > 0), recover_at timestamptz, purchased_at timestamptz NOT NULL,
    settled_at timestamptz, payout_minor bigint, seed_id bigint REFERENCES seed, nonce bigint, UNIQUE (seed_id, nonce));
CREATE INDEX ON round (player_id, purchased_at DESC, id DESC);
CREATE INDEX ON round (recover_at) WHERE recover_at IS NOT NULL;
CREATE TABLE action (
    id uuid PRIMARY KEY, player_id bigint NOT NULL REFERENCES player, client_action_id text COLLATE "C" NOT NULL,
    fingerprint bytea NOT NULL, round_id uuid NOT NULL REFERENCES round DEFERRABLE INITIALLY DEFERRED,
    balance_after_minor bigint, created_at timestamptz NOT NULL, UNIQUE (player_id, client_action_id));
CREATE INDEX ON action (player_id, created_at, id);
CREATE TABLE reel (
    id bigserial PRIMARY KEY, round_id uuid NOT NULL REFERENCES round, reel_index int NOT NULL,
    version_id bigint NOT NULL REFERENCES version, bet_minor bigint NOT NULL, UNIQUE (round_id, reel_index));
CREATE TABLE call (
    id uuid PRIMARY KEY, round_id uuid NOT NULL REFERENCES round, type text NOT NULL, key text COLLATE "C" NOT NULL UNIQUE,
    amount_minor bigint NOT NULL, currency text NOT NULL, body bytea NOT NULL, state text NOT NULL, attempts int NOT NULL,
    provider_txn_ref text NOT NULL DEFAULT '', balance_after_minor bigint, created_at timestamptz NOT NULL,
    next_attempt_at timestamptz, resolved_at timestamptz);
CREATE INDEX ON call (round_id);
CREATE INDEX ON call (next_attempt_at) WHERE state IN ('pending', 'unknown');
CREATE TABLE attempt (
    id bigserial PRIMARY KEY, call_id uuid NOT NULL REFERENCES call, number int NOT NULL, started_at timestamptz NOT NULL,
    latency_ms int NOT NULL, http_status int NOT NULL, excerpt text NOT NULL, UNIQUE (call_id, number));
CREATE TABLE draw (
    id bigserial PRIMARY KEY, round_id uuid NOT NULL REFERENCES round, reel_index int NOT NULL,
    version_id bigint NOT NULL REFERENCES version, seed_id bigint NOT NULL REFERENCES seed, nonce bigint NOT NULL,
    roll bigint NOT NULL, prize_id bigint NOT NULL, value_minor bigint NOT NULL, UNIQUE (round_id, reel_index));
CREATE TABLE item (
    id bigserial PRIMARY KEY, player_id bigint NOT NULL REFERENCES player, item_id bigint NOT NULL,
    round_id uuid NOT NULL REFERENCES round, reel_index int NOT NULL, name text NOT NULL, value_minor bigint NOT NULL,
    currency text NOT NULL, state text NOT NULL, created_at timestamptz NOT NULL);
CREATE INDEX ON item (player_id, state, id);
CREATE TABLE event (
    id uuid PRIMARY KEY, type text NOT NULL, subject text NOT NULL, body bytea NOT NULL, occurred_at timestamptz NOT NULL);
CREATE INDEX ON event (subject);
CREATE TABLE delivery (
    event_id uuid PRIMARY KEY REFERENCES event, state text NOT NULL, attempts int NOT NULL, next_attempt_at timestamptz);
CREATE INDEX ON delivery (next_attempt_at) WHERE state = 'due';
"""

CLAIM: Final = """
WITH action AS (
    INSERT INTO action (id, player_id, client_action_id, fingerprint, round_id, created_at)
    SELECT %(action)s, player.id, %(client_action_id)s, %(fingerprint)s, %(round)s, %(at)s
    FROM player
    WHERE external_id = %(player)s
      AND %(distinct)s = (SELECT count(*) FROM version WHERE id = ANY(%(versions)s) AND current)
    ON CONFLICT (player_id, client_action_id) DO NOTHING
    RETURNING player_id
), round AS (
    INSERT INTO round (id, player_id, state, currency, bet_minor, recover_at, purchased_at)
    SELECT %(round)s, player_id, 'pending', %(currency)s, %(bet)s, %(recover_at)s, %(at)s FROM action
), reel AS (
    INSERT INTO reel (round_id, reel_index, version_id, bet_minor)
    SELECT %(round)s, reel.index, reel.version, reel.bet
    FROM action, unnest(%(indexes)s::int[], %(versions)s::bigint[], %(bets)s::bigint[]) AS reel (index, version, bet)
), call AS (
    INSERT INTO call
        (id, round_id, type, key, amount_minor, currency, body, state, attempts, created_at, next_attempt_at)
    SELECT %(call)s, %(round)s, 'wallet.debit', %(key)s, %(bet)s, %(currency)s, %(body)s, 'pending', 1, %(at)s, %(recover_at)s
    FROM action
)
SELECT seed.id, seed.server_seed, seed.server_seed_hash, seed.client_seed, seed.next_nonce,
    ARRAY(SELECT nextval('item_id_seq') FROM generate_series(1, %(reels)s::int))
FROM action JOIN seed ON seed.player_id = action.player_id
"""

SETTLE: Final = """
WITH changed AS (
    UPDATE round SET state = 'settled', settled_at = %(at)s, recover_at = NULL, payout_minor = %(payout)s,
        seed_id = %(seed)s, nonce = %(nonce)s
    WHERE id = %(round)s AND state = 'pending'
    RETURNING id, player_id
), call AS (
    UPDATE call SET state = 'accepted', provider_txn_ref = %(txn_ref)s, balance_after_minor = %(balance)s, resolved_at = %(at)s,
        next_attempt_at = NULL
    FROM changed WHERE call.id = %(call)s AND call.state = 'pending'
    RETURNING call.id, attempts
), attempt AS (
    INSERT INTO attempt (call_id, number, started_at, latency_ms, http_status, excerpt)
    SELECT id, attempts, %(started_at)s, %(latency_ms)s, 200, %(excerpt)s FROM call
), nonce AS (
    UPDATE seed SET next_nonce = next_nonce + 1 FROM changed WHERE seed.id = %(seed)s AND next_nonce = %(nonce)s
    RETURNING seed.id
), draw AS (
    INSERT INTO draw (round_id, reel_index, version_id, seed_id, nonce, roll, prize_id, value_minor)
    SELECT changed.id, draw.index, draw.version, (SELECT id FROM nonce), %(nonce)s, draw.roll, draw.prize, draw.value
    FROM changed, unnest(%(indexes)s::int[], %(versions)s::bigint[], %(rolls)s::bigint[], %(prizes)s::bigint[],
        %(values)s::bigint[]) AS draw (index, version, roll, prize, value)
), item AS (
    INSERT INTO item (id, player_id, item_id, round_id, reel_index, name, value_minor, currency, state, created_at)
    SELECT item.id, changed.player_id, item.item, changed.id, item.index, item.name, item.value, %(currency)s, 'unresolved',
        %(at)s
    FROM changed, unnest(%(item_ids)s::bigint[], %(items)s::bigint[], %(indexes)s::int[], %(names)s::text[],
        %(values)s::bigint[]) AS item (id, item, index, name, value)
), event AS (
    INSERT INTO event (id, type, subject, body, occurred_at)
    SELECT %(event)s, 'round_settled', %(subject)s, %(event_body)s, %(at)s FROM changed
    RETURNING id
), delivery AS (
    INSERT INTO delivery (event_id, state, attempts, next_attempt_at) SELECT id, 'due', 0, %(at)s FROM event
), balance AS (
    UPDATE action SET balance_after_minor = %(balance)s FROM changed WHERE action.id = %(action)s
)
SELECT id FROM changed
"""

REPLAY: Final = """
SELECT action.fingerprint, event.body, action.balance_after_minor
FROM action JOIN player ON player.id = action.player_id
LEFT JOIN event ON event.subject = 'r_' || replace(action.round_id::text, '-', '') AND event.type = 'round_settled'
WHERE player.external_id = %(player)s AND action.client_action_id = %(client_action_id)s
"""

WINDOW_S: Final = 300
BODY_LIMIT: Final = 65536
RECOVER_AFTER: Final = dt.timedelta(seconds=120)
WALLET_TIMEOUT_S: Final = 10.0
MAX_MINOR: Final = 2**53 - 1
_TIMESTAMP = re.compile(r"0|[1-9][0-9]{0,11}")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_STATUSES: Final = {200: "200 OK", 401: "401 Unauthorized", 404: "404 Not Found", 422: "422 Unprocessable Content"} | {
    400: "400 Bad Request",
    409: "409 Conflict",
    503: "503 Service Unavailable",
}


class Refused(Exception):
    """A refusal: status and code."""

    def __init__(self, status: int, code: str) -> None:
        """Refuse with this status and code."""
        super().__init__(code)
        self.status = status
        self.code = code


@dataclass(frozen=True)
class Order:
    """A purchase that was asked for: the player, the action, and each reel's index and version."""

    player: str
    client_action_id: str
    reels: list[tuple[int, int]]
    fingerprint: bytes


def create(setting: Setting, *, players: Iterable[str]) -> None:
    """Make the floor's tables, with the box and the players."""
    with psycopg.connect(setting.database) as connection:
        connection.execute(SCHEMA.encode())
        connection.execute("INSERT INTO version VALUES (%s, true)", [setting.version_id])
        for player in players:
            connection.execute("INSERT INTO player (external_id) VALUES (%s)", [player])
        connection.execute("""
            INSERT INTO seed (player_id, server_seed, server_seed_hash, client_seed)
            SELECT id, secret, encode(sha256(secret::bytea), 'hex'), left(secret, 16)
            FROM player, LATERAL (SELECT encode(sha256(external_id::bytea), 'hex') AS secret) AS made""")


class Floor:
    """The program: `application` is what gunicorn calls."""

    def __init__(self, setting: Setting) -> None:
        """Serve the setting's operator."""
        self._setting = setting
        self._secret = setting.secret.encode()
        self._outbound_secret = setting.outbound_secret.encode()
        self._cumulative = list(itertools.accumulate(prize.weight for prize in setting.prizes))
        self._wallet = threading.local()
        self._pool: ConnectionPool[psycopg.Connection[tuple[Any, ...]]] = ConnectionPool(
            setting.database,
            min_size=2,
            max_size=16,
            open=True,
            kwargs={"autocommit": True, "prepare_threshold": 0, "options": "-c search_path=floor"},
        )

    def application(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        """Answer one request."""
        try:
            status, answer = 200, self._purchase(environ)
        except Refused as refusal:
            status, answer = refusal.status, {"error": {"code": refusal.code}}
        body = json.dumps(answer, separators=(",", ":")).encode()
        start_response(_STATUSES[status], [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    def _purchase(self, environ: Mapping[str, Any]) -> dict[str, Any]:
        if environ["PATH_INFO"] != "/api/s2s/purchase" or environ["REQUEST_METHOD"] != "POST":
            raise Refused(404, "NOT_FOUND")
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if length > BODY_LIMIT:
            raise Refused(400, "PAYLOAD_TOO_LARGE")
        body = environ["wsgi.input"].read(length)
        self._check_signature(environ, body)
        order = self._read(body)
        at = dt.datetime.now(dt.UTC)
        bet = self._setting.price_minor * len(order.reels)
        round_id, action_id, call_id = _new_id(), _new_id(), _new_id()
        public_id = f"r_{round_id.hex}"
        key = f"round:{public_id}"
        debit = self._debit(order, key, bet, public_id)
        indexes = [index for index, _ in order.reels]
        versions = [version for _, version in order.reels]
        claim = self._rows(
            CLAIM,
            {
                "action": action_id,
                "client_action_id": order.client_action_id,
                "fingerprint": order.fingerprint,
                "round": round_id,
                "at": at,
                "player": order.player,
                "distinct": len(set(versions)),
                "versions": versions,
                "currency": self._setting.currency,
                "bet": bet,
                "recover_at": at + RECOVER_AFTER,
                "indexes": indexes,
                "bets": [self._setting.price_minor] * len(indexes),
                "call": call_id,
                "key": key,
                "body": debit,
                "reels": len(indexes),
            },
        )
        if not claim:
            return self._replay(order)
        seed_id, server_seed, seed_hash, client_seed, nonce, item_ids = claim[0]
        started = time.monotonic()
        accepted, excerpt = self._call_wallet(debit, key, at)
        latency_ms = round((time.monotonic() - started) * 1000)

        settled_at = dt.datetime.now(dt.UTC)
        rolls = [self._roll(server_seed, f"{client_seed}:{nonce}:{index}") for index in indexes]
        won = [self._setting.prizes[bisect_right(self._cumulative, roll)] for roll in rolls]
        payout = sum(prize.value_minor for prize in won)
        shown = {
            "publicId": public_id,
            "status": "settled",
            "mode": "open",
            "funding": "player",
            "betMinor": bet,
            "currency": self._setting.currency,
            "boxVersionId": versions[0],
            "purchasedAt": _moment(at),
            "payoutMinor": payout,
            "settledAt": _moment(settled_at),
            "reels": [
                {
                    "reelIndex": index,
                    "boxVersionId": version,
                    "prize": {"itemId": prize.item_id, "kind": "item", "name": prize.name, "valueMinor": prize.value_minor},
                }
                for (index, version), prize in zip(order.reels, won, strict=True)
            ],
            "wonItems": [
                {
                    "inventoryItemId": item_id,
                    "itemId": prize.item_id,
                    "name": prize.name,
                    "cashbackMinor": None,
                    "currency": self._setting.currency,
                    "state": "unresolved",
                }
                for item_id, prize in zip(item_ids, won, strict=True)
            ],
            "fairness": {
                "serverSeedHash": seed_hash,
                "clientSeed": client_seed,
                "nonce": nonce,
                "algorithmKey": "hmac_sha256_v1",
            },
        }
        event_id = _new_id()
        event = {
            "id": f"evt_{event_id.hex}",
            "type": "round_settled",
            "occurredAt": _moment(settled_at),
            "playerExternalId": order.player,
            "data": {"round": shown},
        }
        settled = self._rows(
            SETTLE,
            {
                "at": settled_at,
                "payout": payout,
                "seed": seed_id,
                "nonce": nonce,
                "round": round_id,
                "txn_ref": accepted.get("providerTxnRef", ""),
                "balance": accepted["balanceAfterMinor"],
                "call": call_id,
                "started_at": at,
                "latency_ms": latency_ms,
                "excerpt": excerpt,
                "indexes": indexes,
                "versions": versions,
                "rolls": rolls,
                "prizes": [prize.prize_id for prize in won],
                "values": [prize.value_minor for prize in won],
                "item_ids": item_ids,
                "items": [prize.item_id for prize in won],
                "names": [prize.name for prize in won],
                "currency": self._setting.currency,
                "event": event_id,
                "subject": public_id,
                "event_body": json.dumps(event, separators=(",", ":")).encode(),
                "action": action_id,
            },
        )
        if not settled:
            raise Refused(409, "ACTION_IN_PROGRESS")
        return {"round": shown, "balanceAfterMinor": accepted["balanceAfterMinor"]}

    def _check_signature(self, environ: Mapping[str, Any], body: bytes) -> None:
        key_id, timestamp, signature = (environ.get(f"HTTP_X_{name}", "") for name in ("KEY_ID", "TIMESTAMP", "SIGNATURE"))
        if not (key_id and timestamp and signature):
            raise Refused(401, "MISSING_HEADERS")
        if not _TIMESTAMP.fullmatch(timestamp) or abs(int(timestamp) - time.time()) > WINDOW_S:
            raise Refused(401, "TIMESTAMP_SKEW")
        path = environ["RAW_URI"].partition("?")[0]
        canonical = f"{timestamp}\n{environ['REQUEST_METHOD']}\n{path}\n{hashlib.sha256(body).hexdigest()}"
        expected = hmac.digest(self._secret, canonical.encode(), "sha256").hex()
        if key_id != self._setting.key_id or not _SIGNATURE.fullmatch(signature):
            raise Refused(401, "INVALID_SIGNATURE")
        if not hmac.compare_digest(expected, signature):
            raise Refused(401, "INVALID_SIGNATURE")

    def _read(self, body: bytes) -> Order:
        try:
            asked = json.loads(body.decode(), object_pairs_hook=_object, parse_constant=_constant)
        except ValueError as error:
            raise Refused(400, "MALFORMED_REQUEST") from error
        if not isinstance(asked, dict):
            raise Refused(400, "MALFORMED_REQUEST")
        player: Any = asked.get("playerExternalId")
        action: Any = asked.get("clientActionId")
        reels: Any = asked.get("reels")
        valid = (
            _is_text(player, 190)
            and _is_text(action, 80)
            and asked.get("gameKey") == "mystery_box"
            and asked.get("mode", "open") == "open"
            and asked.get("funding", "player") == "player"
            and asked.get("currency", self._setting.currency) == self._setting.currency
            and isinstance(reels, list)
            and 1 <= len(reels) <= self._setting.max_reels
            and all(_is_reel(reel) for reel in reels)
            and len({reel["reelIndex"] for reel in reels}) == len(reels)
        )
        if not valid:
            raise Refused(422, "VALIDATION_FAILED")
        pairs = [(reel["reelIndex"], reel["boxVersionId"]) for reel in reels]
        if any(version != self._setting.version_id for _, version in pairs):
            raise Refused(404, "UNKNOWN_BOX")
        return Order(player, action, pairs, hashlib.sha256(json.dumps(["open", "player", sorted(pairs)]).encode()).digest())

    def _debit(self, order: Order, key: str, bet: int, public_id: str) -> bytes:
        reference = {
            "reason": "purchase",
            "roundPublicId": public_id,
            "gameKey": "mystery_box",
            "mode": "open",
            "clientActionId": order.client_action_id,
            "baseAmountMinor": bet,
            "baseCurrency": self._setting.currency,
        }
        body = {
            "type": "wallet.debit",
            "idempotencyKey": key,
            "playerExternalId": order.player,
            "amountMinor": bet,
            "currency": self._setting.currency,
            "reference": reference,
        }
        return json.dumps(body, separators=(",", ":")).encode()

    def _call_wallet(self, body: bytes, key: str, at: dt.datetime) -> tuple[dict[str, Any], str]:
        """Return the accepted answer and its text. A round whose debit is refused or unknown stays pending here."""
        timestamp = str(int(at.timestamp()))
        canonical = f"{timestamp}\nPOST\n{self._setting.wallet_path}\n{hashlib.sha256(body).hexdigest()}"
        signature = hmac.digest(self._outbound_secret, canonical.encode(), "sha256").hex()
        head = (
            f"POST {self._setting.wallet_path} HTTP/1.1\r\nHost: {self._setting.wallet_host}:{self._setting.wallet_port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nX-Timestamp: {timestamp}\r\n"
            f"X-Signature: {signature}\r\nIdempotency-Key: {key}\r\n\r\n"
        )
        sock = getattr(self._wallet, "socket", None) or self._connect()
        try:
            sock.sendall(head.encode() + body)
            status, text = _read_answer(sock)
            answer = json.loads(text)
        except (OSError, ValueError) as error:
            self._wallet.socket = None
            raise Refused(503, "WALLET_UNAVAILABLE") from error
        if status != 200 or answer.get("accepted") is not True:
            raise Refused(503, "WALLET_UNAVAILABLE")
        return answer, text

    def _connect(self) -> socket.socket:
        sock = socket.create_connection((self._setting.wallet_host, self._setting.wallet_port), timeout=WALLET_TIMEOUT_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._wallet.socket = sock
        return sock

    def _roll(self, server_seed: str, prefix: str) -> int:
        total = self._cumulative[-1]
        for attempt in itertools.count():
            message = f"{prefix}:{self._setting.snapshot_hash}:{attempt}"
            number = int.from_bytes(hmac.digest(server_seed.encode(), message.encode(), "sha256"), "big")
            if number - number % total + total <= 2**256:
                return number % total
        raise AssertionError

    def _replay(self, order: Order) -> dict[str, Any]:
        found = self._rows(REPLAY, {"player": order.player, "client_action_id": order.client_action_id})
        if not found:
            raise Refused(409, "BOX_NOT_PLAYABLE")
        fingerprint, event, balance = found[0]
        if fingerprint != order.fingerprint:
            raise Refused(409, "IDEMPOTENCY_CONFLICT")
        if event is None:
            raise Refused(409, "ACTION_IN_PROGRESS")
        return {"round": json.loads(event)["data"]["round"], "balanceAfterMinor": balance}

    def _rows(self, sql: str, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        with self._pool.connection() as connection:
            return connection.execute(sql.encode(), params).fetchall()


def _read_answer(sock: socket.socket) -> tuple[int, str]:
    received = b""
    while (head_end := received.find(b"\r\n\r\n")) < 0:
        received += _receive(sock)
    head = received[:head_end].decode("latin-1").lower()
    length = int(head.partition("\r\ncontent-length:")[2].partition("\r\n")[0])
    while len(received) < head_end + 4 + length:
        received += _receive(sock)
    return int(head[9:12]), received[head_end + 4 :].decode()


def _receive(sock: socket.socket) -> bytes:
    received = sock.recv(65536)
    if not received:
        raise ConnectionError("The wallet hung up.")
    return received


def _is_text(value: object, maximum: int) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= maximum and not _UNPRINTABLE.search(value)


def _is_reel(value: object) -> bool:
    return (
        isinstance(value, dict)
        and type(value.get("reelIndex")) is int
        and 0 <= value["reelIndex"] < 2**31
        and type(value.get("boxVersionId")) is int
        and 1 <= value["boxVersionId"] <= MAX_MINOR
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice")
    return result


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number")


def _new_id() -> uuid.UUID:
    return uuid.UUID(bytes=time.time_ns().__floordiv__(1_000_000).to_bytes(6, "big") + os.urandom(10))


def _moment(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def load() -> Callable[..., list[bytes]]:
    """Return the program for the setting of the environment; gunicorn calls this once a worker."""
    return Floor(Setting.of_environment()).application
