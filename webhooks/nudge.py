"""Waking a dispatcher after a commit. Only a hint: the schedule finds what is due anyway, a second or two later."""

import threading
import time
from typing import Final

import structlog
from celery import current_app
from kombu.exceptions import OperationalError

logger = structlog.get_logger(__name__)

DISPATCH: Final = "webhooks.tasks.dispatch"
# Sending costs a third of a purchase, and what becomes due meanwhile is found all the same: a delivery waits so long at most.
QUIET_S: Final = 0.25
QUIET_AFTER_FAILURE_S: Final = 5.0
EXPIRES_S: Final = 5


class _Nudger:
    """Sends wake-up calls from a thread of its own, so that no request ever waits for Redis, or notices that it is gone."""

    def __init__(self) -> None:
        self._wanted = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def want(self) -> None:
        self._wanted.set()
        # A fork takes no thread along, so a thread of the parent's is not alive here.
        if self._thread is None or not self._thread.is_alive():
            self._start()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="webhook nudge", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            # What is committed while this sleeps is found by the dispatcher that it wakes after.
            time.sleep(QUIET_S if self._send() else QUIET_AFTER_FAILURE_S)

    def _send(self) -> bool:
        try:
            current_app.send_task(DISPATCH, expires=EXPIRES_S, ignore_result=True, retry=False)
        except OperationalError as error:
            logger.warning("webhook_nudge_failed", reason=str(error))
            return False
        return True


_nudger: Final = _Nudger()


def wake() -> None:
    """Let a dispatcher know, soon and at most four times a second, that something is due. Never raises, never waits."""
    _nudger.want()
