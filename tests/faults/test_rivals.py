"""Catalogue C: the same thing, or two things that exclude each other, at one moment through two web processes."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest

from tests.faults.rig import CATALOGUE, PATIENCE_S, Answer, Rig, Shop, won_item
from tests.faulty_server import Peer, Received, late, reset

pytestmark = pytest.mark.faults

AGES_S: Final = 400 * 86400


def at_once(*jobs: Callable[[], Answer]) -> list[Answer]:
    """Return what all of these answered, started at one moment."""
    barrier = threading.Barrier(len(jobs))

    def run(job: Callable[[], Answer]) -> Answer:
        barrier.wait()
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


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


class TestOneActionId:
    def test_stands_for_one_request_of_one_player_for_ever(self, rig: Rig, shop: Shop) -> None:
        """42 to 46."""
        order = shop.order("sure-item", currency="EUR", mode="open")
        first = shop.purchase(order)
        assert first.status == 200
        other_box = [{"reelIndex": 0, "boxVersionId": shop.versions["sure-cash"]}]
        changes: list[dict[str, Any]] = [
            {"mode": "prepay"},
            {"currency": "USD"},
            {"funding": "operator"},
            {"gameKey": "roulette"},
            {"reels": other_box},
        ]
        for change in changes:
            assert shop.purchase(order | change).code == "IDEMPOTENCY_CONFLICT", change
        assert shop.purchase(order | {"reels": [{"reelIndex": 0.0, "boxVersionId": 1}]}).code == "VALIDATION_FAILED"
        rewritten = json.dumps(dict(reversed(order.items())), indent=3).encode()
        assert shop.send("POST", "/api/s2s/purchase", rewritten).body == first.body
        with rig.odd.clock(AGES_S):
            assert shop.purchase(order, port=rig.odd.port, clock_s=AGES_S).body == first.body
        assert len(shop.wallet.movements) == 1

        other = rig.open_shop()
        mine = order | {"reels": [{"reelIndex": 0, "boxVersionId": other.versions["sure-item"]}]}
        elsewhere = other.purchase(mine)
        assert (elsewhere.status, elsewhere.public_id == first.public_id) == (200, False)
        assert shop.purchase(order | {"playerExternalId": "u_2"}).public_id != first.public_id


class TestALeaseThatEndsAsTheWalletAnswers:
    def test_leaves_one_owner(self, rig: Rig, shop: Shop) -> None:
        """55: the second caller takes over, and both are answered by the wallet at one moment."""
        both = threading.Barrier(2)

        def answer_both(peer: Peer, request: Received) -> None:
            both.wait(20)
            shop.wallet.answer(peer, request)

        shop.server.play(answer_both)
        for turn in range(4):
            order = shop.order()
            with rig.without_recovery(), ThreadPoolExecutor(2) as pool:
                first = pool.submit(shop.purchase, order)
                shop.server.wait_received(2 * turn + 1)
                rig.execute("UPDATE purchases_round SET lease_until = now() WHERE state = 'pending'")
                second = pool.submit(shop.purchase, order)
                assert [first.result().status, second.result().status] == [200, 200]
        assert [movement.asked for movement in shop.wallet.movements.values()] == [2] * 4
        assert shop.wallet.balance("u_1") == 1_000_000 - 4 * 500


def rotate(shop: Shop, token: str) -> Answer:
    """Rotate the player's seed, again where sixteen purchases kept its row busy for longer than a request may wait."""
    deadline = time.monotonic() + PATIENCE_S
    while (answer := shop.play("fairness/rotate", {}, token=token)).code == "SERVICE_UNAVAILABLE":
        assert time.monotonic() < deadline, answer
    return answer


class TestOnePlayersRush:
    def test_takes_nonces_in_a_row_while_the_seed_is_rotated(self, rig: Rig, shop: Shop) -> None:
        """52 and 53: the invariants say whether a nonce is missing; each round must hold by its revealed seed."""
        shop.purchase(shop.order("harbour"))
        token = shop.log_in()
        with ThreadPoolExecutor(16) as pool:
            jobs = [pool.submit(shop.insist, shop.order("harbour")) for _ in range(60)]
            rotations = [rotate(shop, token)]
            while not all(job.done() for job in jobs):
                rotations.append(rotate(shop, token))
        rotations.append(rotate(shop, token))
        assert {rotation.status for rotation in rotations} == {200}
        answers = [job.result() for job in jobs]
        assert Counter(answer.status for answer in answers) == {200: 60}
        drawn = Counter(answer.round["fairness"]["serverSeedHash"] for answer in answers)
        assert len(drawn) >= 3, "the rotations came too late"
        revealed = [rotation.body["revealed"] for rotation in rotations]
        assert sum(each["rounds"] for each in revealed) == 61
        assert {each["serverSeedHash"] for each in revealed} >= set(drawn)
        rig.manage_all(*[["verify_round", answer.public_id] for answer in answers[::6]])


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
        assert {answer.code for answer in answers} == {None}
        assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == 25
        assert sum(key.startswith("refund:") for key in shop.wallet.movements) == 25
        assert shop.wallet.balance("u_1") == 1_000_000


class TestABacklog:
    def test_is_refunded_once_a_round_and_keeps_no_other_operator_waiting(self, rig: Rig, shop: Shop) -> None:
        """37: a wallet was away for a day, a hundred rounds wait for it, and another operator's for its own."""
        other = rig.open_shop()
        lost = shop.wallet.apply_then(reset())
        with rig.without_recovery():
            shop.server.play(lost)
            pending = 0
            while pending < 100:
                # The breaker is there to prevent such a backlog.
                rig.execute("DELETE FROM wallet_breaker")
                answers = at_once(*[lambda: shop.purchase(shop.order())] * min(40, 100 - pending))
                pending += sum("round" in answer.body for answer in answers)
            other.server.play(other.wallet.apply_then(reset()), other.wallet.answer)
            theirs = other.purchase(other.order())
            shop.server.play(late(shop.wallet.answer, seconds=0.1))
            rig.execute("UPDATE purchases_round SET recover_at = now() - interval '26 hours' WHERE state = 'pending'")
            rig.execute(
                "UPDATE purchases_round SET recover_at = now() FROM operators_operator operator "
                "WHERE operator.id = operator_id AND slug = %s AND state = 'pending'",
                other.slug,
            )
        rig.settle_down()
        assert other.status_of(theirs.public_id) == "voided"
        [(later,)] = rig.rows(
            "SELECT count(*) FROM purchases_round WHERE ended_at > ("
            "SELECT ended_at FROM purchases_round round JOIN operators_operator operator ON operator.id = operator_id "
            "WHERE slug = %s)",
            other.slug,
        )
        assert later > 50, "it had to wait for most of the others"
        refunds = [move for key, move in shop.wallet.movements.items() if key.startswith("refund:")]
        assert len(refunds) == 100
        assert {move.asked for move in refunds} == {1}
        assert shop.wallet.balance("u_1") == 1_000_000
