"""Catalogue B: wallets that misbehave, each met by one purchase that is retried and by one that is left to recovery."""

import gzip
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import Any

import pytest

from tests.faults.evidence import assert_sound
from tests.faults.rig import WALLET_TIMEOUT_S, Answer, Rig, Shop, won_item
from tests.faulty_server import Act, Peer, Received, answer, drip, endless, framed, never, raw, redirect, reset

pytestmark = pytest.mark.faults

TOO_LATE_S = WALLET_TIMEOUT_S * 1.5
YES = b'{"accepted":true,"balanceAfterMinor":1,"providerTxnRef":"w"}'


def says(**fields: object) -> Act:
    """Return an act that answers this object, whatever was asked."""
    return answer(json.dumps(fields).encode())


def answered_late(shop: Shop) -> Act:
    """Return an act that moves the money at once, and says so too late."""

    def act(peer: Peer, request: Received) -> None:
        decided = shop.wallet.decide(request)
        peer.pause(TOO_LATE_S)
        peer.send(framed(json.dumps(decided).encode()))

    return act


# What the wallet does after it has moved the money, by catalogue number. Nothing of it may be read as an answer.
APPLIED: Mapping[str, Act] = {
    "18 never answers": never(),
    "19 answers 500": answer(b"{}", status=500),
    "19 answers 502 in HTML": answer(b"<html>", status=502, headers={"Content-Type": "text/html"}),
    "19 answers 503 that says accepted": answer(YES, status=503),
    "19 answers 504": answer(b"", status=504),
    "23 answers HTML": answer(b"<html>hello</html>"),
    "23 answers nothing": answer(b""),
    "23 answers null": answer(b"null"),
    "23 answers an array": answer(b"[true]"),
    "23 answers an empty object": answer(b"{}"),
    "24 says true in quotes": says(accepted="true"),
    "24 says one": says(accepted=1),
    "25 says both": answer(b'{"accepted":true,"accepted":false}'),
    "26 answers without end": endless(b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n", b" " * 65536),
    "26 answers endless chunks": endless(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"400\r\n" + b" " * 1024 + b"\r\n"
    ),
    "27 drips": drip(framed(YES), gap_s=0.05),
    "28 sends a gzip bomb": answer(gzip.compress(b" " * 10_000_000), headers={"Content-Encoding": "gzip"}),
    "28 is cut short": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + YES),
    "29 sends elsewhere": redirect("http://169.254.169.254/latest", status=302),
    "29 sends elsewhere and repeats": redirect("http://127.0.0.1:1/wallet", status=307),
    "31 resets at once": reset(),
    "31 resets after the head": reset(b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n"),
    "33 refuses with 500": answer(b'{"accepted":false,"errorCode":"BROKEN"}', status=500),
    "34 speaks of another amount": says(accepted=True, amountMinor=1),
    "34 speaks of another currency": says(accepted=True, currency="SEK"),
    "34 speaks of another key": says(accepted=True, idempotencyKey="round:r_0"),
    "38 is too busy for a day": answer(YES, status=429, headers={"Retry-After": "86400"}),
    "38 is too busy for less than no time": answer(YES, status=429, headers={"Retry-After": "-5"}),
}
NOT_APPLIED: Mapping[str, Act] = {
    "20 fails without moving anything": answer(b"{}", status=500),
    "20 hangs up without moving anything": reset(),
}
# What is an answer, odd as it looks.
ACCEPTED: Mapping[str, Act] = {
    "21 answers twice": raw(framed(YES) + framed(b'{"accepted":false}'), close=False),
    "35 has a balance below zero": says(accepted=True, balanceAfterMinor=-5),
    "35 has a balance with a fraction": says(accepted=True, balanceAfterMinor=1.5),
    "35 has a balance in quotes": says(accepted=True, balanceAfterMinor="12"),
    "35 has an enormous balance": says(accepted=True, balanceAfterMinor=10**30),
    "35 has no balance": says(accepted=True),
}


# Each at a few casinos in turn, as a casino takes longer to make than most faults to meet.
CASINOS = 8


@dataclass
class Met:
    """What became of two purchases that met a fault: of the one that was retried, and of the one that was not."""

    shop: Shop
    name: str
    first: Answer
    retried: Answer
    left: Answer

    def balance(self, whose: str) -> int:
        """Return what the player of one of the two has."""
        return self.shop.wallet.balance(f"{whose}: {self.name}")


def meet(shop: Shop, name: str, fault: Act) -> Met:
    """Buy twice while the wallet misbehaves, then retry one of the two purchases."""
    shop.server.play(fault, fault, shop.wallet.answer)
    order = shop.order(playerExternalId=f"retried: {name}")
    first = shop.purchase(order)
    left = shop.purchase(shop.order(playerExternalId=f"left: {name}"))
    return Met(shop, name, first, shop.insist(order), left)


@pytest.fixture(scope="module")
def met(rig: Rig) -> Iterator[Mapping[str, Met]]:
    """Meet all faults, several at once, and then let recovery do its work."""
    faults: dict[str, Callable[[Shop], Act]] = {
        name: lambda shop, fault=fault: shop.wallet.apply_then(fault)  # type: ignore[misc]
        for name, fault in {**APPLIED, **ACCEPTED}.items()
    }
    faults |= {name: lambda _, fault=fault: fault for name, fault in NOT_APPLIED.items()}  # type: ignore[misc]
    faults["17 says yes too late"] = answered_late
    shops = [rig.open_shop() for _ in range(CASINOS)]
    free: SimpleQueue[Shop] = SimpleQueue()
    for shop in shops:
        free.put(shop)

    def meet_somewhere(name: str) -> Met:
        shop = free.get()
        try:
            return meet(shop, name, faults[name](shop))
        finally:
            free.put(shop)

    with rig.without_recovery(), ThreadPoolExecutor(CASINOS) as pool:
        met = dict(zip(faults, pool.map(meet_somewhere, faults), strict=True))
    rig.settle_down()
    yield met
    assert_sound(rig, *shops)


@pytest.mark.parametrize("fault", [*APPLIED, *NOT_APPLIED, "17 says yes too late"])
class TestAWalletThat:
    def test_settles_nothing_until_asked_again(self, met: Mapping[str, Met], fault: str) -> None:
        case = met[fault]
        assert (case.first.status, case.first.code) == (503, "WALLET_UNAVAILABLE")
        assert case.first.body["error"]["moneyMoved"] == "unknown"
        assert case.first.round["status"] == "pending"
        assert case.first.body["balanceAfterMinor"] is None
        assert (case.retried.status, case.retried.public_id) == (200, case.first.public_id)
        assert case.balance("retried") == 1_000_000 - 500

    def test_is_undone_when_nobody_asks_again(self, met: Mapping[str, Met], fault: str) -> None:
        case = met[fault]
        assert case.left.status == 503
        assert case.shop.status_of(case.left.public_id) == "voided"
        assert case.balance("left") == 1_000_000


@pytest.mark.parametrize("oddity", ACCEPTED)
class TestAnOddAnswer:
    def test_is_taken_for_what_it_says(self, met: Mapping[str, Met], oddity: str) -> None:
        case = met[oddity]
        assert (case.first.status, case.left.status) == (200, 200)
        assert case.balance("left") == 1_000_000 - 500
        assert case.shop.wallet.movements[f"round:{case.first.public_id}"].asked == 1

    def test_shows_no_balance_that_makes_no_sense(self, met: Mapping[str, Met], oddity: str) -> None:
        balance: Any = met[oddity].first.body["balanceAfterMinor"]
        assert balance == {"21 answers twice": 1, "35 has a balance below zero": -5}.get(oddity)


class TestARefusal:
    def test_with_an_unknown_code_is_final(self, shop: Shop) -> None:
        """33: the contract makes every refusal final, and passes its code on."""
        shop.wallet.refuse = "MOON_PHASE"
        order = shop.order()
        refused = shop.purchase(order)
        assert (refused.status, refused.code) == (422, "MOON_PHASE")
        shop.wallet.refuse = None
        assert shop.purchase(order).code == "MOON_PHASE"
        assert shop.wallet.balance("u_1") == 1_000_000


def acts_on_every_request(shop: Shop) -> Act:
    """Return an act that takes each request for a new one, whatever its key."""
    numbers = itertools.count()

    def act(peer: Peer, request: Received) -> None:
        body = json.loads(request.body)
        if "idempotencyKey" in body:
            body["idempotencyKey"] += f"#{next(numbers)}"
            request = replace(
                request,
                body=json.dumps(body).encode(),
                headers={**request.headers, "idempotency-key": body["idempotencyKey"]},
            )
        shop.wallet.answer(peer, request)

    return act


def forgets_refusals(shop: Shop) -> Act:
    """Return an act that decides anew what it refused before."""

    def act(peer: Peer, request: Received) -> None:
        decided = shop.wallet.decide(request)
        if decided.get("accepted") is False:
            shop.wallet.movements.pop(json.loads(request.body)["idempotencyKey"], None)
        peer.send(framed(json.dumps(decided).encode()))

    return act


class TestTheCheckBeforeGoingLive:
    def test_is_passed_by_a_wallet_that_keeps_the_rules(self, rig: Rig, shop: Shop) -> None:
        shop.wallet.secret = shop.outbound_secret
        assert rig.complaint("check_wallet", shop.slug, "--player", "u_1") == ""
        assert shop.wallet.balance("u_1") == 1_000_000

    @pytest.mark.parametrize(
        ("broken", "check"),
        [
            (acts_on_every_request, "the same debit twice is one"),  # 22
            (forgets_refusals, "a refusal stays one after a top-up"),  # 32
        ],
    )
    def test_is_not_passed_by_one_that_breaks_them(
        self, rig: Rig, shop: Shop, broken: Callable[[Shop], Act], check: str
    ) -> None:
        shop.server.play(broken(shop))
        said = rig.said("check_wallet", shop.slug, "--player", "u_1")
        assert f"FAILED: {check}" in said
        assert "passed: all is given back" in said
        assert shop.wallet.balance("u_1") == 1_000_000


class TestAClosedAccount:
    """39: what a wallet refuses to credit."""

    def test_leaves_the_player_the_item_and_the_box(self, shop: Shop) -> None:
        item, held = won_item(shop), shop.held()
        shop.wallet.refuse = "ACCOUNT_CLOSED"
        assert shop.cash_out(item).code == "ACCOUNT_CLOSED"
        assert shop.cancel(held).code == "ACCOUNT_CLOSED"
        assert shop.ship(item).status == 201
        assert shop.open(held).status == 200

    def test_is_owed_its_winnings_until_they_land(self, rig: Rig, shop: Shop) -> None:
        closed = answer(b'{"accepted":false,"errorCode":"ACCOUNT_CLOSED"}')
        shop.server.play(shop.wallet.answer, closed, closed, closed, shop.wallet.answer)
        assert shop.purchase(shop.order("sure-cash")).status == 200
        rig.settle_down()
        assert shop.wallet.balance("u_1") == 1_000_000 - 300


class TestAWalletThatCannotBeReached:
    def test_is_asked_for_nothing_and_owes_nothing(self, rig: Rig, shop: Shop) -> None:
        """30: nothing was sent, so nothing is probed."""
        rig.manage("set_operator", shop.slug, "--set=walletUrl=https://127.0.0.1:1/wallet", "--json")
        pending = shop.purchase(shop.order())
        assert (pending.status, pending.body["error"]["moneyMoved"]) == (503, "none")
        rig.manage("set_operator", shop.slug, f"--set=walletUrl={shop.server.url('/wallet')}", "--json")
        rig.settle_down()
        assert shop.status_of(pending.public_id) == "voided"
        assert shop.server.received == []


class TestAWalletThatFlaps:
    def test_loses_nothing_and_is_left_alone_for_a_moment(self, shop: Shop) -> None:
        """36: every third call fails after it moved the money, then all fail."""
        broken = shop.wallet.apply_then(answer(b"", status=503))
        shop.server.play(*[shop.wallet.answer, shop.wallet.answer, broken] * 8, shop.wallet.answer)
        with ThreadPoolExecutor(4) as pool:
            orders = [shop.order("harbour") for _ in range(16)]
            assert [answer.status for answer in pool.map(shop.insist, orders)] == [200] * 16
        shop.server.play(broken)
        for _ in range(5):
            shop.purchase(shop.order())
        calls = len(shop.wallet.movements)
        refused = shop.purchase(shop.order())
        assert (refused.status, refused.body["error"]["moneyMoved"]) == (503, "none")
        assert int(refused.headers["Retry-After"]) >= 1
        assert len(shop.wallet.movements) == calls

    def test_is_asked_for_credits_all_the_same(self, rig: Rig, shop: Shop) -> None:
        held = shop.held()
        shop.server.play(answer(b"", status=500))
        for _ in range(5):
            shop.purchase(shop.order())
        assert shop.cancel(held).code == "WALLET_UNAVAILABLE"
        shop.server.play(shop.wallet.answer)
        rig.settle_down()
        assert shop.status_of(held) == "refunded"


class TestAWalletThatMoves:
    def test_is_asked_at_its_new_address_under_the_old_keys(self, rig: Rig, shop: Shop) -> None:
        """40: address and secret change while a debit's fate is unknown."""
        shop.server.play(shop.wallet.apply_then(reset()), shop.wallet.answer)
        order = shop.order()
        pending = shop.purchase(order)
        before = len(shop.server.received)
        rig.manage("rotate_outbound_secret", shop.slug, "--json")
        rig.manage("set_operator", shop.slug, f"--set=walletUrl={shop.server.url('/elsewhere')}", "--json")
        assert shop.insist(order).public_id == pending.public_id
        assert {request.target for request in shop.server.received[before:]} == {"/elsewhere"}
        first, again = shop.server.received[before - 1], shop.server.received[before]
        assert first.body == again.body
        assert first.headers["x-signature"] != again.headers["x-signature"]
        assert len(shop.wallet.movements) == 1
