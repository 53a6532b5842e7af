"""Someone who calls the casino over HTTP, and the wallet calls that the platform makes."""

import json
import time
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

import signing

KEY_ID, SECRET = "igk_test_casino", "demo-secret-not-real"
OUTBOUND_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Client:
    """A caller of the casino; signs as the platform does."""

    port: int

    def send(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Answer:
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())

    def get(self, path: str) -> Answer:
        return self.send("GET", path)

    def signed(self, path: str, body: bytes, *, secret: str = OUTBOUND_SECRET, now: int | None = None) -> dict[str, str]:
        at = int(time.time()) if now is None else now
        headers = signing.signed_headers("", secret, method="POST", path=path, body=body, now=at)
        return headers | {"Content-Type": "application/json"}

    def wallet(self, call: dict[str, Any], **changed: str) -> Answer:
        body = json.dumps(call).encode()
        headers = self.signed("/wallet", body) | {"Idempotency-Key": call.get("idempotencyKey", "")} | changed
        return self.send("POST", "/wallet", body, headers)

    def ledger(self) -> Any:
        return self.get("/ledger.json").json


def debit(key: str = "round:r_1", *, amount: int = 500, player: str = "u_1", currency: str = "EUR") -> dict[str, Any]:
    return {
        "type": "wallet.debit",
        "idempotencyKey": key,
        "playerExternalId": player,
        "amountMinor": amount,
        "currency": currency,
        "reference": {"reason": "purchase"},
    }


def credit(key: str = "payout:round:r_1", **fields: Any) -> dict[str, Any]:
    return debit(key, **fields) | {"type": "wallet.credit", "reference": {"reason": "payout"}}


def rollback(of: str = "round:r_1", **fields: Any) -> dict[str, Any]:
    return debit(f"rollback:{of}", **fields) | {"type": "wallet.rollback", "rollbackOf": of}
