"""Contract section 7: a reader who goes on from where he was misses nothing, whatever is committed meanwhile."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from random import Random
from time import sleep

from django.db import connection, transaction

from operators.models import Operator
from operators.services import NewOperator
from tests.factories.webhooks import EventFactory
from webhooks import feed, services
from webhooks.models import Endpoint, Event


def sequences(operator: Operator) -> list[int | None]:
    return list(Event.objects.filter(operator=operator).order_by("sequence").values_list("sequence", flat=True))


@contextmanager
def uncommitted_event(operator: Operator) -> Iterator[Event]:
    """Yield an event that another connection has stored, and commits only after the block."""
    stored, commit, made = threading.Event(), threading.Event(), []

    def store() -> None:
        try:
            with transaction.atomic():
                made.append(EventFactory.create(operator=operator))
                stored.set()
                commit.wait(10)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        storing = pool.submit(store)
        stored.wait(10)
        try:
            yield made[0]
        finally:
            commit.set()
        storing.result()


class TestTheFeed:
    def test_shows_an_event_that_was_committed_late_behind_those_already_seen(self, acme: NewOperator) -> None:
        with uncommitted_event(acme.operator) as late:
            early = EventFactory.create(operator=acme.operator)
            assert late.pk < early.pk
            first = services.read_feed(operator=acme.operator, after=None, limit=10)
        assert first.bodies == [early.body]
        numbered = Event.objects.get(pk=early.pk)
        second = services.read_feed(operator=acme.operator, after=_public(numbered), limit=10)
        assert second.bodies == [late.body]
        assert sequences(acme.operator) == [1, 2]

    def test_would_miss_it_if_it_went_by_id(self, acme: NewOperator) -> None:
        """The control: the same reader, but with the highest id as his mark. If this fails, the test above shows nothing."""
        with uncommitted_event(acme.operator) as late:
            early = EventFactory.create(operator=acme.operator)
            seen = list(Event.objects.order_by("id"))
        assert seen == [early]
        assert late not in Event.objects.filter(pk__gt=early.pk)

    def test_has_no_gap_and_no_repeat_under_concurrent_commits_rollbacks_and_numberers(self, acme: NewOperator) -> None:
        stopping = threading.Event()

        def store(seed: int) -> int:
            random, committed = Random(seed), 0  # noqa: S311 - timing
            try:
                for _ in range(25):
                    with transaction.atomic():
                        EventFactory.create(operator=acme.operator)
                        sleep(random.random() / 200)
                        rollback = random.random() < 0.2
                        transaction.set_rollback(rollback)
                    committed += not rollback
            finally:
                connection.close()
            return committed

        def number() -> None:
            try:
                while not stopping.is_set():
                    feed.number_events()
            finally:
                connection.close()

        def read() -> list[bytes]:
            seen: list[bytes] = []
            after = None
            try:
                last_round = False
                while True:
                    page = services.read_feed(operator=acme.operator, after=after, limit=7)
                    seen += page.bodies
                    if page.bodies:
                        after = _id_in(page.bodies[-1])
                    elif last_round:
                        return seen
                    else:
                        last_round = stopping.is_set()
            finally:
                connection.close()

        with ThreadPoolExecutor(8) as pool:
            numberers = [pool.submit(number) for _ in range(2)]
            readers = [pool.submit(read) for _ in range(2)]
            committed = sum(pool.map(store, range(4)))
            stopping.set()
            for numberer in numberers:
                numberer.result()
            for reader in readers:
                bodies = reader.result()
                assert len(bodies) == len(set(bodies)) == committed
        feed.number_events()
        assert sequences(acme.operator) == list(range(1, committed + 1))
        assert Endpoint.objects.get(pk=acme.operator.pk).last_sequence == committed

    def test_is_numbered_for_each_operator_by_itself(self, acme: NewOperator, stranger: NewOperator) -> None:
        for operator in (acme.operator, stranger.operator, acme.operator):
            EventFactory.create(operator=operator)
        assert feed.number_events() == 3
        assert feed.number_events() == 0
        assert (sequences(acme.operator), sequences(stranger.operator)) == ([1, 2], [1])

    def test_is_numbered_batch_by_batch(self, acme: NewOperator, monkeypatch: object) -> None:
        monkeypatch.setattr(feed, "BATCH", 10)  # type: ignore[attr-defined]
        Event.objects.bulk_create(EventFactory.build_batch(25, operator=acme.operator))
        assert feed.number_events(operator_id=acme.operator.pk) == 25
        assert sequences(acme.operator) == list(range(1, 26))


def _public(event: Event) -> str:
    return _id_in(bytes(event.body))


def _id_in(body: bytes) -> str:
    return body.decode().split('"')[3]
