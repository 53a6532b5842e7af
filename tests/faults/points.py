"""Named points of the saga at which a process can be made to die, to freeze or to fail.

Only the suite's own processes load this file, after Django is up and before the first request: the product knows nothing of it.
A point is armed by a file that holds the action; whoever gets there first takes the file away and acts.
"""

import datetime as dt
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import time_machine
from django.core.handlers.wsgi import WSGIHandler
from django.db import OperationalError, transaction

DIRECTORY: Final = "FAULT_POINTS"
KILL: Final = "kill"
FREEZE: Final = "freeze"
FAIL: Final = "fail"
# The dials: how many seconds a clock is off (of processes that have one of their own), and what becomes of the casinos' names.
CLOCK: Final = "clock"
OWN_CLOCK: Final = "FAULT_OWN_CLOCK"
NAMES: Final = "names"
CASINOS: Final = ".casino.test"
SLOW_NAME_S: Final = 3.0


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
    _resolve_by_dial()
    if OWN_CLOCK in os.environ:
        _tell_time_by_dial()


def dial(directory: Path, name: str, value: str) -> None:
    """Have a fault of the processes' surroundings stand at this value; without one it is off."""
    if not value:
        (directory / name).unlink(missing_ok=True)
        return
    unfinished = directory / f"{name}.unfinished"
    unfinished.write_text(value)
    unfinished.rename(directory / name)


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


def _read_dial(name: str) -> str:
    try:
        return (Path(os.environ[DIRECTORY]) / name).read_text()
    except FileNotFoundError:
        return ""


def _resolve_by_dial() -> None:
    """Have the casinos' names stand for this machine, unless the dial says otherwise."""
    original = socket.getaddrinfo

    def wrapped(host: Any, *args: Any, **kwargs: Any) -> Any:
        if not str(host).endswith(CASINOS):
            return original(host, *args, **kwargs)
        match _read_dial(NAMES):
            case "none":
                raise socket.gaierror("no such name")
            case "slow":
                time.sleep(SLOW_NAME_S)
        return original("127.0.0.1", *args, **kwargs)

    socket.getaddrinfo = wrapped


def _tell_time_by_dial() -> None:
    """Have each request find the clock where the dial is."""
    original: Callable[..., Any] = WSGIHandler.__call__
    lock = threading.Lock()
    told = ""
    travel: Any = None

    def wrapped(*args: Any) -> Any:
        nonlocal told, travel
        with lock:
            wanted = _read_dial(CLOCK)
            if wanted != told:
                if travel is not None:
                    travel.stop()
                told, travel = wanted, None
                if wanted:
                    travel = time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=int(wanted)), tick=True)
                    travel.start()
        return original(*args)

    setattr(WSGIHandler, "__call__", wrapped)  # noqa: B010 - a class is not told its methods' types
