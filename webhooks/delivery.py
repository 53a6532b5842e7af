"""Delivering what is due (contract section 11).

Everything that matters stands in the rows: any number of dispatchers may run, in any number of processes; one that dies leaves
leases that lapse, and its deliveries come up again.
"""

import datetime as dt
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Final

import structlog
from django.conf import settings
from django.db import connection

from operators.models import Operator
from webhooks import feed, leases, schedule, sender, services
from webhooks.lanes import Job, Landed, Lane, Lanes
from webhooks.leases import Ended
from webhooks.models import DeliveryState, Endpoint, Outcome
from webhooks.sender import Attempt

logger = structlog.get_logger(__name__)

LEASE: Final = dt.timedelta(seconds=30)
# An attempt that could outlive its lease is not begun.
LAST_START: Final = dt.timedelta(seconds=sender.TIMEOUT_S + 5)
LAST_WAIT: Final = dt.timedelta(seconds=sender.TIMEOUT_S)
IN_HAND: Final = 400
IN_HAND_SLOW: Final = 64
# How often the table is looked at while slow receivers are waited for, and how long results gather before they are written.
POLL_S: Final = 0.2
GATHER_S: Final = 0.1
GATHER: Final = 100
NUMBER_EVERY_S: Final = 1.0


class Dispatcher:
    """Delivers on many threads, of which none touches the database. One a process: it remembers which receivers are slow."""

    def __init__(self, *, clock: Callable[[], dt.datetime], random: Random) -> None:
        """Deliver by `clock`, with `random` for the jitter of retries."""
        self._clock = clock
        self._random = random
        self._lanes = Lanes(self._send)
        self._by_operator: dict[int, Lane] = {}
        self._running = threading.Lock()

    def run(self, *, until: dt.datetime) -> int:
        """Deliver until nothing is due or `until` has come, and then what is in the air; return the number of attempts.

        It ends at most two attempts' time after `until`. Returns 0 at once when this process is at it already. Raises
        `RuntimeError` inside a transaction.
        """
        if not self._running.acquire(blocking=False):
            return 0
        try:
            return self._deliver(until)
        finally:
            self._running.release()

    def close(self) -> None:
        """Wait for what is in the air, and end the threads."""
        self._lanes.close()

    def _deliver(self, until: dt.datetime) -> int:
        attempts, numbered = 0, float("-inf")
        services.park_stopped(at=self._clock())
        while True:
            if time.monotonic() - numbered >= NUMBER_EVERY_S:
                feed.number_events()
                numbered = time.monotonic()
            at = self._clock()
            slow = [lane for lane in self._by_operator.values() if lane.slow and lane.held]
            if at < until:
                self._lease(at=at, slow_room=IN_HAND_SLOW - sum(lane.held for lane in slow))
            elif slow and at < until + LAST_WAIT:
                # While what is in the air to slow receivers comes down, the others go on.
                self._give_back(slow)
                self._lease(at=at, slow_room=0)
            else:
                self._give_back(self._by_operator.values())
            if not any(lane.held for lane in self._by_operator.values()):
                return attempts
            # No receiver is worth holding a connection for.
            connection.close()
            attempts += self._record(self._gather())

    def _lease(self, *, at: dt.datetime, slow_room: int) -> None:
        held = sum(lane.held for lane in self._by_operator.values() if not lane.slow)
        leased = leases.lease(
            lanes=self._by_operator, room=max(0, IN_HAND - held), slow_room=max(0, slow_room), at=at, until=at + LEASE
        )
        self._know({each.operator_id: (each.version, each.failing_since) for each in leased})
        jobs: dict[int, list[Job]] = defaultdict(list)
        for each in leased:
            jobs[each.operator_id].append(each.job)
        for operator_id, own in jobs.items():
            self._lanes.add(self._by_operator[operator_id], own)

    def _know(self, met: dict[int, tuple[int, dt.datetime | None]]) -> None:
        """Have a lane for each operator, with its settings as they are now."""
        changed = [
            operator_id
            for operator_id, (version, _) in met.items()
            if operator_id not in self._by_operator or self._by_operator[operator_id].operator.version != version
        ]
        for operator in Operator.objects.filter(pk__in=changed) if changed else ():
            lane = self._by_operator.setdefault(operator.pk, Lane(operator, slow=met[operator.pk][1] is not None))
            lane.operator = operator
        for operator_id, (_, failing_since) in met.items():
            self._by_operator[operator_id].failing_since = failing_since

    def _send(self, operator: Operator, job: Job) -> Attempt | None:
        at = self._clock()
        if at > job.leased_until - LAST_START:
            return None
        return sender.send(operator=operator, event_id=job.event_id, body=job.body, at=at)

    def _gather(self) -> list[Landed]:
        """Return what has come back, after waiting a moment for it, and for more."""
        held = sum(lane.held for lane in self._by_operator.values())
        landed: list[Landed] = []
        wait_until = time.monotonic() + POLL_S
        try:
            while len(landed) < min(held, GATHER):
                landed.append(self._lanes.landed.get(timeout=max(0, wait_until - time.monotonic())))
                if len(landed) == 1:
                    wait_until = time.monotonic() + GATHER_S
        except queue.Empty:
            pass
        return landed

    def _record(self, landed: Sequence[Landed]) -> int:
        unbegun, ended = [], []
        attempts: dict[int, list[Attempt]] = defaultdict(list)
        for lane, job, future in landed:
            lane.held -= 1
            if defect := future.exception():
                # Its lease lapses. Raised here, it would take down everybody's deliveries with it.
                logger.error("webhook_attempt_broke", event_id=str(job.event_id), exc_info=defect)
            elif (attempt := future.result()) is None:
                unbegun.append(job)
            else:
                ended.append(self._end(job, attempt))
                attempts[lane.operator.pk].append(attempt)
        if unbegun:
            leases.release(jobs=unbegun)
        if ended and (lost := len(ended) - leases.mark(ended=ended)):
            logger.warning("webhook_leases_lost", count=lost)
        for operator_id, own in attempts.items():
            self._judge_endpoint(self._by_operator[operator_id], own)
        return len(ended)

    def _end(self, job: Job, attempt: Attempt) -> Ended:
        match attempt.outcome:
            case Outcome.DELIVERED:
                return Ended(job, attempt, DeliveryState.DELIVERED, 0, None)
            case Outcome.GONE:
                return Ended(job, attempt, DeliveryState.STOPPED, job.failures, None)
        failures = job.failures + 1
        again_at = schedule.next_attempt(
            failures=failures,
            steps_s=settings.LOOTBOX_WEBHOOK_RETRY_S,
            retry_after=attempt.retry_after,
            at=attempt.ended_at,
            random=self._random,
        )
        return Ended(job, attempt, DeliveryState.DUE if again_at else DeliveryState.FAILED, failures, again_at)

    def _judge_endpoint(self, lane: Lane, attempts: Sequence[Attempt]) -> None:
        endpoint = Endpoint.objects.filter(pk=lane.operator.pk)
        latest = max(attempt.ended_at for attempt in attempts)
        if any(attempt.outcome is Outcome.DELIVERED for attempt in attempts):
            if lane.failing_since is not None:
                endpoint.update(failing_since=None)
                lane.failing_since = None
        elif lane.failing_since is None:
            lane.failing_since = min(attempt.started_at for attempt in attempts)
            endpoint.filter(failing_since=None).update(failing_since=lane.failing_since)
        elif latest - lane.failing_since >= services.GIVE_UP_AFTER:
            self._stop(lane, Endpoint.Reason.FAILING, at=latest)
        if any(attempt.outcome is Outcome.GONE for attempt in attempts):
            self._stop(lane, Endpoint.Reason.GONE, at=latest)

    def _stop(self, lane: Lane, reason: Endpoint.Reason, *, at: dt.datetime) -> None:
        self._give_back([lane])
        services.stop_endpoint(operator_id=lane.operator.pk, reason=reason, at=at)

    def _give_back(self, lanes: Iterable[Lane]) -> None:
        jobs = []
        for lane in lanes:
            own = self._lanes.take_back(lane)
            lane.held -= len(own)
            jobs += own
        if jobs:
            leases.release(jobs=jobs)
