"""Contract section 12: how often a key may call, counted in Redis and handed to processes in small shares."""

import time

import pytest
from django.test import Client
from django.utils import timezone

from operators import services
from operators.services import NewOperator
from operators.throttling import BURST_FACTOR, LEASE_S, Lease, PerKey
from tests.signed import SignedClient


class TestALease:
    def test_of_a_small_limit_is_one_request(self) -> None:
        lease = Lease(39)
        for _ in range(10):
            assert lease.next_size(now=0.0) == 1
            lease.renew(1, now=0.0)
            assert not lease.use(now=0.0), "the one that was given is the one that was asked for"

    def test_grows_while_it_is_used_up_in_time(self) -> None:
        lease = Lease(200)
        sizes = []
        for _ in range(6):
            sizes.append(size := lease.next_size(now=0.5))
            lease.renew(size, now=0.0)
            assert [lease.use(now=0.5) for _ in range(size)] == [True] * (size - 1) + [False]
        assert sizes == [1, 2, 4, 8, 10, 10], "never more than a twentieth of a second's worth"

    def test_shrinks_to_what_was_used_before_it_was_void(self) -> None:
        lease = Lease(200)
        lease.renew(10, now=0.0)
        assert lease.use(now=0.5)
        assert not lease.use(now=LEASE_S)
        assert lease.next_size(now=LEASE_S) == 2

    def test_that_was_refused_lets_nothing_pass(self) -> None:
        lease = Lease(200)
        lease.renew(0, now=0.0)
        assert not lease.use(now=0.0)
        assert lease.next_size(now=0.0) == 1


class Process(PerKey):
    """Another process than this one, as far as leases go."""


def passed(processes: list[type[PerKey]], *, key: str, limit: int) -> tuple[int, float]:
    """Ask for three bursts' worth, the processes taking turns; return how many passed and for how many seconds it took."""
    began = time.monotonic()
    turns = range(limit * BURST_FACTOR * 3)
    waits = [processes[turn % len(processes)]._take(key, limit, time.monotonic()) for turn in turns]
    return waits.count(0), time.monotonic() - began


class TestAKey:
    @pytest.mark.parametrize("limit", [1, 10, 200])
    def test_gets_its_burst_and_what_flows_back_over_all_processes(
        self, monkeypatch: pytest.MonkeyPatch, acme: NewOperator, limit: int
    ) -> None:
        monkeypatch.setattr(Process, "_leases", {})
        count, took_s = passed([PerKey, Process], key=acme.key.key_id, limit=limit)
        left_over = 2 * (limit // 20)
        assert limit * BURST_FACTOR - left_over <= count <= limit * (BURST_FACTOR + took_s) + 1

    def test_beyond_its_rate_is_told_when_to_come_back(self, acme: NewOperator, s2s: SignedClient) -> None:
        services.change_settings(operator=acme.operator, changes={"rateLimit": "1"}, at=timezone.now())
        for _ in range(2 * BURST_FACTOR):
            PerKey._take(acme.key.key_id, 1, time.monotonic())
        refused = s2s.get("/api/s2s/health")
        assert (refused.status, refused.code) == (429, "RATE_LIMITED")
        assert int(refused.headers["Retry-After"]) >= 1
        assert refused.body["error"]["retryable"] is True

    def test_is_limited_by_what_was_set_a_moment_ago(self, acme: NewOperator, s2s: SignedClient, boxes: dict[str, int]) -> None:
        services.change_settings(operator=acme.operator, changes={"rateLimit": "1"}, at=timezone.now())
        for _ in range(2 * BURST_FACTOR):
            PerKey._take(acme.key.key_id, 1, time.monotonic())
        assert s2s.post("/api/s2s/purchase", {}).code == "RATE_LIMITED"
        services.change_settings(operator=acme.operator, changes={"rateLimit": "0"}, at=timezone.now())
        assert s2s.post("/api/s2s/purchase", {}).code == "VALIDATION_FAILED"

    def test_that_nobody_holds_costs_no_request_of_anybody(self) -> None:
        assert Client().get("/api/s2s/health").status_code == 401
