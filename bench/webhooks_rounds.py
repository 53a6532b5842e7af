"""The rounds of `bench/webhooks.py`. Prints a list of name, ratio and goal.

Both sides run as a real Celery worker with two processes over the same broker, database and receiver, and do the same: read the
row, sign the body, POST it, write down the attempt. The peer is Celery and Django with their own defaults; its messages are
queued before its clock starts.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from random import Random
from statistics import median

import django

django.setup()

from django.core.management import call_command  # noqa: E402 - needs the set-up
from django.db import connection  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from django.utils import timezone  # noqa: E402

from bench import webhooks_peer as peer  # noqa: E402
from lootbox.celery import app  # noqa: E402
from lootbox.core.ids import new_id  # noqa: E402
from operators import services  # noqa: E402
from operators.models import Operator  # noqa: E402
from webhooks.delivery import Dispatcher  # noqa: E402
from webhooks.lanes import WIDEST  # noqa: E402
from webhooks.models import Delivery, Event  # noqa: E402
from webhooks.nudge import DISPATCH  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 5
OURS, PEERS = 4_000, 150
LATENCY_MS = 20
BODY = b'{"id":"evt_x","type":"round_settled","data":{"round":"%s"}}' % (b"x" * 800)


def run() -> list[tuple[str, float, float]]:
    """Return name, ratio and goal of each part of W1."""
    call_command("migrate", verbosity=0)
    with receiver() as url:
        statements, efficiency = alone(operator("prompt", f"{url}/0"), operator("far", f"{url}/{LATENCY_MS}"))
        beside = operator("beside", f"{url}/0")
        # Each side has its queue: a worker that is asked for a task it doesn't know drops it.
        with worker("lootbox.celery", "lootbox.settings", "celery"), worker(peer.__name__, peer.SETTINGS, peer.IDLE):
            rate(beside, 500, start_ours)
            rate(beside, 20, start_peers)
            rates = [(rate(beside, PEERS, start_peers), rate(beside, OURS, start_ours)) for _ in range(ROUNDS)]
            last = rate(beside, PEERS, start_peers)
    # Each round of ours is held against the peer's before and after it.
    around = zip([theirs for theirs, _ in rates], [*(theirs for theirs, _ in rates[1:]), last], strict=True)
    ratios = [2 * ours / (before + after) for (_, ours), (before, after) in zip(rates, around, strict=True)]
    for theirs, ours in rates:
        print(f"{ours:6.0f} deliveries/s, {theirs:4.0f} with a task for each", file=sys.stderr)
    return [
        ("webhooks: deliveries/s over a Celery task for each", median(ratios), 20.0),
        ("webhooks: SQL statements a delivery, at most", statements, 0.05),
        ("webhooks: deliveries/s over threads/latency at 20 ms", efficiency, 0.6),
    ]


def alone(prompt: Operator, far: Operator) -> tuple[float, float]:
    """Return statements a delivery, and the share of threads/latency that one dispatcher reaches; medians."""
    dispatcher = Dispatcher(clock=timezone.now, random=Random(0))  # noqa: S311 - jitter
    until = timezone.now() + timedelta(hours=1)
    statements, shares = [], []
    for _ in range(ROUNDS):
        fill(prompt, OURS)
        with CaptureQueriesContext(connection) as captured:
            sent = dispatcher.run(until=until)
        statements.append(len(captured) / sent)
        fill(far, 2_000)
        began = time.perf_counter()
        sent = dispatcher.run(until=until)
        shares.append(sent / (time.perf_counter() - began) / (WIDEST * 1000 / LATENCY_MS))
    dispatcher.close()
    return median(statements), median(shares)


def operator(slug: str, url: str) -> Operator:
    """Return a new operator that listens at `url`."""
    made = services.create_operator(
        slug=slug, name=slug, currency="EUR", currencies=[], wallet_url="", webhook_url=url, at=timezone.now()
    )
    return made.operator


def fill(whose: Operator, count: int, *, due_in: timedelta = timedelta()) -> list[str]:
    """Return the ids of new events with a delivery each."""
    now = timezone.now()
    events = [Event(id=new_id(), operator=whose, type="round_settled", body=BODY, occurred_at=now) for _ in range(count)]
    Event.objects.bulk_create(events, batch_size=1000)
    deliveries = [Delivery(event=event, operator=whose, next_attempt_at=now + due_in) for event in events]
    Delivery.objects.bulk_create(deliveries, batch_size=1000)
    return [str(event.pk) for event in events]


def rate(whose: Operator, count: int, start: Callable[[Operator, int], float]) -> float:
    """Return deliveries a second, from the start until the last is written down."""
    began = start(whose, count)
    while Delivery.objects.filter(operator=whose, state="due").exists():
        time.sleep(0.02)
    return count / (time.perf_counter() - began)


def start_ours(whose: Operator, count: int) -> float:
    """Wake both processes of our worker; return when."""
    fill(whose, count)
    began = time.perf_counter()
    for _ in range(2):
        app.send_task(DISPATCH)
    return began


def start_peers(whose: Operator, count: int) -> float:
    """Let the peer's worker at a full queue; return when. No dispatcher of ours takes these up, as they are not due yet."""
    workers = [hostname(peer.__name__)]
    peer.app.control.cancel_consumer(peer.QUEUE, destination=workers, reply=True)
    for event_id in fill(whose, count, due_in=timedelta(days=1)):
        peer.deliver.apply_async((event_id,), queue=peer.QUEUE)
    began = time.perf_counter()
    peer.app.control.add_consumer(peer.QUEUE, destination=workers)
    return began


def hostname(module: str) -> str:
    """Return the name of the module's worker."""
    return f"{module}@bench"


@contextlib.contextmanager
def worker(module: str, settings: str, queue: str) -> Iterator[None]:
    """Have a Celery worker with two processes."""
    name = hostname(module)
    command = [sys.executable, "-m", "celery", "-A", module, "worker", "--concurrency", "2", "--loglevel", "WARNING"]
    command += ["--hostname", name, "--queues", queue]
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": settings}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        while not app.control.inspect([name], timeout=0.5).ping():
            assert process.poll() is None, "a worker ended"
        yield
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def receiver() -> Iterator[str]:
    """Yield the address of a stub that says yes after as many milliseconds as the last part of its path."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        command = [sys.executable, "-m", "bench.wallet_stub", str(listener.fileno())]
        stub = subprocess.Popen(command, cwd=ROOT, pass_fds=[listener.fileno()])
    try:
        yield f"http://127.0.0.1:{port}/hooks"
    finally:
        stub.terminate()
        stub.wait()


if __name__ == "__main__":
    print(json.dumps(run()))
