"""`POST /api/s2s/cashout`, contract section 6: an item for its cashback, once, whatever the wallet does."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from catalog import rates
from catalog.models import Item
from operators import services
from operators.services import NewOperator
from tests.api.test_purchase import buy
from tests.casino_wallet import Casino
from tests.conftest import SURE_ITEM, publish_boxes
from tests.factories.vault import won_items
from tests.faulty_server import Peer, Received, answer, in_turn, late, never, raw, reset
from tests.signed import Answer, SignedClient
from tests.vault_invariants import assert_vault_sound, much_later, recover
from vault.models import InventoryItem
from vault.services import cashing, turns
from vault.services.expiring import expire_items
from wallet import services as wallet
from wallet.models import WalletCall
from wallet.outcomes import Fate, Outcome
from webhooks.models import Event


@pytest.fixture(autouse=True)
def _sound(acme: NewOperator, casino: Casino) -> Iterator[None]:
    yield
    assert_vault_sound(acme.operator, casino)


@pytest.fixture
def item(s2s: SignedClient, boxes: dict[str, int], casino: Casino) -> int:
    """Return an item that player u_1 won, worth 4.80 EUR, cashable for 1.20 EUR."""
    [won] = won_items(s2s, boxes["sure-item"])
    return won


def cash_out(s2s: SignedClient, item: int, **more: Any) -> Answer:
    """Cash an item of player u_1 back."""
    return s2s.post("/api/s2s/cashout", {"playerExternalId": "u_1", "inventoryItemId": item} | more)


def state_of(item: int) -> tuple[str, bool]:
    """Return the item's state, and whether it is locked."""
    row = InventoryItem.objects.get(pk=item)
    return row.state, row.locked_by is not None


def change(acme: NewOperator, **settings: str) -> None:
    """Change Acme's settings, as `set_operator` does."""
    services.change_settings(operator=acme.operator, changes=settings, at=timezone.now())


def set_rate(quote: str, rate: str) -> None:
    """Say what a euro is worth from now on."""
    rates.set_rate(base="EUR", quote=quote, rate=rate, source="test", at=timezone.now())


class TestACashout:
    def test_credits_the_player_and_is_answered_field_for_field(self, s2s: SignedClient, item: int, casino: Casino) -> None:
        cashed = cash_out(s2s, item)
        assert cashed.status == 200
        assert cashed.body == {
            "item": {"inventoryItemId": item, "state": "cashed_back", "cashbackMinor": 120, "currency": "EUR"},
            "balanceAfterMinor": 1_000_120,
        }
        assert "Idempotent-Replayed" not in cashed.headers
        [call] = casino.calls()
        assert call == {
            "type": "wallet.credit",
            "idempotencyKey": f"cashback:inventory:{item}",
            "playerExternalId": "u_1",
            "amountMinor": 120,
            "currency": "EUR",
            "reference": {
                "reason": "cashback",
                "roundPublicId": call["reference"]["roundPublicId"],
                "gameKey": "mystery_box",
                "inventoryItemId": item,
                "itemAmountMinor": 120,
                "itemCurrency": "EUR",
                "baseAmountMinor": 120,
                "baseCurrency": "EUR",
            },
        }
        assert state_of(item) == ("cashed_back", False)

    def test_is_told_by_an_event(self, s2s: SignedClient, item: int) -> None:
        cash_out(s2s, item)
        [event] = s2s.get("/api/s2s/events?limit=200").body["items"][-1:]
        assert (event["type"], event["playerExternalId"]) == ("item_cashed_back", "u_1")
        assert event["data"] == {
            "item": {
                "inventoryItemId": item,
                "itemId": InventoryItem.objects.get(pk=item).item_id,
                "name": "Brass Compass",
                "cashbackMinor": 120,
                "currency": "EUR",
                "state": "cashed_back",
            }
        }

    def test_takes_a_key_of_the_callers(self, s2s: SignedClient, item: int, casino: Casino) -> None:
        assert cash_out(s2s, item, idempotencyKey="My key: 1").status == 200
        assert [call["idempotencyKey"] for call in casino.calls()] == ["My key: 1"]

    def test_answers_the_same_again_and_acts_once(self, s2s: SignedClient, item: int, casino: Casino) -> None:
        first = cash_out(s2s, item)
        for again in (cash_out(s2s, item), cash_out(s2s, item, currency="EUR", idempotencyKey=f"cashback:inventory:{item}")):
            assert (again.status, again.body) == (200, first.body)
            assert again.headers["Idempotent-Replayed"] == "true"
        assert len(casino.calls()) == 1

    def test_is_not_to_be_had_again_otherwise(self, acme: NewOperator, s2s: SignedClient, item: int, casino: Casino) -> None:
        change(acme, currencies="EUR,SEK")
        set_rate("SEK", "11.2345")
        cash_out(s2s, item)
        assert cash_out(s2s, item, idempotencyKey="another").code == "CASHBACK_NOT_AVAILABLE"
        assert cash_out(s2s, item, currency="SEK").code == "CASHBACK_NOT_AVAILABLE"
        assert len(casino.calls()) == 1

    def test_replays_whatever_was_switched_off_since(self, acme: NewOperator, s2s: SignedClient, item: int) -> None:
        first = cash_out(s2s, item)
        change(acme, cashback="false", walletUrl="")
        assert cash_out(s2s, item).body == first.body

    def test_pays_the_operators_rate_where_the_item_has_no_rule(self, acme: NewOperator, s2s: SignedClient, item: int) -> None:
        Item.objects.update(cashback_minor=None)
        change(acme, cashbackRateBps="1001")
        assert cash_out(s2s, item).body["item"]["cashbackMinor"] == 48  # 480 * 0.1001, rounded half up


