"""Reliability catalogue 63-65, 67: real Celery workers and a real broker die, and no delivery is lost or forgotten."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from celery import Celery
from django.db import connection, transaction
from django.utils import timezone

from lootbox import embedded
from lootbox.embedded import EmbeddedBroker
from operators.models import Operator
from operators.services import NewOperator
from tests.factories.webhooks import make_deliveries
from tests.faulty_server import FaultyServer, Peer, Received, answer
from tests.services.webhooks.cast import listening
from webhooks import outbox
from webhooks.models import Delivery, DeliveryAttempt, EventType
from webhooks.nudge import DISPATCH

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_S = 60

pytestmark = pytest.mark.faults


class Queue:
    """A broker of the test's own, and the workers that hang on it."""

    def __init__(self, home: Path) -> None:
        self.socket = embedded.broker_socket(home)
        self._app = Celery("test", broker=embedded.broker_url(home), set_as_current=False)
        self._workers: list[subprocess.Popen[bytes]] = []
        database = connection.settings_dict
        self._environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "lootbox.settings",
            "DATABASE_URL": f"postgres://{database['USER']}@:5432/{database['HOST']}/{database['NAME']}",
            "REDIS_URL": embedded.broker_url(home),
            "LOOTBOX_ALLOW_PRIVATE_URLS": "true",
        }

    def start_worker(self) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-m",
            "celery",
            "-A",
            "lootbox.celery",
            "worker",
            "--concurrency",
            "1",
            "--loglevel",
            "ERROR",
        ]
        name = f"w{len(self._workers)}@test"
        command += ["--hostname", name, "--without-gossip", "--without-mingle"]
        worker = subprocess.Popen(command, cwd=ROOT, env=self._environment, start_new_session=True)
        self._workers.append(worker)
        while not self._app.control.inspect([name], timeout=0.5).ping():
            assert worker.poll() is None, "the worker ended"
        return worker

    def kill(self, worker: subprocess.Popen[bytes]) -> None:
        """Kill the worker and its child at once, with no chance to tidy up."""
        if worker.poll() is None:
            os.killpg(worker.pid, 9)
        worker.wait()

    def tick(self) -> None:
        """Do what the schedule does every second."""
        self._app.send_task(DISPATCH, expires=5)

    def wait_delivered(self, operator: Operator, count: int) -> None:
        """Wait until this many are delivered, ticking as the schedule would."""
        deadline = time.monotonic() + PATIENCE_S
        while Delivery.objects.filter(operator=operator, state="delivered").count() < count:
            assert time.monotonic() < deadline, "not delivered"
            self.tick()
            time.sleep(0.2)

    def end(self) -> None:
        for worker in self._workers:
            self.kill(worker)
        self._app.close()


@pytest.fixture
def queue(transactional_db: None, tmp_path: Path) -> Iterator[Queue]:
    with EmbeddedBroker(tmp_path):
        queue = Queue(tmp_path)
        yield queue
        queue.end()


@pytest.fixture
def receiver() -> Iterator[FaultyServer]:
    with FaultyServer(answer(b"")) as server:
        yield server


@pytest.fixture
def operator(acme: NewOperator, receiver: FaultyServer) -> Operator:
    return listening(acme.operator, receiver)


class TestAWorker:
    def test_killed_in_mid_delivery_loses_nothing(self, queue: Queue, operator: Operator, receiver: FaultyServer) -> None:
        def hold(peer: Peer, _: Received) -> None:
            peer.wait_gone()

        receiver.play(hold)
        (delivery,) = make_deliveries(operator, 1)
        worker = queue.start_worker()
        queue.tick()
        receiver.wait_received(1)
        queue.kill(worker)
        delivery.refresh_from_db()
        assert delivery.state == "due"
        assert delivery.leased_until is not None

        receiver.play(answer(b""))
        # Half a minute passes.
        Delivery.objects.filter(pk=delivery.pk).update(leased_until=timezone.now())
        queue.start_worker()
        queue.wait_delivered(operator, 1)
        first, second = receiver.received
        assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
        assert DeliveryAttempt.objects.count() == 1, "the attempt that died was never written down"


class TestRedis:
    def test_flushed_forgets_no_delivery(self, queue: Queue, operator: Operator, receiver: FaultyServer) -> None:
        make_deliveries(operator, 20)
        queue.tick()
        with redis.Redis(unix_socket_path=str(queue.socket)) as client:
            assert client.dbsize() > 0
            client.flushall()
        queue.start_worker()
        queue.wait_delivered(operator, 20)
        assert len(receiver.received) == 20

    def test_out_of_reach_stops_no_commit(self, queue: Queue, operator: Operator, receiver: FaultyServer) -> None:
        event = outbox.prepare(
            type=EventType.ROUND_HELD, subject="", player_external_id="u", data={"round": {}}, at=timezone.now()
        )
        with transaction.atomic():
            outbox.record(operator=operator, event=event, at=timezone.now())
        queue.start_worker()
        queue.wait_delivered(operator, 1)


class TestManyDispatchers:
    def test_send_nothing_twice(self, queue: Queue, operator: Operator, receiver: FaultyServer) -> None:
        make_deliveries(operator, 300)
        for _ in range(2):
            queue.start_worker()
        for _ in range(10):
            queue.tick()
        queue.wait_delivered(operator, 300)
        assert len(receiver.received) == 300
        assert DeliveryAttempt.objects.count() == 300
