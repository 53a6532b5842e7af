"""What a player has, by the launch's word or by the wallet's (contract section 8)."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from lootbox.core.errors import ApiError, ErrorCode
from lootbox.core.fields import print_moment
from play.models import Session
from wallet import services as wallet


@dataclass(frozen=True)
class Balance:
    """Minor units of the session's currency, None where nobody says, and as of when."""

    minor: int | None
    at: dt.datetime

    def as_json(self) -> dict[str, Any]:
        """Return the two fields by which every answer shows a balance."""
        return {"balanceMinor": self.minor, "balanceFetchedAt": None if self.minor is None else print_moment(self.at)}


def opening_balance(*, session: Session, at: dt.datetime) -> Balance:
    """Return what the launch said the player has, where it did, else what the wallet says."""
    launch = session.launch
    if launch.balance_minor is not None:
        return Balance(launch.balance_minor, launch.created_at)
    return balance(session=session, at=at)


def balance(*, session: Session, at: dt.datetime) -> Balance:
    """Return what the wallet says that the player has. Refuses to run inside a transaction."""
    minor = wallet.balance(operator=session.operator, player=session.player, currency=session.currency, at=at)
    return Balance(minor, at)


def required_balance(*, session: Session, at: dt.datetime) -> Balance:
    """Return the balance as `balance` does. Raises `WALLET_UNAVAILABLE` when the wallet does not say."""
    found = balance(session=session, at=at)
    if found.minor is None:
        raise ApiError(ErrorCode.WALLET_UNAVAILABLE)
    return found