class TestAnotherCurrency:
    @pytest.mark.parametrize(
        "case", [("SEK", "11.2345", 1348), ("JPY", "162.5", 195), ("KWD", "0.3333", 400)], ids=lambda case: case[0]
    )
    def test_is_credited_at_the_current_rate_in_its_minor_unit(
        self, acme: NewOperator, s2s: SignedClient, item: int, casino: Casino, case: tuple[str, str, int]
    ) -> None:
        currency, rate, amount = case
        change(acme, currencies=f"EUR,{currency}")
        set_rate(currency, "0.5")
        set_rate(currency, rate)
        cashed = cash_out(s2s, item, currency=currency)
        assert cashed.body == {
            "item": {"inventoryItemId": item, "state": "cashed_back", "cashbackMinor": amount, "currency": currency},
            "balanceAfterMinor": 1_000_000 + amount,
        }
        [call] = casino.calls()
        assert (call["amountMinor"], call["currency"]) == (amount, currency)
        told = {
            name: call["reference"][name] for name in ("itemAmountMinor", "itemCurrency", "baseAmountMinor", "baseCurrency")
        }
        assert told == {"itemAmountMinor": 120, "itemCurrency": "EUR", "baseAmountMinor": 120, "baseCurrency": "EUR"}

    def test_keeps_the_amount_of_the_first_attempt(
        self, acme: NewOperator, s2s: SignedClient, item: int, casino: Casino
    ) -> None:
        change(acme, currencies="EUR,SEK")
        set_rate("SEK", "11.2345")
        casino.play(answer(b"{}", status=500))
        assert cash_out(s2s, item, currency="SEK").status == 503
        set_rate("SEK", "20")
        Item.objects.update(cashback_minor=999)
        assert cash_out(s2s, item, currency="SEK").body["item"]["cashbackMinor"] == 1348
        assert len({request.body for request in casino.server.received}) == 1

    def test_without_a_rate_is_unsupported(self, acme: NewOperator, s2s: SignedClient, item: int, casino: Casino) -> None:
        change(acme, currencies="EUR,SEK")
        for currency in ("SEK", "USD", "EURO"):
            refused = cash_out(s2s, item, currency=currency)
            assert (refused.status, refused.code) == (422, "UNSUPPORTED_CURRENCY")
        assert_nothing_happened(item, casino)

    def test_where_it_would_be_nothing_is_not_available(
        self, acme: NewOperator, s2s: SignedClient, item: int, casino: Casino
    ) -> None:
        change(acme, currencies="EUR,SEK")
        set_rate("SEK", "0.0001")
        assert cash_out(s2s, item, currency="SEK").code == "CASHBACK_NOT_AVAILABLE"
        assert_nothing_happened(item, casino)


