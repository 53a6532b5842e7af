"""The actions that this process began lately, as a hint which purchases are retries.

A retry comes soon, and often to the process that had the first call. There it is looked up at once, in one round trip, without
preparing a round that is not to be. A hint decides nothing: what it says is looked up, and what it does not say is claimed.
"""

import threading
from collections import OrderedDict
from typing import Final

from purchases.requests import PurchaseRequest

KEPT: Final = 10_000

_began: Final[OrderedDict[tuple[int, str, str], None]] = OrderedDict()
_lock: Final = threading.Lock()


def note(request: PurchaseRequest) -> None:
    """Remember that the action was claimed here."""
    with _lock:
        _began[_name(request)] = None
        if len(_began) > KEPT:
            _began.popitem(last=False)


def is_retry(request: PurchaseRequest) -> bool:
    """Return whether the action was claimed here lately."""
    return _name(request) in _began


def _name(request: PurchaseRequest) -> tuple[int, str, str]:
    return request.operator.pk, request.player, request.client_action_id
