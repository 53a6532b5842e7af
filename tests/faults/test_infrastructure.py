"""Catalogue D: PostgreSQL crashes, is away or stuck, the broker dies, clocks and names are wrong, one wallet is slow."""

import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psycopg
import pytest

from tests.faults.evidence import assert_sound
from tests.faults.load import Load
from tests.faults.points import CASINOS, NAMES
from tests.faults.recovery import OFFSET_S
from tests.faults.rig import Rig, Shop, wait_for
from tests.faulty_server import FaultyServer, Peer, Received, answer, late, never

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
        shop.server.play(late(shop.wallet.answer, seconds=0.5), shop.wallet.answer)
        with rig.without_recovery(), ThreadPoolExecutor(2) as pool:
            under_way = pool.submit(shop.purchase, slow)
            shop.server.wait_received(2)
            rig.postgres.ask("crash")
            refused = shop.purchase(shop.order())
            assert refused.code == "SERVICE_UNAVAILABLE"
            assert under_way.result().code == "SERVICE_UNAVAILABLE"
            rig.postgres.ask("start")
            assert len(shop.wallet.movements) == 2
            assert shop.insist(slow).status == 200
        assert shop.wallet.balance("u_1") == 1_000_000 - 1000

    def test_whose_answer_is_lost_is_asked_again(self, rig: Rig, shop: Shop) -> None:
        """58: the connection breaks between a commit and its acknowledgement."""
        shop.purchase(shop.order())
        intended = shop.order()
        rig.odd.proxy.cut_after(intended["clientActionId"].encode())
        assert shop.purchase(intended, port=rig.odd.port).code == "SERVICE_UNAVAILABLE"
        rig.odd.proxy.wait_cut()
        assert len(shop.wallet.movements) == 1, "what may be written down is not acted on"
        settled = shop.order()
        rig.odd.proxy.cut_after(b"round_settled")
        lost = shop.purchase(settled, port=rig.odd.port)
        rig.odd.proxy.wait_cut()
        assert (lost.code, lost.body["error"]["moneyMoved"]) == ("SERVICE_UNAVAILABLE", "unknown")
        assert shop.purchase(settled).headers["Idempotent-Replayed"] == "true"
        # As long as its lease holds, the caller is taken for alive.
        with rig.without_recovery():
            assert shop.insist(intended).status == 200
        assert [movement.asked for movement in shop.wallet.movements.values()] == [1, 1, 1]

    def test_that_takes_no_writes_lets_nobody_be_charged(self, rig: Rig, shop: Shop) -> None:
        """60: full, or a replica after a failover, while one debit is on its way."""
        shop.purchase(shop.order())
        slow, refused = shop.order(), shop.order()
        shop.server.play(late(shop.wallet.answer, seconds=1), shop.wallet.answer)
        with rig.without_recovery(), ThreadPoolExecutor(1) as pool:
            under_way = pool.submit(shop.purchase, slow)
            shop.server.wait_received(2)
            with rig.configured("default_transaction_read_only", "on"):
                assert under_way.result().code == "SERVICE_UNAVAILABLE"
                assert shop.purchase(refused).code == "SERVICE_UNAVAILABLE"
            assert len(shop.wallet.movements) == 2
            assert shop.insist(slow).status == 200
        assert shop.insist(refused).status == 200
        assert [movement.asked for movement in shop.wallet.movements.values()] == [1, 2, 1]

    def test_that_is_stuck_holds_nobody_up(self, rig: Rig, shop: Shop) -> None:
        """61: cut off before the debit, and between debit and draw, by a lock and by a statement that does not end."""
        shop.purchase(shop.order())
        order = shop.order()
        with rig.locked("purchases_round"):
            assert shop.purchase(order).code == "SERVICE_UNAVAILABLE"
            assert len(shop.wallet.movements) == 1
        assert shop.insist(order).status == 200
        shop.server.play(late(shop.wallet.answer, seconds=0.5), shop.wallet.answer)
        order = shop.order()
        with ThreadPoolExecutor(1) as pool:
            job = pool.submit(shop.purchase, order)
            shop.server.wait_received(3)
            with rig.locked("fairness_seedpair"):
                assert job.result().code == "SERVICE_UNAVAILABLE"
        assert shop.insist(order).status == 200
        order = shop.order()
        with rig.before_each_draw("PERFORM pg_sleep(10);"):
            assert shop.purchase(order).code == "SERVICE_UNAVAILABLE"
        assert shop.insist(order).status == 200
        assert [movement.asked for movement in shop.wallet.movements.values()] == [1] * 4

    @pytest.mark.parametrize("code", ["40001", "40P01"])
    def test_that_chooses_victims_is_tried_again(self, rig: Rig, shop: Shop, code: str) -> None:
        """62: twice, and if that does not help, the caller tries again."""
        rig.execute("CREATE SEQUENCE IF NOT EXISTS storm")
        rig.execute("ALTER SEQUENCE storm RESTART")
        victim = f"RAISE EXCEPTION 'storm' USING ERRCODE = '{code}';"
        with rig.before_each_draw(f"IF nextval('storm') <= 2 THEN {victim} END IF;"):
            assert shop.purchase(shop.order()).status == 200
        order = shop.order()
        with rig.before_each_draw(victim):
            refused = shop.purchase(order)
            assert (refused.code, refused.body["error"]["moneyMoved"]) == ("SERVICE_UNAVAILABLE", "unknown")
        assert shop.insist(order).status == 200
        assert [movement.asked for movement in shop.wallet.movements.values()] == [1, 1]

    def test_with_somebody_who_locks_the_other_way_round_goes_on(self, rig: Rig, shop: Shop) -> None:
        """62: whoever meets purchases with a round in hand and wants the seed waits for them, and they for him."""
        shop.purchase(shop.order())
        stop = threading.Event()

        def lock_backwards() -> None:
            while not stop.is_set():
                with suppress(psycopg.errors.DeadlockDetected), rig.connect(autocommit=False) as rival:
                    rival.execute("SELECT FROM purchases_round WHERE state = 'pending' FOR UPDATE")
                    rival.execute("SELECT pg_sleep(0.05)")
                    rival.execute("SELECT FROM fairness_seedpair WHERE state = 'active' FOR UPDATE")

        with rig.configured("deadlock_timeout", "20ms"), ThreadPoolExecutor(5) as pool:
            rival = pool.submit(lock_backwards)
            answers = list(pool.map(lambda _: shop.insist(shop.order()), range(16)))
            stop.set()
            rival.result()
        assert {answer.status for answer in answers} == {200}


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


