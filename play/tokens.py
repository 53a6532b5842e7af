"""Launch and session tokens (contract sections 1 and 8)."""

import secrets
from typing import Final

from lootbox.core.tokens import derived_token

LAUNCH: Final = "lt_"
SESSION: Final = "ps_"
LONGEST: Final = 100


def launch_token(*, key_id: str, signature: str) -> str:
    """Return the token that a signed request launches with; a replay launches with the same one."""
    return LAUNCH + derived_token(purpose="play.launch", key_id=key_id, signature=signature)


def new_session_token() -> str:
    """Return a new session's token."""
    return SESSION + secrets.token_urlsafe(32)
