"""The only file that talks to an operator's wallet (contract section 10).

What comes back is foreign input that moves money. It counts as an answer only when it can be read in exactly one way; anything
else leaves the call's fate unknown, and only the same call under the same key can find it out.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.conf import settings

from lootbox.core import db, http, signing, strict_json
from lootbox.core.money import MAX_MINOR
from wallet.outcomes import Fate, Outcome

EXCERPT_BYTES: Final = 2048
DETAIL_LENGTH: Final = 300
# 4xx that speak of the moment and not of the money: too slow, too early, too many.
_PASSING: Final = frozenset({408, 425, 429})
_ERROR_CODE = re.compile(r"[!-~](?:[ -~]{0,62}[!-~])?")
_ECHOED: Final = ("idempotencyKey", "amountMinor", "currency")


class BalanceUnavailable(Exception):
    """The wallet gave no usable balance; the message is a sentence that says why."""


@dataclass(frozen=True, slots=True)
class WalletEndpoint:
    """Where an operator's wallet is, and what calls to it are signed with; the previous secret only during an overlap."""

    url: str
    secret: str
    previous_secret: str | None = None


def call(*, endpoint: WalletEndpoint, body: bytes, idempotency_key: str, at: datetime) -> Outcome:
    """Send one debit, credit or rollback, once, and return what became of it; no answer of a wallet raises.

    `body` goes out byte for byte. The database connection goes back to its pool before the wait. Raises `RuntimeError` inside
    a transaction: the intent must have been committed, and nothing may be held while a wallet thinks. Contract section 10.
    """
    db.let_go()
    started = time.monotonic()
    try:
        answer = _post(endpoint, body, at, {"Idempotency-Key": idempotency_key})
    except http.NotSent as error:
        return _without_answer(Fate.NOT_SENT, error.reason, started)
    except http.NoAnswer as error:
        return _without_answer(Fate.UNKNOWN, error.reason, started, status=error.status, excerpt=error.excerpt)
    return _judge(answer, body)


def balance(*, endpoint: WalletEndpoint, player_external_id: str, currency: str, at: datetime) -> int:
    """Return the player's balance in minor units of `currency`. Raises `BalanceUnavailable`, and `RuntimeError` as `call`."""
    db.let_go()
    body = strict_json.compact({"type": "wallet.balance", "playerExternalId": player_external_id, "currency": currency})
    try:
        answer = _post(endpoint, body, at, {})
    except (http.NotSent, http.NoAnswer) as error:
        raise BalanceUnavailable(error.reason) from error
    content = _object(answer.body)
    if not 200 <= answer.status < 300 or content is None:
        raise BalanceUnavailable(f"The wallet answered {answer.status} with something that is not a balance.")
    minor = _minor(content.get("balanceMinor"))
    if minor is None or content.get("currency") != currency:
        raise BalanceUnavailable(f"The wallet's answer has no balanceMinor in {currency}.")
    return minor


def _post(endpoint: WalletEndpoint, body: bytes, at: datetime, headers: Mapping[str, str]) -> http.Answer:
    timestamp = str(int(at.timestamp()))
    path = http.request_path(endpoint.url)

    def signature(secret: str) -> str:
        return signing.sign(secret=secret, timestamp=timestamp, method="POST", path=path, body=body)

    signed = {
        "Content-Type": "application/json",
        "X-Timestamp": timestamp,
        "X-Signature": signature(endpoint.secret),
        **headers,
    }
    if endpoint.previous_secret:
        signed["X-Signature-Previous"] = signature(endpoint.previous_secret)
    return http.post(
        url=endpoint.url,
        body=body,
        headers=signed,
        timeout_s=settings.LOOTBOX_WALLET_TIMEOUT_S,
        allow_private=settings.LOOTBOX_ALLOW_PRIVATE_URLS,
    )


def _judge(answer: http.Answer, body: bytes) -> Outcome:
    content = _object(answer.body) or {}
    error_code = None
    match content.get("accepted"):
        case _ if _contradicts(content, body):
            fate, detail = Fate.UNKNOWN, "The wallet's answer speaks of another key, amount or currency than was sent."
        case True if 200 <= answer.status < 300:
            fate, detail = Fate.ACCEPTED, "The wallet accepted."
        case False if 200 <= answer.status < 300 or (400 <= answer.status < 500 and answer.status not in _PASSING):
            error_code = _error_code(content.get("errorCode"))
            fate, detail = Fate.REFUSED, f"The wallet refused with {error_code}."
        case _:
            fate, detail = Fate.UNKNOWN, f"The wallet answered {answer.status} with something that settles nothing."
    return Outcome(
        fate=fate,
        error_code=error_code,
        balance_after_minor=_minor(content.get("balanceAfterMinor")) if fate is not Fate.UNKNOWN else None,
        provider_txn_ref=_reference(content.get("providerTxnRef")) if fate is not Fate.UNKNOWN else None,
        http_status=answer.status,
        latency_ms=answer.latency_ms,
        excerpt=_readable(answer.body),
        detail=detail,
    )


def _without_answer(fate: Fate, reason: str, started: float, *, status: int | None = None, excerpt: bytes = b"") -> Outcome:
    return Outcome(
        fate=fate,
        error_code=None,
        balance_after_minor=None,
        provider_txn_ref=None,
        http_status=status,
        latency_ms=round((time.monotonic() - started) * 1000),
        excerpt=_readable(excerpt),
        detail=reason[:DETAIL_LENGTH],
    )


def _object(raw: bytes) -> dict[str, Any] | None:
    try:
        content = strict_json.loads(raw)
    except strict_json.MalformedJSON:
        return None
    return content if isinstance(content, dict) else None


def _contradicts(content: Mapping[str, Any], body: bytes) -> bool:
    """Return whether the answer repeats a field of the request with another value, or another type: 500.0 is not 500."""
    echoes = [name for name in _ECHOED if name in content]
    if not echoes:
        return False
    sent = strict_json.loads(body)
    return any(type(content[name]) is not type(sent.get(name)) or content[name] != sent.get(name) for name in echoes)


def _error_code(value: object) -> str:
    return value if isinstance(value, str) and _ERROR_CODE.fullmatch(value) else "WALLET_REFUSED"


def _minor(value: object) -> int | None:
    return value if type(value) is int and abs(value) <= MAX_MINOR else None


def _reference(value: object) -> str | None:
    return value if isinstance(value, str) and 1 <= len(value) <= 190 and value.isprintable() else None


def _readable(raw: bytes) -> str:
    text = raw[:EXCERPT_BYTES].decode(errors="replace").replace("\ufffd", "?")
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else " " for character in text)
