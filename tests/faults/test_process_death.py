"""Catalogue A: a process dies at every step of the saga, with and without a retry of the caller."""

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

import pytest

from tests.faults import points
from tests.faults.evidence import assert_sound
from tests.faults.rig import Answer, Rig, Shop, wait_for
from tests.faulty_server import Act, Peer, Received

pytestmark = pytest.mark.faults

# Where a web worker dies, by catalogue number; sure-cash has a payout behind its debit.
POINTS = {
    "before-claim": "1 before the intent is committed",
    "claimed": "2 after it, before anything is sent",
    "on-debit": "3 after the request was sent, before the answer",
    "answered": "4 after the answer was read, before it is recorded",
    "settling": "6 and 14 inside the settlement, before its commit",
    "settled": "5 and 8 after the settlement, before the payout is sent",
    "on-payout": "9 while the wallet pays out",
    "paid": "9 after the payout, before it is recorded",
    "responding": "7 before the response",
}
# The points behind the settlement: whoever dies there has bought already.
TOO_LATE = {"settled", "on-payout", "paid", "responding"}
RECOVERY_POINTS = [
    "recovery-claimed",  # 10
    "recording-purchase",  # the probe was answered, and is not recorded
    "recovery-probed",  # 11
    "recovery-refunding",  # the refund is written down, and not sent
    "recording-refund",  # the refund landed, and is not recorded
]
IN_WALLET = {"on-debit": "wallet.debit", "on-payout": "wallet.credit"}


@dataclass
class Casualty:
    """Two purchases whose worker died at one point: one that is retried, and one that is not."""

    shop: Shop
    order: dict[str, object]
    first: Answer
    retried: Answer
    left: Answer
    left_action: str


def kill_on(rig: Rig, shop: Shop, call_type: str) -> Act:
    """Return an act that moves the money and kills the caller before it is answered."""
    armed = threading.Event()

    def act(peer: Peer, request: Received) -> None:
        if not armed.is_set() and f'"{call_type}"'.encode() in request.body:
            armed.set()
            shop.wallet.decide(request)
            rig.kill_web()
        else:
            shop.wallet.answer(peer, request)

    return act


def buy_and_die(rig: Rig, shop: Shop, point: str, order: dict[str, object]) -> Answer:
    """Return what a caller sees whose worker dies at the point."""
    if point in IN_WALLET:
        shop.server.play(kill_on(rig, shop, IN_WALLET[point]))
    else:
        rig.arm(point)
    answer = shop.purchase(order)
    if point not in IN_WALLET:
        rig.wait_reached(point)
    shop.server.play(shop.wallet.answer)
    return answer


@pytest.fixture(scope="module")
def casualties(rig: Rig) -> Iterator[dict[str, Casualty]]:
    """Let workers die at every point, then retry one half, and leave the other to recovery."""
    shops = {point: rig.open_shop() for point in POINTS}
    orders = {point: [shop.order("sure-cash"), shop.order("sure-cash")] for point, shop in shops.items()}
    with rig.without_recovery():
        left = {point: buy_and_die(rig, shop, point, orders[point][1]) for point, shop in shops.items()}
        first = {point: buy_and_die(rig, shop, point, orders[point][0]) for point, shop in shops.items()}
        with ThreadPoolExecutor(len(shops)) as pool:
            retried = dict(zip(shops, pool.map(lambda point: shops[point].insist(orders[point][0]), shops), strict=True))
    rig.settle_down()
    yield {
        point: Casualty(
            shop=shops[point],
            order=orders[point][0],
            first=first[point],
            retried=retried[point],
            left=left[point],
            left_action=orders[point][1]["clientActionId"],
        )
        for point in POINTS
    }
    assert_sound(rig, *shops.values())


@pytest.mark.parametrize("point", POINTS)
class TestAWebWorkerThatDies:
    def test_leaves_a_purchase_that_a_retry_ends(self, casualties: dict[str, Casualty], point: str) -> None:
        casualty = casualties[point]
        assert casualty.first.status == 0, POINTS[point]
        assert casualty.retried.status == 200
        assert casualty.retried.round["status"] == "settled"
        key = f"round:{casualty.retried.public_id}"
        assert casualty.shop.wallet.movements[key].amount_minor == 500
        again = casualty.shop.purchase(casualty.order)
        assert again.body == casualty.retried.body

    def test_leaves_a_purchase_that_recovery_ends(self, rig: Rig, casualties: dict[str, Casualty], point: str) -> None:
        casualty = casualties[point]
        assert casualty.left.status == 0, POINTS[point]
        rows = rig.rows(
            "SELECT round.state FROM purchases_round round JOIN purchases_action action ON action.round_id = round.id "
            "WHERE action.client_action_id = %s",
            casualty.left_action,
        )
        expected = [] if point == "before-claim" else [("settled",)] if point in TOO_LATE else [("voided",)]
        assert rows == expected
        assert casualty.shop.wallet.balance("u_1") == 1_000_000 - 300 * (2 if point in TOO_LATE else 1)


