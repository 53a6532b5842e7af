"""Catalogue C: the same thing, or two things that exclude each other, at one moment through two web processes."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.rig import CATALOGUE, Answer, Rig, Shop
from tests.faulty_server import late, reset

pytestmark = pytest.mark.faults


def at_once(*jobs: Callable[[], Answer]) -> list[Answer]:
    """Return what all of these answered, started at one moment."""
    barrier = threading.Barrier(len(jobs))

    def run(job: Callable[[], Answer]) -> Answer:
        barrier.wait()
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def won_item(shop: Shop) -> int:
    """Return an item that the player has won."""
    item: int = shop.insist(shop.order("sure-item")).round["wonItems"][0]["inventoryItemId"]
    return item


class TestAHundredDuplicates:
    def test_are_one_purchase(self, shop: Shop) -> None:
        """41."""
        shop.server.play(late(shop.wallet.answer, seconds=0.3))
        order = shop.order()
        answers = at_once(*[lambda: shop.purchase(order)] * 100)
        assert {answer.code for answer in answers} <= {None, "ACTION_IN_PROGRESS"}
        assert len({answer.public_id for answer in answers if answer.code is None}) == 1
        assert all("Retry-After" in answer.headers for answer in answers if answer.code)
        assert [movement.asked for movement in shop.wallet.movements.values()] == [1]


class TestTwoCashouts:
    def test_of_one_item_pay_once(self, shop: Shop) -> None:
        """47."""
        for _ in range(5):
            item = won_item(shop)
            answers = at_once(*[lambda item=item: shop.cash_out(item)] * 4)
            assert {answer.code for answer in answers} <= {None, "ACTION_IN_PROGRESS"}
            assert shop.wallet.movements[f"cashback:inventory:{item}"].amount_minor == 120


class TestACashoutAgainstAShipment:
    def test_has_one_winner(self, rig: Rig, shop: Shop) -> None:
        """48."""
        outcomes = []
        for _ in range(8):
            item = won_item(shop)
            answers = at_once(lambda item=item: shop.cash_out(item), lambda item=item: shop.ship(item))  # type: ignore[misc]
            outcomes.append(Counter(answer.code for answer in answers)[None])
        assert outcomes == [1] * 8

    def test_whose_answer_was_lost_is_refused_to_the_shipment(self, rig: Rig, shop: Shop) -> None:
        """49."""
        item = won_item(shop)
        with rig.without_recovery():
            shop.server.play(shop.wallet.apply_then(reset()), shop.wallet.answer)
            assert shop.cash_out(item).code == "WALLET_UNAVAILABLE"
            assert shop.ship(item).code == "INVENTORY_NOT_SHIPPABLE"
        rig.settle_down()
        assert shop.ship(item).code == "INVENTORY_NOT_SHIPPABLE"
        assert shop.cash_out(item).status == 200
        assert shop.wallet.movements[f"cashback:inventory:{item}"].answer["accepted"]


class TestACancelWhoseAnswerWasLost:
    def test_keeps_the_box_shut(self, rig: Rig, shop: Shop) -> None:
        """50."""
        held = shop.held()
        with rig.without_recovery():
            shop.server.play(shop.wallet.apply_then(reset()), shop.wallet.answer)
            assert shop.cancel(held).code == "WALLET_UNAVAILABLE"
            assert shop.open(held).code == "ROUND_NOT_HELD"
        rig.settle_down()
        assert shop.open(held).code == "ROUND_NOT_HELD"
        assert shop.status_of(held) == "refunded"


class TestOnePlayersRush:
    def test_takes_nonces_in_a_row_while_the_seed_is_rotated(self, rig: Rig, shop: Shop) -> None:
        """52 and 53: the invariants say whether a nonce is missing, or was drawn on a revealed seed."""
        shop.purchase(shop.order("harbour"))
        launch = shop.post("/api/s2s/launches", {"playerExternalId": "u_1", "gameKey": "mystery_box"})
        assert launch.status in {200, 201}, launch
        with ThreadPoolExecutor(16) as pool:
            jobs = [pool.submit(shop.purchase, shop.order("harbour")) for _ in range(60)]
            assert Counter(job.result().status for job in jobs) == {200: 60}
        assert rig.rows(
            "SELECT count(DISTINCT nonce) FROM purchases_round round JOIN operators_operator operator "
            "ON operator.id = round.operator_id WHERE operator.slug = %s",
            shop.slug,
        ) == [(61,)]


class TestPublishing:
    def test_lets_every_purchase_settle_on_its_version_or_not_at_all(self, rig: Rig, shop: Shop) -> None:
        """54."""
        orders = [shop.order("harbour") for _ in range(30)]
        with ThreadPoolExecutor(6) as pool:
            jobs = [pool.submit(shop.purchase, order) for order in orders]
            changed = json.loads(json.dumps(CATALOGUE))
            changed["boxes"][0]["priceMinor"] = 700
            catalogue = rig.home / "changed.json"
            catalogue.write_text(json.dumps(changed))
            rig.manage("import_boxes", shop.slug, str(catalogue), "--json")
            answers = [job.result() for job in jobs]
        assert {answer.code for answer in answers} <= {None, "BOX_NOT_PLAYABLE"}
        assert {answer.round["betMinor"] for answer in answers if answer.code is None} <= {500}


class TestEveryCancelTwice:
    def test_refunds_once(self, shop: Shop) -> None:
        """56."""
        held = [shop.held() for _ in range(25)]
        with ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(shop.cancel, [*held, *held]))
        assert {answer.code for answer in answers} <= {None, "ROUND_NOT_REFUNDABLE"}
        assert sum(key.startswith("refund:") for key in shop.wallet.movements) == 25
        assert shop.wallet.balance("u_1") == 1_000_000


class TestTwoRecoveryWorkers:
    def test_refund_each_of_a_hundred_rounds_once(self, rig: Rig, shop: Shop) -> None:
        lost = late(shop.wallet.apply_then(reset()), seconds=0.3)
        with rig.without_recovery():
            shop.server.play(lost)
            pending = 0
            while pending < 100:
                # The breaker is there to prevent such a backlog.
                rig.execute("DELETE FROM wallet_breaker")
                answers = at_once(*[lambda: shop.purchase(shop.order())] * min(40, 100 - pending))
                pending += sum("round" in answer.body for answer in answers)
            shop.server.play(shop.wallet.answer)
        rig.settle_down()
        refunds = [move for key, move in shop.wallet.movements.items() if key.startswith("refund:")]
        assert len(refunds) == 100
        assert {move.asked for move in refunds} == {1}
        assert shop.wallet.balance("u_1") == 1_000_000