def assert_nothing_happened(item: int, casino: Casino) -> None:
    """Assert that nothing was asked of the wallet, and that the item is free."""
    assert casino.calls() == []
    assert not WalletCall.objects.exists()
    assert state_of(item) == ("unresolved", False)


class TestARefusedCredit:
    def test_passes_the_code_on_and_leaves_the_item(self, s2s: SignedClient, item: int, casino: Casino) -> None:
        casino.wallet.refuse = "ACCOUNT_CLOSED"
        refused = cash_out(s2s, item)
        assert (refused.status, refused.code) == (422, "ACCOUNT_CLOSED")
        assert refused.body["error"]["moneyMoved"] == "none"
        assert refused.body["item"] == {"inventoryItemId": item, "state": "unresolved"}
        assert refused.body["balanceAfterMinor"] == 1_000_000
        assert state_of(item) == ("unresolved", False)
        assert not Event.objects.filter(type="item_cashed_back").exists()

    def test_may_be_asked_for_again_under_the_same_key(self, s2s: SignedClient, item: int, casino: Casino) -> None:
        casino.play(answer(b'{"accepted": false, "errorCode": "PLAYER_BLOCKED"}'))
        assert cash_out(s2s, item).code == "PLAYER_BLOCKED"
        cashed = cash_out(s2s, item)
        assert cashed.status == 200
        assert "Idempotent-Replayed" not in cashed.headers
        assert len({request.body for request in casino.server.received}) == 1

    def test_may_be_asked_for_again_under_a_new_key(self, s2s: SignedClient, item: int, casino: Casino) -> None:
        casino.wallet.refuse = "LIMIT"
        cash_out(s2s, item, idempotencyKey="first")
        casino.wallet.refuse = None
        assert cash_out(s2s, item, idempotencyKey="first").code == "LIMIT"  # the wallet remembers by key
        assert cash_out(s2s, item, idempotencyKey="second").status == 200

    def test_keeps_its_key_for_its_currency(self, acme: NewOperator, s2s: SignedClient, item: int, casino: Casino) -> None:
        change(acme, currencies="EUR,SEK")
        set_rate("SEK", "11")
        casino.wallet.refuse = "LIMIT"
        cash_out(s2s, item)
        assert cash_out(s2s, item, currency="SEK").code == "IDEMPOTENCY_CONFLICT"
        assert len(casino.calls()) == 1


FAULTS = [
    answer(b"<html>", status=200),
    answer(b'{"accepted": "true"}'),
    answer(b'{"accepted": true, "amountMinor": 121}'),
    answer(b"{}", status=500),
    raw(b"HTTP/1.1 200 OK\r\nContent-Len"),
    reset(),
    never(),
]


