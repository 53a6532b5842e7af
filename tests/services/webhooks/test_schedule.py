"""Contract section 11: when a delivery that failed is tried again."""

import datetime as dt
from email.utils import format_datetime
from random import Random

import pytest
from django.conf import settings

from webhooks.schedule import next_attempt

AT = dt.datetime(2026, 6, 3, 12, 0, 5, tzinfo=dt.UTC)


def wait_s(*, failures: int = 1, steps_s: list[float] | None = None, retry_after: str | None = None, seed: int = 0) -> float:
    random = Random(seed)  # noqa: S311 - jitter
    again_at = next_attempt(failures=failures, steps_s=steps_s or [100], retry_after=retry_after, at=AT, random=random)
    assert again_at is not None
    return (again_at - AT).total_seconds()


class TestTheSchedule:
    def test_is_the_contracts_unless_set_otherwise(self) -> None:
        assert settings.LOOTBOX_WEBHOOK_RETRY_S == [5, 30, 120, 600, 3600, 10800, 21600, 43200, 86400, 86400]

    def test_ends_after_its_last_step(self) -> None:
        random = Random(0)  # noqa: S311 - jitter
        assert next_attempt(failures=2, steps_s=[5], retry_after=None, at=AT, random=random) is None
        assert next_attempt(failures=2, steps_s=[5], retry_after="1", at=AT, random=random) is None

    def test_jitters_each_step_by_a_fifth_either_way(self) -> None:
        waits = [wait_s(failures=2, steps_s=[1, 100], seed=seed) for seed in range(1000)]
        assert 80 <= min(waits) < 82
        assert 118 < max(waits) <= 120


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("asked", "least", "most"),
        [
            ("150", 150, 150),
            ("1000000000000", 200, 200),
            ("1", 80, 120),
            ("0", 80, 120),
            (format_datetime(AT + dt.timedelta(seconds=170), usegmt=True), 170, 170),
            (format_datetime(AT - dt.timedelta(days=1), usegmt=True), 80, 120),
            ("-5", 80, 120),
            ("1.5", 80, 120),
            ("²", 80, 120),
            ("soon", 80, 120),
            ("", 80, 120),
            ("Sun, 06 Nov 1994 08:49:37 -0000", 80, 120),
        ],
    )
    def test_puts_the_attempt_off_within_bounds_and_never_brings_it_forward(self, asked: str, least: int, most: int) -> None:
        for seed in range(50):
            assert least <= wait_s(retry_after=asked, seed=seed) <= most