class TestAWorker:
    def test_that_does_not_consume_or_dies_at_it_loses_no_webhook(self, rig: Rig) -> None:
        """65 and 66: what is due is found in PostgreSQL by whoever looks next, and carries the same id."""
        with FaultyServer(answer(b"")) as receiver:
            shop = rig.open_shop(webhookUrl=receiver.url("/webhooks"))
            rig.broker.ask("start")
            celery = ["-m", "celery", "--app", "lootbox", "worker", "--concurrency", "1", "--loglevel", "INFO"]
            worker = rig.start(celery, "celery")
            wait_for(lambda: "ready." in worker.log.read_text(), "the worker consumes")
            worker.signal_all(signal.SIGSTOP)
            idle = shop.purchase(shop.order())
            rig.manage("dispatch")
            assert [idle.public_id in request.body.decode() for request in receiver.received] == [True]
            worker.signal_all(signal.SIGCONT)
            receiver.play(never(), answer(b""))
            died = shop.purchase(shop.order())
            receiver.wait_received(2)
            worker.signal_all(signal.SIGKILL)
            # Its lease has half a minute to go.
            rig.execute("UPDATE webhooks_delivery SET leased_until = now() WHERE leased_until > now()")
            rig.manage("dispatch")
            assert [died.public_id in request.body.decode() for request in receiver.received] == [False, True, True]
            first, again = receiver.received[1:]
            assert first.headers["webhook-id"] == again.headers["webhook-id"]
            assert first.body == again.body
            rig.broker.ask("stop")


class TestAWrongClock:
    def test_of_one_web_server_makes_no_second_owner(self, rig: Rig, shop: Shop) -> None:
        """68: it refuses signatures, and where it does not, its leases go by the database's clock."""
        shop.server.play(late(shop.wallet.answer, seconds=0.5))
        port = rig.odd.port
        for offset_s in (-600, 600):
            with rig.odd.clock(offset_s):
                assert shop.purchase(shop.order(), port=port).code == "TIMESTAMP_SKEW"
                order = shop.order()
                calls = len(shop.server.received)
                with ThreadPoolExecutor(2) as pool:
                    there = pool.submit(shop.purchase, order, port=port, clock_s=offset_s)
                    shop.server.wait_received(calls + 1)
                    here = pool.submit(shop.insist, order)
                    assert (there.result().status, here.result().status) == (200, 200)
        assert [movement.asked for movement in shop.wallet.movements.values()] == [1, 1]

    def test_of_recovery_puts_nothing_off(self, rig: Rig, shop: Shop) -> None:
        """69: it lives in the year after next, and what it tries again is due when the database says so."""
        shop.server.play(answer(b"", status=500))
        with rig.without_recovery():
            pending = shop.purchase(shop.order())
            ahead = rig.start(["-m", "tests.faults.recovery", "1"], "ahead", environment={OFFSET_S: str(400 * 86400)})
            wait_for(lambda: len(shop.server.received) >= 3, "it asks again")
            assert rig.rows("SELECT id FROM purchases_round WHERE recover_at > now() + interval '1 minute'") == []
            shop.server.play(shop.wallet.answer)
            rig.settle_down()
            ahead.end()
        assert shop.status_of(pending.public_id) == "voided"


class TestNamesThatAreNotResolved:
    @pytest.mark.parametrize("dial", ["none", "slow"])
    def test_charge_nobody(self, rig: Rig, dial: str) -> None:
        """70: nothing was sent, within the time of a wallet call, and the next purchase finds the name again."""
        shop = rig.open_shop()
        rig.manage("set_operator", shop.slug, f"--set=walletUrl=http://wallet{CASINOS}:{shop.server.port}/wallet")
        rig.dial(NAMES, dial)
        try:
            refused = shop.purchase(shop.order())
        finally:
            rig.dial(NAMES)
        assert (refused.code, refused.body["error"]["moneyMoved"]) == ("WALLET_UNAVAILABLE", "none")
        assert_sound(rig, shop)
        assert shop.status_of(refused.public_id) == "voided"
        assert shop.server.received == []
        assert shop.purchase(shop.order()).status == 200


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
