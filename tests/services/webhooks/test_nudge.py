"""Waking a dispatcher is a hint, and no purchase waits for it or notices when it fails."""

import threading
from typing import Any

import pytest
from celery import current_app
from kombu.exceptions import OperationalError

from webhooks import nudge
from webhooks.nudge import DISPATCH
from webhooks.tasks import dispatch


class Calls:
    """Stands in for the way to the broker: keeps what is sent, and can be out of order or very slow."""

    def __init__(self, fail: int = 0) -> None:
        self.sent: list[str] = []
        self.answer = threading.Event()
        self.change = threading.Condition()
        self._failures = fail

    def __call__(self, name: str, **options: Any) -> None:
        assert options["retry"] is False
        assert options["expires"] > 0
        with self.change:
            self.sent.append(name)
            self.change.notify_all()
        self.answer.wait(10)
        if len(self.sent) <= self._failures:
            raise OperationalError

    def wait(self, count: int) -> None:
        with self.change:
            assert self.change.wait_for(lambda: len(self.sent) >= count, 10)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    calls = Calls()
    monkeypatch.setattr(current_app, "send_task", calls)
    monkeypatch.setattr(nudge, "_nudger", nudge._Nudger())
    monkeypatch.setattr(nudge, "QUIET_AFTER_FAILURE_S", 0)
    return calls


class TestWaking:
    def test_sends_the_dispatchers_name_and_nothing_else(self, calls: Calls) -> None:
        calls.answer.set()
        nudge.wake()
        calls.wait(1)
        assert set(calls.sent) == {DISPATCH} == {dispatch.name}

    def test_returns_at_once_while_the_broker_hangs_and_makes_one_call_of_many(self, calls: Calls) -> None:
        nudge.wake()
        calls.wait(1)
        for _ in range(1000):
            nudge.wake()
        assert len(calls.sent) == 1, "nothing waits for the broker but the one thread"
        calls.answer.set()
        calls.wait(2)

    def test_survives_a_broker_that_is_gone(self, calls: Calls) -> None:
        calls._failures = 1
        calls.answer.set()
        nudge.wake()
        calls.wait(1)
        nudge.wake()
        calls.wait(2)