class TestAnUnknownFate:
    @pytest.mark.parametrize("fault", FAULTS)
    def test_locks_the_item_until_the_same_call_ends_it(
        self, acme: NewOperator, s2s: SignedClient, item: int, casino: Casino, fault: Any
    ) -> None:
        casino.play(casino.wallet.apply_then(fault))
        unknown = cash_out(s2s, item)
        assert (unknown.status, unknown.code) == (503, "WALLET_UNAVAILABLE")
        assert (unknown.body["error"]["moneyMoved"], unknown.body["error"]["retryable"]) == ("unknown", True)
        assert state_of(item) == ("unresolved", True)

        assert cash_out(s2s, item, idempotencyKey="another").code == "CASHBACK_NOT_AVAILABLE"
        [row] = s2s.get("/api/s2s/inventory?playerExternalId=u_1").body["items"]
        assert (row["state"], row["cashbackMinor"], row["shippable"]) == ("unresolved", None, False)
        assert len(casino.calls()) == 1

        ended = cash_out(s2s, item)
        assert (ended.status, ended.body["balanceAfterMinor"]) == (200, 1_000_120)
        assert ended.headers["Idempotent-Replayed"] == "true"
        assert [movement.asked for movement in casino.wallet.movements.values()] == [2]
        assert len({request.body for request in casino.server.received}) == 1, "a retry sends the exact bytes again"

    def test_does_not_let_the_item_expire(self, s2s: SignedClient, item: int, casino: Casino) -> None:
        InventoryItem.objects.update(expires_at=timezone.now())
        casino.play(casino.wallet.apply_then(reset()))
        cash_out(s2s, item)
        assert expire_items(at=much_later(), limit=10) == 0
        assert state_of(item) == ("unresolved", True)

    def test_is_ended_by_recovery(self, s2s: SignedClient, item: int, casino: Casino) -> None:
        casino.play(casino.wallet.apply_then(reset()))
        cash_out(s2s, item)
        assert recover() == 1
        assert state_of(item) == ("cashed_back", False)
        assert Event.objects.filter(type="item_cashed_back").count() == 1
        again = cash_out(s2s, item)
        assert (again.status, again.headers["Idempotent-Replayed"]) == (200, "true")
        assert len(casino.calls()) == 2

    def test_that_recovery_finds_refused_frees_the_item(self, s2s: SignedClient, item: int, casino: Casino) -> None:
        casino.play(answer(b"{}", status=502))
        cash_out(s2s, item)
        casino.wallet.refuse = "ACCOUNT_CLOSED"
        recover()
        assert state_of(item) == ("unresolved", False)
        assert not casino.wallet.movements[f"cashback:inventory:{item}"].answer["accepted"]

    def test_lasts_as_long_as_the_wallet_is_silent(self, s2s: SignedClient, item: int, casino: Casino) -> None:
        casino.server.play(answer(b"{}", status=500))
        for _ in range(3):
            assert cash_out(s2s, item).status == 503
            assert recover() == 1
        assert state_of(item) == ("unresolved", True)

    def test_survives_a_wallet_that_is_taken_away(
        self, acme: NewOperator, s2s: SignedClient, item: int, casino: Casino
    ) -> None:
        casino.play(casino.wallet.apply_then(reset()))
        cash_out(s2s, item)
        change(acme, walletUrl="", cashback="false")
        unknown = cash_out(s2s, item)
        assert (unknown.status, unknown.body["error"]["moneyMoved"]) == (503, "unknown")
        change(acme, walletUrl=casino.url)
        assert cash_out(s2s, item).status == 200

    def test_outlives_a_process_that_died_on_the_way(self, s2s: SignedClient, item: int, casino: Casino) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cashing, "_attempt", dies)
            assert cash_out(s2s, item).code == "INTERNAL_ERROR"
        assert state_of(item) == ("unresolved", True)
        assert recover() == 1
        assert cash_out(s2s, item).headers["Idempotent-Replayed"] == "true"


def dies(**_: Any) -> None:
    """Stand in for a process that is killed before its call goes out."""
    raise SystemError("killed")


class TestALateAnswer:
    def test_to_an_older_attempt_counts_for_nothing(self, s2s: SignedClient, item: int, casino: Casino) -> None:
        casino.play(answer(b"{}", status=500))
        cash_out(s2s, item)
        older = WalletCall.objects.get()
        casino.play(in_turn(lambda *_: refused_late(older), casino.wallet.answer))
        assert cash_out(s2s, item).status == 200
        assert state_of(item) == ("cashed_back", False)


