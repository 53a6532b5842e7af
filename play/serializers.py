"""What operators and players send to launch and play, read strictly (contract section 8)."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from lootbox.core.fields import Reader
from purchases.models import Funding
from vault.requests import read_idempotency_key, read_player

MOST_FREE_OPENS: Final = 100
PLATFORM_KEYS: Final = ("round:", "payout:", "refund:", "cashback:", "rollback:", "shipping:")
_URL = re.compile(r"https?://[^\s\\]+")


@dataclass(frozen=True, kw_only=True)
class LaunchRequest:
    """A launch as it is asked for; None where the operator leaves the choice to its settings."""

    player: str
    game_key: str
    box_id: int | None
    auto_open: bool
    locale: str | None
    currency: str | None
    return_url: str
    balance_minor: int | None
    funding: Funding
    funding_rounds: int | None


def read_launch(body: Reader) -> LaunchRequest:
    """Return the launch that a body asks for. Raises `VALIDATION_FAILED`."""
    target = body.nested("target", required=False)
    box_id = target.optional_integer("boxId", minimum=1)
    auto_open = target.boolean("autoOpen", default=False)
    if auto_open and box_id is None:
        target.wrong("boxId", "Name the box that opens by itself.")
    funding = Funding(body.choice("funding", options=Funding.values, default=Funding.PLAYER.value))
    funding_rounds = body.optional_integer("fundingRounds", minimum=1, maximum=MOST_FREE_OPENS)
    if funding_rounds is not None and funding is not Funding.OPERATOR:
        body.wrong("fundingRounds", 'Send fundingRounds only with "funding": "operator".')
    request = LaunchRequest(
        player=read_player(body),
        game_key=body.text("gameKey", maximum=40),
        box_id=box_id,
        auto_open=auto_open,
        locale=body.optional_text("locale", maximum=35),
        currency=body.optional_text("currency", maximum=16),
        return_url=_return_url(body),
        balance_minor=body.optional_integer("balanceMinor"),
        funding=funding,
        funding_rounds=funding_rounds,
    )
    body.check()
    return request


def _return_url(body: Reader) -> str:
    url = body.optional_text("returnUrl", maximum=2048)
    if not url:
        return ""
    if not _is_web_address(url):
        body.wrong("returnUrl", "Send a web address that begins with https:// or http://.")
    return url


def _is_web_address(url: str) -> bool:
    try:
        return _URL.fullmatch(url) is not None and bool(urlsplit(url).hostname)
    except ValueError:
        return False


def read_wallet_key(body: Reader, *, default: str) -> str | None:
    """Return the player's own idempotency key for a credit, None for `default`.

    The wallet sees it as it is, so a player may not take a key of the platform's for another movement: it would be refused as a
    conflict when its time comes.
    """
    key = read_idempotency_key(body)
    if key is not None and key != default and key.startswith(PLATFORM_KEYS):
        body.wrong("idempotencyKey", f"Choose a key that does not begin with one of: {', '.join(PLATFORM_KEYS)}.")
    return key
