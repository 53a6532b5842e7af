"""The operator's wallet as money tests play it: a ledger of its own, idempotent by key, behind a server with dials."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lootbox.core.signing import sign
from tests.faulty_server import Act, FaultyServer, Peer, Received, framed


@dataclass
class Movement:
    """One money call as the wallet decided it, once."""

    type: str
    player: str
    amount_minor: int
    currency: str
    reference: Mapping[str, Any]
    answer: dict[str, Any]
    asked: int = 1

    def stands_for(self, body: Mapping[str, Any]) -> bool:
        """Return whether a call is this movement again."""
        return (self.type, self.player, self.amount_minor, self.currency) == (
            body["type"],
            body["playerExternalId"],
            body["amountMinor"],
            body["currency"],
        )

    @property
    def applied_minor(self) -> int:
        """Return what it did to the player's balance."""
        if not self.answer["accepted"]:
            return 0
        return self.amount_minor if self.type == "wallet.credit" else -self.amount_minor


@dataclass
class CasinoWallet:
    """A wallet where every player starts with `opening_minor` of each currency; it remembers refusals by key, as it must.

    `answer` decides and answers; `apply_then` decides, then misbehaves; an act that never calls either loses the request. With
    a `secret` it takes nothing that is not signed with it, and lately.
    """

    opening_minor: int = 1_000_000
    refuse: str | None = None
    secret: str | None = None
    movements: dict[str, Movement] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, peer: Peer, request: Received) -> None:
        """Decide and answer, as a healthy wallet does."""
        peer.send(framed(json.dumps(self.decide(request)).encode()))

    def apply_then(self, fault: Act) -> Act:
        """Return an act that moves the money, then does `fault` in place of a proper answer."""

        def act(peer: Peer, request: Received) -> None:
            self.decide(request)
            fault(peer, request)

        return act

    def balance(self, player: str, currency: str = "EUR") -> int:
        """Return what the player has, in minor units."""
        with self._lock:
            return self._balance(player, currency)

    def decide(self, request: Received) -> dict[str, Any]:
        """Return the answer to a call, the first one for ever under its key."""
        body = json.loads(request.body)
        if self.secret is not None and not self._is_signed(self.secret, request):
            return {"accepted": False, "errorCode": "INVALID_SIGNATURE"}
        with self._lock:
            if body["type"] == "wallet.balance":
                balance = self._balance(body["playerExternalId"], body["currency"])
                return {"balanceMinor": balance, "currency": body["currency"]}
            key = body["idempotencyKey"]
            assert request.headers["idempotency-key"] == key
            if key in self.movements:
                known = self.movements[key]
                known.asked += 1
                return known.answer if known.stands_for(body) else {"accepted": False, "errorCode": "KEY_REUSED"}
            movement = Movement(
                body["type"], body["playerExternalId"], body["amountMinor"], body["currency"], body["reference"], {}
            )
            movement.answer = self._decide(movement, body)
            self.movements[key] = movement
            return movement.answer

    def _is_signed(self, secret: str, request: Received) -> bool:
        timestamp = request.headers["x-timestamp"]
        expected = sign(
            secret=secret, timestamp=timestamp, method=request.method, path=request.target.partition("?")[0], body=request.body
        )
        return request.headers["x-signature"] == expected and abs(time.time() - int(timestamp)) <= 300

    def _decide(self, movement: Movement, body: Mapping[str, Any]) -> dict[str, Any]:
        before = self._balance(movement.player, movement.currency)
        if movement.type == "wallet.rollback":
            return self._roll_back(movement, body, before)
        if self.refuse:
            return {"accepted": False, "errorCode": self.refuse, "balanceAfterMinor": before}
        if movement.type == "wallet.debit" and before < movement.amount_minor:
            return {"accepted": False, "errorCode": "INSUFFICIENT_FUNDS", "balanceAfterMinor": before}
        sign = 1 if movement.type == "wallet.credit" else -1
        after = before + sign * movement.amount_minor
        return {"accepted": True, "balanceAfterMinor": after, "providerTxnRef": f"w-{len(self.movements) + 1}"}

    def _roll_back(self, movement: Movement, body: Mapping[str, Any], before: int) -> dict[str, Any]:
        tombstone = {"accepted": False, "errorCode": "ROLLED_BACK"}
        debit = self.movements.setdefault(
            body["rollbackOf"],
            Movement("wallet.debit", movement.player, movement.amount_minor, movement.currency, {}, tombstone),
        )
        given_back = -debit.applied_minor
        debit.answer = tombstone
        return {"accepted": True, "balanceAfterMinor": before + given_back}

    def _balance(self, player: str, currency: str) -> int:
        mine = [move for move in self.movements.values() if (move.player, move.currency) == (player, currency)]
        return self.opening_minor + sum(move.applied_minor for move in mine if move.type != "wallet.rollback")


@dataclass
class Casino:
    """The wallet, and the server that it answers from."""

    wallet: CasinoWallet
    server: FaultyServer

    @property
    def url(self) -> str:
        """Return the wallet's address."""
        return self.server.url("/wallet")

    def play(self, *faults: Callable[..., None]) -> None:
        """Meet the next requests with these acts, in turn, and every later one healthily."""
        self.server.play(*faults, self.wallet.answer)

    def calls(self) -> list[dict[str, Any]]:
        """Return the bodies of all calls that arrived, in order."""
        return [json.loads(request.body) for request in self.server.received]