def refused_late(older: WalletCall) -> None:
    """Let an attempt of before hear only now that the wallet refused it."""
    refusal = Outcome(Fate.REFUSED, "LATE", None, None, 200, 1, "", "")
    with closing(connection), pytest.MonkeyPatch.context() as patch:
        patch.setattr(wallet, "send", lambda **_: refusal)
        cashing._attempt(operator=older.operator, call=older, clock=timezone.now)


class TestARefusalBeforeTheWallet:
    def test_of_what_is_not_the_players(
        self, s2s: SignedClient, stranger_s2s: SignedClient, boxes: dict[str, int], item: int, casino: Casino
    ) -> None:
        for refused in (
            cash_out(s2s, item + 1000),
            cash_out(s2s, 2**53 - 1),
            cash_out(s2s, item, playerExternalId="u_2"),
            cash_out(stranger_s2s, item),
        ):
            assert (refused.status, refused.code) == (404, "INVENTORY_ITEM_NOT_FOUND")
        assert_nothing_happened(item, casino)

    def test_while_cashback_is_switched_off(self, acme: NewOperator, s2s: SignedClient, item: int, casino: Casino) -> None:
        change(acme, cashback="false")
        refused = cash_out(s2s, item)
        assert (refused.status, refused.code) == (422, "CASHBACK_NOT_AVAILABLE")
        assert refused.body["error"]["moneyMoved"] == "none"
        assert_nothing_happened(item, casino)

    @pytest.mark.parametrize("rule", [None, 0])
    def test_without_a_rule(self, s2s: SignedClient, item: int, casino: Casino, rule: int | None) -> None:
        Item.objects.update(cashback_minor=rule)
        assert cash_out(s2s, item).code == "CASHBACK_NOT_AVAILABLE"
        assert_nothing_happened(item, casino)

    def test_without_a_wallet(self, acme: NewOperator, s2s: SignedClient, item: int, casino: Casino) -> None:
        change(acme, walletUrl="")
        refused = cash_out(s2s, item)
        assert (refused.status, refused.code) == (503, "WALLET_UNAVAILABLE")
        assert refused.body["error"]["moneyMoved"] == "none"
        assert_nothing_happened(item, casino)

    def test_of_an_expired_item(self, s2s: SignedClient, item: int, casino: Casino) -> None:
        InventoryItem.objects.update(expires_at=timezone.now())
        assert expire_items(at=much_later(), limit=10) == 1
        assert cash_out(s2s, item).code == "CASHBACK_NOT_AVAILABLE"
        assert casino.calls() == []

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("playerExternalId", 5),
            ("playerExternalId", ""),
            ("inventoryItemId", "88"),
            ("inventoryItemId", 88.0),
            ("inventoryItemId", True),
            ("inventoryItemId", 0),
            ("currency", 978),
            ("currency", None),
            ("idempotencyKey", ""),
            ("idempotencyKey", "k" * 121),
            ("idempotencyKey", " k"),
            ("idempotencyKey", "schlüssel"),
            ("idempotencyKey", "a\nb"),
        ],
    )
    def test_of_a_field_that_is_wrong(self, s2s: SignedClient, item: int, casino: Casino, field: str, value: Any) -> None:
        refused = cash_out(s2s, item, **{field: value})
        assert (refused.status, refused.code) == (422, "VALIDATION_FAILED")
        assert list(refused.body["error"]["fields"]) == [field]
        assert_nothing_happened(item, casino)


