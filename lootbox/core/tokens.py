"""Tokens that a signed request mints: unguessable, told once, kept as hashes (contract section 2)."""

import base64
import hashlib

from django.utils.crypto import salted_hmac


def request_hash(*, key_id: str, signature: str) -> str:
    """Return what stands for a signed request: the signature covers its time, address and body."""
    return hashlib.sha256(f"{key_id}\n{signature}".encode()).hexdigest()


def derived_token(*, purpose: str, key_id: str, signature: str) -> str:
    """Return the token that a signed request mints.

    It is derived under the platform's own key, so that a replay can be answered with it although only its hash is stored.
    """
    derived = salted_hmac(purpose, f"{key_id}\n{signature}", algorithm="sha256").digest()
    return base64.urlsafe_b64encode(derived).decode().rstrip("=")


def token_hash(token: str) -> str:
    """Return the hash that a token is found by. The tokens are 256 random bits, so a plain hash can't be guessed back."""
    return hashlib.sha256(token.encode()).hexdigest()
