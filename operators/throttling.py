"""How often a key may call (contract section 12)."""

import threading
import time
from typing import ClassVar, Final

import redis
import structlog
from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from operators.authentication import Caller

logger = structlog.get_logger(__name__)

BURST_FACTOR: Final = 5  # 200 a second, with bursts of 1,000
QUIET_AFTER_FAILURE_S: Final = 1.0

# A process may take several requests' worth at once, so that Redis need not be asked for each. What it has left over is void
# after this long: over any time, a key gets no more than the limit allows in that time and this one. It takes as many as it
# used lately, and never more than this part of a second's worth, so that a limit below 40 a second is counted one by one.
LEASE_S: Final = 1.0
LEASE_SHARE: Final = 20

# The generic cell rate algorithm: one number a key, the time at which its bucket will be full again. Answers how many of the
# requests asked for may pass; when none may, the milliseconds to wait, below zero. The clock is the server's, so that all
# processes share it. What is added before rounding down makes up for the clock's precision.
SCRIPT: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + clock[2] / 1000
local step = 1000 / ARGV[1]
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local room = math.floor((now + step * ARGV[2] - full_at) / step + 0.001)
if room < 1 then return -math.max(1, math.ceil(full_at + step - now - step * ARGV[2])) end
local passed = math.min(room, tonumber(ARGV[3]))
redis.call('SET', KEYS[1], full_at + step * passed, 'PX', math.ceil(step * ARGV[2]) + 1000)
return passed
"""


class Lease:
    """The requests of one key that this process may let pass without asking. Times are a monotonic clock's, in seconds."""

    def __init__(self, limit: int) -> None:
        """Start with none, under a limit of so many a second."""
        self.limit = limit
        self.renewing = False
        self._most = max(1, limit // LEASE_SHARE)
        self._taken = self._left = 0
        self._until = 0.0

    def use(self, *, now: float) -> bool:
        """Let one request pass, if there is one left; return whether there was."""
        if now >= self._until or self._left == 0:
            return False
        self._left -= 1
        return True

    def next_size(self, *, now: float) -> int:
        """Return how many to ask for: twice as many as were used up in time, or as many as were used when time was up."""
        used = self._taken - self._left
        return max(1, min(self._most, used if now >= self._until else used * 2))

    def renew(self, passed: int, *, now: float) -> None:
        """Keep what was given, but for the request that it was asked for."""
        self._taken, self._left, self._until = passed, max(0, passed - 1), now + LEASE_S
        self.renewing = False


class PerKey(BaseThrottle):
    """Refuse with `RATE_LIMITED` beyond the operator's rate. Without Redis nothing is limited: purchases go on."""

    _client: redis.Redis | None = None
    _quiet_until = 0.0
    _leases: ClassVar[dict[str, Lease]] = {}
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def allow_request(self, request: Request, view: APIView) -> bool:  # noqa: ARG002 - DRF's signature
        """Return whether the caller's key has a request left."""
        self._wait_s = 0.0
        caller: Caller = request.auth  # type: ignore[assignment]
        limit = settings.LOOTBOX_RATE_LIMIT if caller.operator.rate_limit is None else caller.operator.rate_limit
        now = time.monotonic()
        if limit == 0 or now < PerKey._quiet_until:
            return True
        try:
            self._wait_s = self._take(caller.key.key_id, limit, now) / 1000
        except redis.RedisError:
            # A short silence keeps a dead Redis from costing every request a failed connection.
            PerKey._quiet_until = now + QUIET_AFTER_FAILURE_S
            logger.warning("rate_limit_unavailable")
        return self._wait_s == 0

    def wait(self) -> float:
        """Return the seconds to wait."""
        return self._wait_s

    @classmethod
    def _take(cls, key_id: str, limit: int, now: float) -> int:
        """Take one request's worth of the key; return the milliseconds to wait where there is none."""
        with cls._lock:
            lease = cls._leases.get(key_id)
            if lease is None or lease.limit != limit:
                lease = cls._leases[key_id] = Lease(limit)
            if lease.use(now=now):
                return 0
            # While one thread asks for several, others ask for their own.
            renews, lease.renewing = not lease.renewing, True
            wanted = lease.next_size(now=now) if renews else 1
        passed = 0
        try:
            passed = cls._ask(key_id, limit, wanted)
        finally:
            if renews:
                with cls._lock:
                    lease.renew(max(0, passed), now=now)
        return max(0, -passed)

    @classmethod
    def _ask(cls, key_id: str, limit: int, wanted: int) -> int:
        if cls._client is None:
            cls._client = connect()
        return int(cls._client.eval(SCRIPT, 1, f"rate:{key_id}", limit, limit * BURST_FACTOR, wanted))


def connect() -> redis.Redis:
    """Return a client of the broker's server, with short timeouts: a slow Redis must not slow a purchase."""
    url = settings.REDIS_URL.replace("redis+socket://", "unix://", 1)
    return redis.Redis.from_url(url, socket_timeout=0.25, socket_connect_timeout=0.25)
