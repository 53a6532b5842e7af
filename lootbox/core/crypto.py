"""Secrets at rest: AES-256-GCM under a list of keys, of which the first encrypts and all decrypt."""

import base64
import os
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import Expression

_NONCE_BYTES = 12


@cache
def _ciphers(keys: tuple[str, ...]) -> tuple[tuple[bytes, AESGCM], ...]:
    # A key is named by four bytes that only it can make, so that keys may be reordered and removed freely.
    decoded = [base64.b64decode(key, validate=True) for key in keys]
    return tuple((AESGCM(key).encrypt(bytes(_NONCE_BYTES), b"", b"name")[:4], AESGCM(key)) for key in decoded)


def encrypt(plain: str) -> bytes:
    """Return `plain` encrypted under the first key of `LOOTBOX_FIELD_KEYS`, with the key's name in front."""
    name, cipher = _ciphers(tuple(settings.LOOTBOX_FIELD_KEYS))[0]
    nonce = os.urandom(_NONCE_BYTES)
    return name + nonce + cipher.encrypt(nonce, plain.encode(), name)


def decrypt(stored: bytes) -> str:
    """Return what was encrypted under any key of `LOOTBOX_FIELD_KEYS`. Raises `LookupError` when that key is gone."""
    name, nonce, body = stored[:4], stored[4 : 4 + _NONCE_BYTES], stored[4 + _NONCE_BYTES :]
    for known, cipher in _ciphers(tuple(settings.LOOTBOX_FIELD_KEYS)):
        if known == name:
            return cipher.decrypt(nonce, body, name).decode()
    raise LookupError("A secret was encrypted under a key that LOOTBOX_FIELD_KEYS does not hold any more.")


class EncryptedTextField(models.BinaryField[str, str]):
    """A text that is encrypted in the database and plain in Python."""

    def get_db_prep_value(self, value: str | None, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        """Return the encrypted bytes for the database."""
        return super().get_db_prep_value(None if value is None else encrypt(value), connection, prepared)

    def from_db_value(self, value: bytes | None, _expression: Expression, _connection: BaseDatabaseWrapper) -> str | None:
        """Return the plain text of what the database holds."""
        return None if value is None else decrypt(bytes(value))

    def value_to_string(self, obj: models.Model) -> str:
        """Refuse to serialise a secret."""
        raise TypeError(f"{type(obj).__name__}.{self.name} is a secret and is not serialised.")
