"""How often a key may call (contract section 12)."""

import time
from typing import Final

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

# The generic cell rate algorithm: one number a key, the time at which its bucket will be full again. Answers 0 when the request
# may pass, else the milliseconds to wait. The clock is the server's, so that all processes share it.
SCRIPT: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + clock[2] / 1000
local step = 1000 / ARGV[1]
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local wait = full_at + step - now - step * ARGV[2]
if wait > 0 then return math.ceil(wait) end
redis.call('SET', KEYS[1], full_at + step, 'PX', math.ceil(step * ARGV[2]) + 1000)
return 0
"""


class PerKey(BaseThrottle):
    """Refuse with `RATE_LIMITED` beyond the operator's rate. Without Redis nothing is limited: purchases go on."""

    _client: redis.Redis | None = None
    _quiet_until = 0.0

    def allow_request(self, request: Request, view: APIView) -> bool:  # noqa: ARG002 - DRF's signature
        """Return whether the caller's key has a request left."""
        self._wait_s = 0.0
        caller: Caller = request.auth  # type: ignore[assignment]
        limit = settings.LOOTBOX_RATE_LIMIT if caller.operator.rate_limit is None else caller.operator.rate_limit
        if limit == 0 or time.monotonic() < PerKey._quiet_until:
            return True
        try:
            self._wait_s = self._ask(caller.key.key_id, limit) / 1000
        except redis.RedisError:
            # A short silence keeps a dead Redis from costing every request a failed connection.
            PerKey._quiet_until = time.monotonic() + QUIET_AFTER_FAILURE_S
            logger.warning("rate_limit_unavailable")
        return self._wait_s == 0

    def wait(self) -> float:
        """Return the seconds to wait."""
        return self._wait_s

    @classmethod
    def _ask(cls, key_id: str, limit: int) -> int:
        if cls._client is None:
            cls._client = connect()
        answer = cls._client.eval(SCRIPT, 1, f"rate:{key_id}", limit, limit * BURST_FACTOR)
        return int(answer)


def connect() -> redis.Redis:
    """Return a client of the broker's server, with short timeouts: a slow Redis must not slow a purchase."""
    url = settings.REDIS_URL.replace("redis+socket://", "unix://", 1)
    return redis.Redis.from_url(url, socket_timeout=0.25, socket_connect_timeout=0.25)
