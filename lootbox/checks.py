"""System checks: settings that are missing, ambiguous or dangerous stop the product before it serves anything."""

import base64
import binascii
import os
from collections.abc import Sequence
from typing import Any, Final

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

from lootbox import gunicorn
from purchases import statements

BOOLEANS: Final = ("LOOTBOX_PRODUCTION", "LOOTBOX_ALLOW_PRIVATE_URLS", "LOOTBOX_PREPARED_STATEMENTS")
BOOLEAN_WORDS: Final = frozenset({"true", "false", "1", "0", "yes", "no", "on", "off"})


@register(Tags.compatibility)
def booleans_are_unambiguous(**_: Any) -> Sequence[CheckMessage]:
    """Refuse a boolean setting that is neither true nor false, which would silently mean false."""
    return [
        Error(f"{name} is {os.environ[name]!r}.", hint=f"Set {name} to true or false, or leave it out.", id="lootbox.E001")
        for name in BOOLEANS
        if name in os.environ and os.environ[name].lower() not in BOOLEAN_WORDS
    ]


@register(Tags.security)
def production_has_its_own_secrets(**_: Any) -> Sequence[CheckMessage]:
    """Refuse the public development secrets, and private addresses, in production."""
    if not settings.PRODUCTION:
        return []
    refusals = []
    if settings.SECRET_KEY == settings.DEVELOPMENT_SECRET_KEY or len(settings.SECRET_KEY) < 50:
        refusals.append(("E002", "LOOTBOX_SECRET_KEY is missing or short.", "Set it to 50 or more random characters."))
    if settings.DEVELOPMENT_FIELD_KEY in settings.LOOTBOX_FIELD_KEYS:
        refusals.append(("E003", "LOOTBOX_FIELD_KEYS is missing.", "Set it to base64 of 32 random bytes; see docs/running.md."))
    if settings.LOOTBOX_ALLOW_PRIVATE_URLS:
        refusals.append(("E004", "LOOTBOX_ALLOW_PRIVATE_URLS is on.", "Leave it out: wallets must be public https addresses."))
    refusals += [
        ("E005", f"{name} is missing.", f"Set {name}: the embedded servers are for development.")
        for name in ("DATABASE_URL", "REDIS_URL")
        if name not in os.environ
    ]
    return [Error(message, hint=hint, id=f"lootbox.{number}") for number, message, hint in refusals]


@register(Tags.security)
def field_keys_are_keys(**_: Any) -> Sequence[CheckMessage]:
    """Refuse keys for secrets at rest that are not 32 bytes in base64."""
    for key in settings.LOOTBOX_FIELD_KEYS:
        try:
            valid = len(base64.b64decode(key, validate=True)) == 32
        except binascii.Error:
            valid = False
        if not valid:
            hint = 'Make one with: python -c "import base64, os; print(base64.b64encode(os.urandom(32)).decode())"'
            return [Error("LOOTBOX_FIELD_KEYS holds something that is not base64 of 32 bytes.", hint=hint, id="lootbox.E006")]
    return [] if settings.LOOTBOX_FIELD_KEYS else [Error("LOOTBOX_FIELD_KEYS is empty.", id="lootbox.E006")]


@register(Tags.compatibility)
def times_are_positive(**_: Any) -> Sequence[CheckMessage]:
    """Refuse waits and lifetimes that are zero or negative."""
    values = {
        "LOOTBOX_WALLET_TIMEOUT_S": [settings.LOOTBOX_WALLET_TIMEOUT_S],
        "LOOTBOX_ABANDON_AFTER_S": [settings.LOOTBOX_ABANDON_AFTER_S],
        "LOOTBOX_RECOVERY_STEPS_S": settings.LOOTBOX_RECOVERY_STEPS_S,
        "LOOTBOX_WEBHOOK_RETRY_S": settings.LOOTBOX_WEBHOOK_RETRY_S,
        "LOOTBOX_LAUNCH_TTL_S": [settings.LOOTBOX_LAUNCH_TTL_S],
        "LOOTBOX_SESSION_IDLE_S": [settings.LOOTBOX_SESSION_IDLE_S],
        "LOOTBOX_SESSION_MAX_S": [settings.LOOTBOX_SESSION_MAX_S],
        "LOOTBOX_FREE_OPENS_WINDOW_S": [settings.LOOTBOX_FREE_OPENS_WINDOW_S],
    }
    return [
        Error(f"{name} must hold seconds above 0.", hint=f"Correct {name} or leave it out.", id="lootbox.E007")
        for name, seconds in values.items()
        if not seconds or min(seconds) <= 0
    ]


@register(Tags.compatibility)
def a_wallet_call_fits(**_: Any) -> Sequence[CheckMessage]:
    """Refuse times by which a call would outlive the lease that covers it, or a restart that waits for it."""
    lease_s = settings.LOOTBOX_WALLET_TIMEOUT_S + statements.LEASE_MARGIN_S
    refusals = []
    if lease_s >= settings.LOOTBOX_ABANDON_AFTER_S:
        refusals.append(("E008", f"LOOTBOX_ABANDON_AFTER_S must be more than {lease_s:g}, the wallet's timeout and a margin."))
    if gunicorn.graceful_timeout <= settings.LOOTBOX_WALLET_TIMEOUT_S:
        refusals.append(("E009", f"LOOTBOX_WALLET_TIMEOUT_S must be less than {gunicorn.graceful_timeout}, as restarts wait."))
    return [Error(message, hint="Correct it or leave it out.", id=f"lootbox.{number}") for number, message in refusals]
