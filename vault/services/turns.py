"""Taking turns at a wallet call: one attempt at a time, while others wait a moment for its end.

Whoever begins one holds the row lock of the asset that the call is about, so that of two at once the second sees the first.
"""

import datetime as dt
import time
from collections.abc import Callable
from typing import Final

from django.db import connection

from lootbox.core.errors import ApiError, ErrorCode
from wallet import services as wallet
from wallet.models import CallState, WalletCall

Clock = Callable[[], dt.datetime]

WAIT_FOR_FIRST_S: Final = 2.0
WAIT_STEP_S: Final = 0.05


def take_up(*, call: WalletCall, at: dt.datetime) -> WalletCall | None:
    """Return an unresolved call with one more attempt counted; None when it is decided, or an attempt is under way."""
    now = WalletCall.objects.select_for_update(no_key=True).get(pk=call.pk)
    if now.state not in wallet.UNRESOLVED or _under_way(now, at):
        return None
    return wallet.intend_again(call=now, at=at)


class Waiting:
    """The patience of a call that another one is ahead of."""

    def __init__(self) -> None:
        """Wait two seconds in all."""
        self._deadline = time.monotonic() + WAIT_FOR_FIRST_S

    def a_moment(self) -> None:
        """Pause without a connection, which the first call needs to finish. Raises `ACTION_IN_PROGRESS` after two seconds."""
        if time.monotonic() > self._deadline:
            raise ApiError(ErrorCode.ACTION_IN_PROGRESS, money_moved="unknown", retry_after=1)
        connection.close()
        time.sleep(WAIT_STEP_S)


def is_open(call: WalletCall) -> bool:
    """Return whether a call's newest attempt has no end yet; a refusal of what is owed leaves it pending too, with its code."""
    return call.state == CallState.PENDING and not call.error_code


def _under_way(call: WalletCall, at: dt.datetime) -> bool:
    return is_open(call) and call.last_attempt_at is not None and wallet.busy_until(call.last_attempt_at) > at
