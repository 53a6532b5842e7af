"""Sending one event once: signed in both ways, judged by the answer's status (contract sections 2 and 11)."""

import base64
import hashlib
import hmac
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings

from lootbox.core import http, signing
from lootbox.core.ids import Prefix, public_id
from operators.models import Operator
from webhooks.models import Outcome

TIMEOUT_S: Final = 10.0
EXCERPT_BYTES: Final = 2000
DETAIL_LENGTH: Final = 300


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one attempt ended. `detail` is a sentence for people, `excerpt` the start of the answer, safe to store and show."""

    url: str
    started_at: datetime
    latency_ms: int
    outcome: Outcome
    http_status: int | None
    detail: str
    excerpt: str
    retry_after: str | None = None

    @property
    def ended_at(self) -> datetime:
        """Return when the answer was there, or given up on."""
        return self.started_at + timedelta(milliseconds=self.latency_ms)


def send(*, operator: Operator, event_id: UUID, body: bytes, at: datetime) -> Attempt:
    """Send the event to the operator's webhook URL once and return how it ended; no answer of a receiver raises.

    Any 2xx is a success, however its body reads. Contract section 11.
    """
    started = time.monotonic()
    try:
        answer = http.post(
            url=operator.webhook_url,
            body=body,
            headers=signed_headers(operator=operator, event_id=event_id, body=body, at=at),
            timeout_s=TIMEOUT_S,
            allow_private=settings.LOOTBOX_ALLOW_PRIVATE_URLS,
        )
    except http.NotSent as error:
        status, excerpt, retry_after, reason = None, b"", None, error.reason
        outcome = Outcome.NOT_SENT
    except http.NoAnswer as error:
        # Once a status has come, the receiver has spoken; what is wrong with the rest of its answer is not its event's fault.
        status, excerpt, retry_after, reason = error.status, error.excerpt, None, error.reason
        outcome = Outcome.NO_ANSWER if status is None else _judge(status)
    else:
        status, excerpt, retry_after = answer.status, answer.body, answer.headers.get("retry-after")
        outcome, reason = _judge(status), ""
    return Attempt(
        url=operator.webhook_url.partition("?")[0],
        started_at=at,
        latency_ms=round((time.monotonic() - started) * 1000),
        outcome=outcome,
        http_status=status,
        detail=(reason or f"The receiver answered {status}.")[:DETAIL_LENGTH],
        excerpt=_readable(excerpt),
        retry_after=retry_after,
    )


def signed_headers(*, operator: Operator, event_id: UUID, body: bytes, at: datetime) -> dict[str, str]:
    """Return the headers of one attempt: the envelope of section 2 and those of Standard Webhooks.

    While a secret rotates, both carry a signature by the old one too.
    """
    timestamp = str(int(at.timestamp()))
    path = http.request_path(operator.webhook_url)
    message_id = public_id(Prefix.EVENT, event_id)
    previous = operator.previous_secret(at=at)
    secrets = [operator.outbound_secret, *([previous] if previous else [])]
    envelope = [signing.sign(secret=secret, timestamp=timestamp, method="POST", path=path, body=body) for secret in secrets]
    standard = [_standard_signature(secret, message_id, timestamp, body) for secret in secrets]
    return {
        "Content-Type": "application/json",
        "X-Timestamp": timestamp,
        **dict(zip(("X-Signature", "X-Signature-Previous"), envelope, strict=False)),
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(standard),
    }


def _standard_signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


def _judge(status: int) -> Outcome:
    if 200 <= status < 300:
        return Outcome.DELIVERED
    return Outcome.GONE if status == 410 else Outcome.REFUSED


def _readable(raw: bytes) -> str:
    text = raw[:EXCERPT_BYTES].decode(errors="replace").replace("\ufffd", "?")
    return "".join(character if character.isprintable() or character == "\n" else " " for character in text)