class TestACancelThatDies:
    @pytest.mark.parametrize("point", ["cancel-intended", "recording-refund"])
    def test_is_ended_by_recovery(self, rig: Rig, shop: Shop, point: str) -> None:
        """8 and 9, for a refund: before it is sent, and after it landed."""
        public_id = shop.held()
        with rig.without_recovery():
            rig.arm(point)
            assert shop.cancel(public_id).status == 0
            rig.wait_reached(point)
            assert shop.open(public_id).code == "ROUND_NOT_HELD"
        rig.settle_down()
        assert shop.status_of(public_id) == "refunded"
        assert shop.wallet.balance("u_1") == 1_000_000


class TestARecoveryWorkerThatDies:
    def test_is_made_up_for_by_another(self, rig: Rig, shop: Shop) -> None:
        """10, 11, and every step between: five workers die while they undo five rounds."""
        shop.server.play(*[shop.wallet.apply_then(lambda peer, _: peer.reset())] * 5, shop.wallet.answer)
        with rig.without_recovery():
            pending = [shop.purchase(shop.order()).public_id for _ in range(5)]
            for point in RECOVERY_POINTS:
                rig.arm(point)
        for point in RECOVERY_POINTS:
            rig.wait_reached(point)
        rig.settle_down()
        assert {shop.status_of(public_id) for public_id in pending} == {"voided"}
        assert all(shop.wallet.movements[f"refund:round:{public_id}"].answer["accepted"] for public_id in pending)
        assert shop.wallet.balance("u_1") == 1_000_000

    def test_with_all_others_leaves_a_backlog_that_is_drained(self, rig: Rig, shop: Shop) -> None:
        """12: nobody recovers for a while."""
        with rig.without_recovery():
            shop.server.play(*[shop.wallet.apply_then(lambda peer, _: peer.reset())] * 4, shop.wallet.answer)
            pending = [shop.purchase(shop.order()) for _ in range(4)]
            rig.kill_recovery()
        rig.settle_down()
        assert {shop.status_of(answer.public_id) for answer in pending} == {"voided"}


class TestAZombie:
    @pytest.mark.parametrize("point", ["claimed", "answered"])
    def test_that_wakes_after_a_retry_changes_nothing(self, rig: Rig, shop: Shop, point: str) -> None:
        """15: frozen before the wallet call or before its record, while a retry takes over."""
        with rig.without_recovery(), frozen(rig, shop, point) as zombie:
            settled = shop.insist(zombie.order)
            assert settled.status == 200
        assert zombie.answer().body == settled.body
        assert shop.wallet.balance("u_1") == 1_000_000 - 500

    def test_that_wakes_after_the_undoing_changes_nothing(self, rig: Rig, shop: Shop) -> None:
        """16: frozen before anything was sent, while recovery undoes the round."""
        with frozen(rig, shop, "claimed") as zombie:
            rig.settle_down()
            assert shop.wallet.balance("u_1") == 1_000_000
        late = zombie.answer()
        assert (late.code, late.round["status"]) == ("WALLET_UNAVAILABLE", "voided")
        assert shop.wallet.balance("u_1") == 1_000_000


class Frozen:
    """A purchase whose web worker stands still."""

    def __init__(self, rig: Rig, shop: Shop, point: str) -> None:
        self.order = shop.order()
        self._answers: list[Answer] = []
        # Another worker's heir must answer meanwhile, so the frozen one does not take part in accepting.
        rig.arm(point, points.FREEZE)
        self._thread = threading.Thread(target=lambda: self._answers.append(shop.purchase(self.order)))
        self._thread.start()
        self.process_id = rig.wait_reached(point)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.kill(self.process_id, signal.SIGCONT)

    def answer(self) -> Answer:
        """Return what the caller got when the worker woke up."""
        self._thread.join()
        return self._answers[0]


def frozen(rig: Rig, shop: Shop, point: str) -> Frozen:
    """Return a purchase that is frozen at the point, until the end of the block."""
    return Frozen(rig, shop, point)


class TestARollingRestart:
    def test_breaks_off_no_purchase(self, rig: Rig, shop: Shop) -> None:
        """13: SIGTERM under load; what is under way is finished."""
        slow = threading.Event()

        def act(peer: Peer, request: Received) -> None:
            slow.wait(0.3)
            shop.wallet.answer(peer, request)

        shop.server.play(act)
        orders = [shop.order() for _ in range(24)]
        with ThreadPoolExecutor(12) as pool:
            first = [pool.submit(shop.purchase, order) for order in orders[:12]]
            shop.server.wait_received(12)
            old = rig.web.children()
            rig.web.signal_children(signal.SIGTERM)
            second = [pool.submit(shop.insist, order) for order in orders[12:]]
            assert [job.result().status for job in first] == [200] * 12
            assert [job.result().status for job in second] == [200] * 12
        wait_for(lambda: not set(old) & set(rig.web.children()), "the old workers have ended")
