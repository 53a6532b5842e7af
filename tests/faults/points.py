"""Named points of the saga at which a process can be made to die, to freeze or to fail.

Only the suite's own processes load this file, after Django is up and before the first request: the product knows nothing of it.
A point is armed by a file that holds the action; whoever gets there first takes the file away and acts.
"""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from django.db import OperationalError, transaction

DIRECTORY: Final = "FAULT_POINTS"
KILL: Final = "kill"
FREEZE: Final = "freeze"
FAIL: Final = "fail"


def install() -> None:
    """Put the points into this process."""
    from purchases import statements, views  # noqa: PLC0415 - apps must be loaded
    from purchases.services import cancelling, recovering, undoing  # noqa: PLC0415
    from wallet import services as wallet  # noqa: PLC0415

    _before(statements, "claim", "before-claim")
    _after(statements, "claim", "claimed")
    _before(statements, "settle", "answered")
    _before(statements, "hold", "answered-prepay")
    _inside(statements, "settle", "settling")
    _after(statements, "settle", "settled")
    _before(statements, "record_payout", "paid")
    _before(views.PurchaseView, "answer", "responding")
    _before(cancelling, "attempt_refund", "cancel-intended")
    _before(recovering, "undo", "recovery-claimed")
    _before(undoing, "_give_back", "recovery-probed")
    _before(undoing, "attempt_refund", "recovery-refunding")
    _recording(wallet)


def arm(directory: Path, point: str, action: str) -> None:
    """Have the next process that reaches `point` act."""
    unfinished = directory / f"{point}.unfinished"
    unfinished.write_text(action)
    unfinished.rename(directory / point)


def reached(directory: Path, point: str) -> int | None:
    """Return the process that has acted at `point`, None while nobody has."""
    mark = directory / f"{point}.reached"
    return int(mark.read_text()) if mark.exists() else None


def _reach(point: str) -> None:
    directory = Path(os.environ[DIRECTORY])
    taken = directory / f"{point}.{os.getpid()}"
    try:
        (directory / point).rename(taken)
    except FileNotFoundError:
        return
    action = taken.read_text()
    taken.write_text(str(os.getpid()))
    taken.rename(directory / f"{point}.reached")
    if action == FAIL:
        raise OperationalError(f"told to fail at {point}")
    os.kill(os.getpid(), signal.SIGKILL if action == KILL else signal.SIGSTOP)


def _before(owner: ModuleType | type, name: str, point: str) -> None:
    original: Callable[..., Any] = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        _reach(point)
        return original(*args, **kwargs)

    setattr(owner, name, wrapped)


def _after(owner: ModuleType | type, name: str, point: str) -> None:
    original: Callable[..., Any] = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        if result:  # else nothing was written
            _reach(point)
        return result

    setattr(owner, name, wrapped)


def _inside(owner: ModuleType, name: str, point: str) -> None:
    """Act between the statement and its commit."""
    original: Callable[..., Any] = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if not (Path(os.environ[DIRECTORY]) / point).exists():
            return original(*args, **kwargs)
        with transaction.atomic():
            result = original(*args, **kwargs)
            _reach(point)
            return result

    setattr(owner, name, wrapped)


def _recording(wallet: ModuleType) -> None:
    original: Callable[..., Any] = wallet.record

    def wrapped(*, call: Any, **kwargs: Any) -> Any:
        _reach(f"recording-{call.reason}")
        return original(call=call, **kwargs)

    setattr(wallet, "record", wrapped)  # noqa: B010 - a module is not told its functions' types
