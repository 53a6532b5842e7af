"""Launch and session tokens: unguessable, shown once, kept as hashes (contract sections 1 and 8)."""

import base64
import hashlib
import secrets
from typing import Final

from django.utils.crypto import salted_hmac

LAUNCH: Final = "lt_"
SESSION: Final = "ps_"
LONGEST: Final = 100


def request_hash(*, key_id: str, signature: str) -> str:
    """Return what stands for a signed request: the signature covers its time, address and body (contract section 2)."""
    return hashlib.sha256(f"{key_id}\n{signature}".encode()).hexdigest()


def launch_token(*, key_id: str, signature: str) -> str:
    """Return the token that a signed request launches with.

    It is derived under the platform's own key, so that a replay can be answered with it although only its hash is stored.
    """
    derived = salted_hmac("play.launch", f"{key_id}\n{signature}", algorithm="sha256").digest()
    return LAUNCH + base64.urlsafe_b64encode(derived).decode().rstrip("=")


def new_session_token() -> str:
    """Return a new session's token."""
    return SESSION + secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """Return the hash that a token is found by. The tokens are 256 random bits, so a plain hash can't be guessed back."""
    return hashlib.sha256(token.encode()).hexdigest()