class TestAKeyOfAnotherMovement:
    def test_is_a_conflict(self, s2s: SignedClient, boxes: dict[str, int], item: int, casino: Casino) -> None:
        paid = buy(s2s, boxes["sure-item"]).body["round"]
        other = paid["wonItems"][0]["inventoryItemId"]
        assert cash_out(s2s, other, idempotencyKey="mine").status == 200
        for key in ("mine", f"round:{paid['publicId']}"):
            refused = cash_out(s2s, item, idempotencyKey=key)
            assert (refused.status, refused.code) == (409, "IDEMPOTENCY_CONFLICT")
        assert state_of(item) == ("unresolved", False)
        assert len(casino.calls()) == 2

    def test_of_another_operator_is_none(
        self, stranger: NewOperator, s2s: SignedClient, stranger_s2s: SignedClient, item: int, casino: Casino
    ) -> None:
        services.change_settings(operator=stranger.operator, changes={"walletUrl": casino.url}, at=timezone.now())
        [theirs] = won_items(stranger_s2s, publish_boxes(stranger, SURE_ITEM)["sure-item"])
        assert cash_out(s2s, item, idempotencyKey="mine").status == 200
        casino.play(answer(b'{"accepted": true}'))
        assert cash_out(stranger_s2s, theirs, idempotencyKey="mine").status == 200


class TestManyAtOnce:
    """One item, twenty callers."""

    def test_pay_once_under_one_key(
        self, s2s: SignedClient, item: int, casino: Casino, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(turns, "WAIT_FOR_FIRST_S", 60.0)
        casino.play(late(casino.wallet.answer, seconds=0.2))
        answers = at_once(20, lambda _: cash_out(s2s, item))
        assert {made.status for made in answers} == {200}
        assert len({str(made.body) for made in answers}) == 1
        assert Counter(made.headers.get("Idempotent-Replayed") for made in answers) == {None: 1, "true": 19}
        assert len(casino.calls()) == 1

    def test_pay_once_under_keys_of_their_own(self, s2s: SignedClient, item: int, casino: Casino) -> None:
        answers = at_once(20, lambda number: cash_out(s2s, item, idempotencyKey=f"key-{number}"))
        assert Counter(made.code for made in answers) == {None: 1, "CASHBACK_NOT_AVAILABLE": 19}
        assert len(casino.calls()) == 1

    def test_are_told_to_ask_again_when_the_first_takes_long(
        self, s2s: SignedClient, item: int, casino: Casino, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.LOOTBOX_WALLET_TIMEOUT_S = 60.0
        monkeypatch.setattr(turns, "WAIT_FOR_FIRST_S", 0.05)
        told = threading.Event()

        def answer_once_the_other_was_told(peer: Peer, request: Received) -> None:
            told.wait(50)
            casino.wallet.answer(peer, request)

        def call(_: int) -> Answer:
            made = cash_out(s2s, item)
            told.set()
            return made

        casino.play(answer_once_the_other_was_told)
        answers = at_once(2, call)
        assert Counter(made.code for made in answers) == {None: 1, "ACTION_IN_PROGRESS": 1}
        assert len(casino.calls()) == 1

    def test_would_both_begin_without_the_row_lock(
        self, s2s: SignedClient, item: int, casino: Casino, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The control: the race is there, and then the database refuses the second credit of the item."""
        monkeypatch.setattr(InventoryItem.objects, "select_for_update", lambda **_: InventoryItem.objects.all())
        meet_after_reading(monkeypatch, rates, "quoted_rate")
        answers = at_once(2, lambda number: cash_out(s2s, item, idempotencyKey=f"key-{number}"))
        assert Counter(made.code for made in answers) == {None: 1, "INTERNAL_ERROR": 1}
        assert len(casino.calls()) == 1


def at_once(count: int, act: Any) -> list[Answer]:
    """Return what so many callers get who all begin at the same moment."""
    barrier = threading.Barrier(count)

    def call(number: int) -> Answer:
        with closing(connection):
            barrier.wait()
            made: Answer = act(number)
            return made

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(call, range(count)))


def meet_after_reading(monkeypatch: pytest.MonkeyPatch, *places: Any) -> None:
    """Make two callers wait for each other at these functions, so that both have read before either writes."""
    barrier = threading.Barrier(2, timeout=5)
    for module, name in zip(places[::2], places[1::2], strict=True):
        original = getattr(module, name)

        def wait(*args: Any, original: Any = original, **kwargs: Any) -> Any:
            barrier.wait()
            return original(*args, **kwargs)

        monkeypatch.setattr(module, name, wait)
