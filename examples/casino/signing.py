"""The signed envelope, in both directions: contract section 2, and section 11 for Standard Webhooks."""

import base64
import hashlib
import hmac
import re
from email.message import Message

WINDOW_S = 300

_TIMESTAMP = re.compile(r"0|[1-9][0-9]{0,15}")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")


def sign(secret: str, *, timestamp: str, method: str, path: str, body: bytes) -> str:
    """Return the signature, 64 lowercase hex digits. `path` is as in the request line, without the query."""
    canonical = f"{timestamp}\n{method}\n{path}\n{hashlib.sha256(body).hexdigest()}"
    return hmac.new(secret.encode(), canonical.encode(), hashlib.sha256).hexdigest()


def signed_headers(key_id: str, secret: str, *, method: str, path: str, body: bytes, now: int) -> dict[str, str]:
    """Return the headers of a request to the platform. `now` is in Unix seconds."""
    signature = sign(secret, timestamp=str(now), method=method, path=path, body=body)
    return {"X-Key-Id": key_id, "X-Timestamp": str(now), "X-Signature": signature}


def is_signed(secret: str, headers: Message, *, method: str, path: str, body: bytes, now: int) -> bool:
    """Return whether these exact bytes came from who knows the secret, at most 300 s ago.

    While the platform rotates the secret it signs twice, with the new one and with the one before. We know one
    of the two, so either header will do, and we may change over whenever it suits us.
    """
    timestamp = headers.get("X-Timestamp", "")
    if not _is_fresh(timestamp, now):
        return False
    expected = sign(secret, timestamp=timestamp, method=method, path=path, body=body)
    given = [headers.get(name, "") for name in ("X-Signature", "X-Signature-Previous")]
    return any(
        _SIGNATURE.fullmatch(signature) and hmac.compare_digest(signature.encode(), expected.encode()) for signature in given
    )


def is_signed_webhook(secret: str, headers: Message, *, body: bytes, now: int) -> bool:
    """Return whether the Standard Webhooks headers hold; any library for them does the same.

    A rotation shows here as a second signature in the same header, after a space.
    """
    event_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not event_id or not _is_fresh(timestamp, now):
        return False
    signed = f"{event_id}.{timestamp}.".encode() + body
    expected = b"v1," + base64.b64encode(hmac.digest(webhook_key(secret), signed, "sha256"))
    return any(hmac.compare_digest(signature.encode(), expected) for signature in headers.get("webhook-signature", "").split())


def webhook_key(secret: str) -> bytes:
    """Return the bytes behind `whsec_…`, which Standard Webhooks sign with. Raises ValueError if it isn't one."""
    prefix, _, encoded = secret.partition("whsec_")
    if prefix or not encoded:
        raise ValueError("The outbound secret starts with whsec_ and goes on in base64.")
    return base64.b64decode(encoded, validate=True)


def _is_fresh(timestamp: str, now: int) -> bool:
    return bool(_TIMESTAMP.fullmatch(timestamp)) and abs(now - int(timestamp)) <= WINDOW_S
