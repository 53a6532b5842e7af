"""Catalogue D: PostgreSQL crashes and goes away, the broker dies, clocks are wrong, one wallet is slow."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.load import Load
from tests.faults.rig import Rig, Shop, wait_for
from tests.faulty_server import FaultyServer, Peer, Received, answer, late

pytestmark = pytest.mark.faults


class TestPostgres:
    def test_that_crashes_under_load_loses_no_money(self, rig: Rig, shop: Shop) -> None:
        """57: stopped at once, and started again, in the middle of things."""
        with Load(shop, seed=57, threads=6) as load:
            for _ in range(4):
                bought = load.settled
                wait_for(lambda bought=bought: load.settled >= bought + 5, "purchases go on")  # type: ignore[misc]
                rig.restart_postgres()
        assert load.settled >= 20

    def test_that_is_away_lets_nobody_be_charged(self, rig: Rig, shop: Shop) -> None:
        """59: refused before anything is charged, what was under way is resolved later."""
        shop.purchase(shop.order())
        slow = shop.order()
        shop.server.play(late(shop.wallet.answer, seconds=0.5))
        with ThreadPoolExecutor(2) as pool:
            under_way = pool.submit(shop.purchase, slow)
            shop.server.wait_received(2)
            rig.postgres.ask("crash")
            refused = shop.purchase(shop.order())
            assert refused.status in {500, 503}
            assert under_way.result().status in {0, 500, 503}
            rig.postgres.ask("start")
        assert len(shop.wallet.movements) == 2
        shop.server.play(shop.wallet.answer)
        assert shop.insist(slow).status == 200
        assert shop.wallet.balance("u_1") == 1_000_000 - 1000


class TestTheBroker:
    def test_that_is_dead_or_flushed_at_a_purchase_loses_no_webhook(self, rig: Rig) -> None:
        """63 and 64: purchases go on, and the outbox in PostgreSQL is what deliveries are made from."""
        with FaultyServer(answer(b"")) as receiver:
            shop = rig.open_shop(webhookUrl=receiver.url("/webhooks"))
            dead = [shop.insist(shop.order()) for _ in range(5)]
            assert {answer.status for answer in dead} == {200}
            rig.broker.ask("start")
            flushed = [shop.insist(shop.order()) for _ in range(5)]
            rig.broker.ask("crash")
            rig.broker.ask("start")
            assert {answer.status for answer in flushed} == {200}
            rig.manage("dispatch")
            delivered = [request.body.decode() for request in receiver.received]
            rig.broker.ask("stop")
        for answered in [*dead, *flushed]:
            assert sum(answered.public_id in body and '"round_settled"' in body for body in delivered) == 1


class TestAWrongClock:
    def test_of_one_web_server_makes_no_second_owner(self, rig: Rig, shop: Shop) -> None:
        """68: it refuses signatures, and where it does not, its leases go by the database's clock."""
        webs = {offset_s: rig.start_web(f"clock{offset_s}", FAULT_CLOCK_S=str(offset_s)) for offset_s in (-600, 600)}
        shop.server.play(late(shop.wallet.answer, seconds=0.5))
        for offset_s, (web, port) in webs.items():
            wait_for(lambda port=port: rig.answers(port), "the web server answers")  # type: ignore[misc]
            assert shop.purchase(shop.order(), port=port).code == "TIMESTAMP_SKEW"
            order = shop.order()
            calls = len(shop.server.received)
            with ThreadPoolExecutor(2) as pool:
                there = pool.submit(shop.purchase, order, port=port, clock_s=offset_s)
                shop.server.wait_received(calls + 1)
                here = pool.submit(shop.insist, order)
                assert (there.result().status, here.result().status) == (200, 200)
            web.end()
        assert [movement.asked for movement in shop.wallet.movements.values()] == [1, 1]


class TestOneSlowWallet:
    def test_keeps_no_other_operator_waiting(self, rig: Rig, shop: Shop) -> None:
        """71: thirty purchases hang in one wallet, the pool has six connections a process."""
        other = rig.open_shop()
        other.purchase(other.order())
        released = threading.Event()

        def hang(peer: Peer, request: Received) -> None:
            released.wait(20)
            shop.wallet.answer(peer, request)

        shop.server.play(hang)
        with ThreadPoolExecutor(30) as pool:
            hanging = [pool.submit(shop.purchase, shop.order()) for _ in range(30)]
            shop.server.wait_received(1)
            answers = [other.purchase(other.order()) for _ in range(5)]
            still = sum(not job.done() for job in hanging)
            released.set()
        assert {answer.status for answer in answers} == {200}
        assert still, "the slow wallet was no longer slow"
