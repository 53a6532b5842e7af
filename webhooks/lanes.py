"""How many deliveries are in the air at once: a lane per operator, so that nobody waits behind another's receiver.

A lane widens with each prompt success and narrows with each failure or slow answer. Lanes whose last answer was a failure or
slow share a few threads of their own: however many receivers are dead, the others keep theirs.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from queue import SimpleQueue
from typing import Final, NamedTuple
from uuid import UUID

from operators.models import Operator
from webhooks.models import Outcome
from webhooks.sender import Attempt

QUICK_THREADS: Final = 48
SLOW_THREADS: Final = 16
FIRST_WIDTH: Final = 4
WIDEST: Final = 16
PROMPT_MS: Final = 1000
# How many leased rows wait per delivery in the air, so that no thread waits for the database; behind a slow receiver few do.
AHEAD: Final = 12
AHEAD_OF_SLOW: Final = 2


@dataclass(frozen=True, slots=True)
class Job:
    """A leased delivery. `leased_until` is also what proves, when it is marked, that nobody took it over."""

    event_id: UUID
    body: bytes
    failures: int
    leased_until: datetime


@dataclass(slots=True)
class Lane:
    """One operator's deliveries in hand. `held` counts those not yet recorded; the rest is kept under the lanes' lock."""

    operator: Operator
    slow: bool
    failing_since: datetime | None = None
    width: int = FIRST_WIDTH
    held: int = 0
    flying: int = 0
    waiting: deque[Job] = field(default_factory=deque)

    @property
    def quota(self) -> int:
        """Return how many more deliveries it may take in hand."""
        return (AHEAD_OF_SLOW if self.slow else self.width * AHEAD) - self.held


class Landed(NamedTuple):
    """What came back: `attempt` holds an `Attempt`, None for a delivery that was not begun, or a defect's exception."""

    lane: Lane
    job: Job
    attempt: "Future[Attempt | None]"


class Lanes:
    """The threads, and what they have sent. `send` returns None for a delivery that it is too late to begin."""

    def __init__(self, send: Callable[[Operator, Job], Attempt | None]) -> None:
        """Start no thread yet."""
        self.landed: SimpleQueue[Landed] = SimpleQueue()
        self._send = send
        self._quick = ThreadPoolExecutor(QUICK_THREADS, thread_name_prefix="webhook")
        self._slow = ThreadPoolExecutor(SLOW_THREADS, thread_name_prefix="webhook slow")
        # Reentrant, as a future that ends at once calls back in the thread that has just submitted it.
        self._lock = threading.RLock()

    def add(self, lane: Lane, jobs: Sequence[Job]) -> None:
        """Send these as soon as the lane has room."""
        lane.held += len(jobs)
        with self._lock:
            lane.waiting.extend(jobs)
            self._launch(lane)

    def take_back(self, lane: Lane) -> list[Job]:
        """Return what was added to the lane and not begun; it will not be sent."""
        with self._lock:
            jobs = list(lane.waiting)
            lane.waiting.clear()
        return jobs

    def close(self) -> None:
        """Wait for what is in the air, and end the threads."""
        self._quick.shutdown()
        self._slow.shutdown()

    def _launch(self, lane: Lane) -> None:
        while lane.waiting and lane.flying < lane.width:
            job = lane.waiting.popleft()
            lane.flying += 1
            pool = self._slow if lane.slow else self._quick
            pool.submit(self._send, lane.operator, job).add_done_callback(partial(self._land, lane, job))

    def _land(self, lane: Lane, job: Job, attempt: "Future[Attempt | None]") -> None:
        with self._lock:
            lane.flying -= 1
            if attempt.exception() is None and (ended := attempt.result()) is not None:
                lane.slow = ended.outcome is not Outcome.DELIVERED or ended.latency_ms > PROMPT_MS
                lane.width = max(1, lane.width // 2) if lane.slow else min(WIDEST, lane.width + 1)
            self._launch(lane)
        self.landed.put(Landed(lane, job, attempt))
