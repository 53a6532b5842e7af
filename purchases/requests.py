"""What a caller asks for, read strictly, with its defaults filled in (contract section 5)."""

import hashlib
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Final, NamedTuple

from lootbox.core import strict_json
from lootbox.core.errors import ApiError, ErrorCode
from lootbox.core.fields import Reader
from lootbox.core.money import MAX_MINOR
from operators.models import Operator
from purchases.limits import Cap
from purchases.models import CapPeriod, Funding, Mode
from vault.requests import read_player

ACTION_ID_LENGTH = 80
# Asked of the enumeration, they are put together anew each time.
MODES: Final = tuple(Mode.values)
FUNDINGS: Final = tuple(Funding.values)
MOST_CAPS = 100


class ReelRequest(NamedTuple):
    """One box to open."""

    reel_index: int
    box_version_id: int


@dataclass(frozen=True, kw_only=True)
class PurchaseRequest:
    """A purchase of one or more boxes. `pinned_rate` is the rate that the price was shown at, if it was shown."""

    operator: Operator
    player: str
    client_action_id: str
    mode: Mode
    funding: Funding
    game_key: str
    currency: str
    reels: tuple[ReelRequest, ...]
    pinned_rate: Decimal | None
    expected_bet_minor: int | None

    @cached_property
    def fingerprint(self) -> bytes:
        """Return the hash of what makes two requests the same."""
        return _hash(
            mode=self.mode,
            currency=self.currency,
            funding=self.funding,
            gameKey=self.game_key,
            reels=sorted([reel.reel_index, reel.box_version_id] for reel in self.reels),
        )


@dataclass(frozen=True, kw_only=True)
class OpenHeldRequest:
    """The opening of a held round."""

    operator: Operator
    player: str
    client_action_id: str
    round_public_id: str

    @cached_property
    def fingerprint(self) -> bytes:
        """Return the hash of what makes two requests the same."""
        return _hash(mode=Mode.OPEN, round=self.round_public_id)


def check_external_id(player: str) -> None:
    """Check a player's id that stands in the path. Raises `VALIDATION_FAILED`."""
    path = Reader({"playerExternalId": player})
    read_player(path)
    path.check()


def read_limits(body: Reader, *, operator: Operator) -> tuple[bool, list[Cap]]:
    """Return what shall hold a player back (contract section 3). Raises `VALIDATION_FAILED`, `UNSUPPORTED_CURRENCY`."""
    blocked = body.boolean("blocked")
    caps = [
        Cap(
            CapPeriod(cap.choice("period", options=CapPeriod.values)),
            cap.text("currency", maximum=16),
            cap.integer("amountMinor"),
        )
        for cap in body.objects("caps", minimum=0, maximum=MOST_CAPS)
    ]
    if len({(cap.period, cap.currency) for cap in caps}) != len(caps):
        body.wrong("caps", "Give one cap for each period and currency.")
    body.check()
    for cap in caps:
        if cap.currency not in operator.currencies:
            raise ApiError(ErrorCode.UNSUPPORTED_CURRENCY, f"This operator's currencies are: {', '.join(operator.currencies)}.")
    return blocked, caps


def read_open_held(body: Reader, *, operator: Operator, player: str) -> OpenHeldRequest:
    """Return the request to open a held round. Raises `VALIDATION_FAILED`."""
    body.choice("mode", options=(Mode.OPEN.value,), default=Mode.OPEN.value)
    request = OpenHeldRequest(
        operator=operator,
        player=player,
        client_action_id=body.text("clientActionId", maximum=ACTION_ID_LENGTH),
        round_public_id=body.text("roundPublicId", maximum=64),
    )
    body.check()
    return request


def read_purchase(
    body: Reader,
    *,
    operator: Operator,
    player: str,
    funding: Funding | None = None,
    game_key: str | None = None,
    currency: str | None = None,
    pinned_rate: Decimal | None = None,
) -> PurchaseRequest:
    """Return the purchase that a body asks for. Raises `VALIDATION_FAILED`.

    What the caller already knows (a player's session: who funds, which game, which currency) is given and not read.
    """
    read_funding = body.choice("funding", options=FUNDINGS, default=Funding.PLAYER.value) if funding is None else funding
    read_game = body.text("gameKey", maximum=40) if game_key is None else game_key
    action_id = body.text("clientActionId", maximum=ACTION_ID_LENGTH)
    mode = body.choice("mode", options=MODES, default=Mode.OPEN.value)
    reels = tuple(
        ReelRequest(
            reel.integer("reelIndex", minimum=0, maximum=2**31 - 1), reel.integer("boxVersionId", minimum=1, maximum=MAX_MINOR)
        )
        for reel in body.objects("reels", maximum=operator.max_reels)
    )
    if len({reel.reel_index for reel in reels}) != len(reels):
        body.wrong("reels", "Give every reel a reelIndex of its own.")
    expected = body.optional_integer("expectedBetMinor")
    read_currency = body.optional_text("currency", maximum=16) if currency is None else currency
    body.check()
    return PurchaseRequest(
        operator=operator,
        player=player,
        client_action_id=action_id,
        mode=Mode(mode),
        funding=Funding(read_funding),
        game_key=read_game,
        currency=read_currency or operator.base_currency,
        reels=reels,
        pinned_rate=pinned_rate,
        expected_bet_minor=expected,
    )


def _hash(**fields: object) -> bytes:
    return hashlib.sha256(strict_json.canonical(fields)).digest()
