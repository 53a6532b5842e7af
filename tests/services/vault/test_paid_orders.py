"""Orders that a player pays the shipping cost of, as the player API makes them: contract sections 7 and 10."""

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest
from django.db import IntegrityError, connection
from django.utils import timezone

from catalog import rates
from lootbox.core.errors import ApiError
from operators import services as operators
from operators.services import NewOperator
from tests.api.test_cashout import cash_out, state_of
from tests.casino_wallet import Casino
from tests.factories.vault import won_items
from tests.faulty_server import Act, answer, late, never, reset
from tests.signed import SignedClient
from tests.vault_invariants import assert_vault_sound, recover
from vault.models import OrderStatus, ShippingOrder
from vault.requests import OrderRequest
from vault.services import paying, turns
from vault.services.ordering import Ordered, advance_order, create_order
from wallet import services as wallet
from wallet.models import CallType, Reason, WalletCall
from wallet.outcomes import Fate, Outcome
from webhooks.models import Event

SHIPPING = 700
OPENING = 1_000_000


@pytest.fixture(autouse=True)
def _sound(acme: NewOperator, casino: Casino) -> Iterator[None]:
    yield
    assert_vault_sound(acme.operator, casino)


@pytest.fixture
def items(acme: NewOperator, s2s: SignedClient, boxes: dict[str, int]) -> list[int]:
    """Return two items that player u_1 won; shipping them costs 7.00 EUR."""
    change(acme, shippingCostMinor=str(SHIPPING))
    return won_items(s2s, boxes["sure-item"], 2)


@pytest.fixture
def request_(acme: NewOperator, items: list[int]) -> OrderRequest:
    """Return the order of both items."""
    acme.operator.refresh_from_db()
    return OrderRequest(
        operator=acme.operator,
        player="u_1",
        item_ids=tuple(items),
        address={"name": "Ada", "line1": "1 Road", "city": "London", "region": "London", "postalCode": "N1", "country": "GB"},
        email="ada@example.com",
        idempotency_key="mine",
    )


def change(acme: NewOperator, **settings: str) -> None:
    """Change Acme's settings, as `set_operator` does."""
    operators.change_settings(operator=acme.operator, changes=settings, at=timezone.now())
    acme.operator.refresh_from_db()


def place(request: OrderRequest, currency: str = "EUR") -> Ordered:
    """Order as a player does who plays in this currency."""
    return create_order(request=request, charge_in=currency, clock=timezone.now)


def refusal(request: OrderRequest, currency: str = "EUR") -> ApiError:
    """Return what the order is refused with."""
    with pytest.raises(ApiError) as caught:
        place(request, currency)
    return caught.value


def states(items: list[int]) -> set[tuple[str, bool]]:
    """Return the states of the items, and whether they are locked."""
    return {state_of(item) for item in items}


def orders_shown(s2s: SignedClient) -> list[str]:
    """Return the statuses of the player's orders, newest first."""
    listed = s2s.get("/api/s2s/shipping/orders?playerExternalId=u_1").body["items"]
    return [order["status"] for order in listed]


class TestAPaidOrder:
    def test_is_debited_first(self, request_: OrderRequest, items: list[int], casino: Casino) -> None:
        ordered = place(request_)
        assert ordered.balance_after_minor == OPENING - SHIPPING
        shown = ordered.as_json()["order"]
        assert (shown["status"], shown["shippingCostMinor"], shown["currency"]) == ("pending", SHIPPING, "EUR")
        [call] = casino.calls()
        assert call == {
            "type": "wallet.debit",
            "idempotencyKey": call["idempotencyKey"],
            "playerExternalId": "u_1",
            "amountMinor": SHIPPING,
            "currency": "EUR",
            "reference": {
                "reason": "shipping",
                "orderPublicId": shown["publicId"],
                "baseAmountMinor": SHIPPING,
                "baseCurrency": "EUR",
            },
        }
        assert call["idempotencyKey"].startswith("shipping:player:")
        assert states(items) == {("ship_requested", False)}

    def test_is_the_same_again_and_debited_once(self, request_: OrderRequest, casino: Casino) -> None:
        first, again = place(request_), place(request_)
        assert again.as_json() == first.as_json()
        assert (first.replayed, again.replayed) == (False, True)
        unkeyed = replace(request_, idempotency_key=None)
        assert refusal(unkeyed).code == "INVENTORY_NOT_SHIPPABLE"
        assert len(casino.calls()) == 1

    def test_is_paid_in_the_players_currency(self, acme: NewOperator, request_: OrderRequest, casino: Casino) -> None:
        change(acme, currencies="EUR,JPY")
        rates.set_rate(base="EUR", quote="JPY", rate="162.5", source="test", at=timezone.now())
        ordered = place(request_, "JPY")
        assert (ordered.order.cost_minor, ordered.order.currency) == (1138, "JPY")  # 7.00 * 162.5 = 1137.5
        [call] = casino.calls()
        assert (call["amountMinor"], call["currency"], call["reference"]["baseAmountMinor"]) == (1138, "JPY", SHIPPING)

    def test_that_costs_nothing_asks_no_wallet(self, acme: NewOperator, request_: OrderRequest, casino: Casino) -> None:
        change(acme, shippingCostMinor="0", walletUrl="")
        ordered = place(request_)
        assert (ordered.order.status, ordered.order.cost_minor, ordered.balance_after_minor) == ("pending", 0, None)
        assert casino.calls() == []

    def test_is_another_order_each_time_for_the_wallet(self, request_: OrderRequest, casino: Casino) -> None:
        request = replace(request_, idempotency_key=None)
        for _ in range(2):
            order = place(request).order
            advance_order(order=order, status=OrderStatus.CANCELLED, at=timezone.now())
        assert len({call["idempotencyKey"] for call in casino.calls()}) == 2


class TestARefusedDebit:
    def test_makes_no_order(self, s2s: SignedClient, request_: OrderRequest, items: list[int], casino: Casino) -> None:
        casino.wallet.opening_minor = SHIPPING - 1
        refused = refusal(request_)
        assert (refused.code, refused.status, refused.money_moved) == ("INSUFFICIENT_FUNDS", 422, "none")
        assert refused.beside == {"balanceAfterMinor": SHIPPING - 1}
        assert orders_shown(s2s) == []
        assert states(items) == {("unresolved", False)}
        assert not Event.objects.filter(type="fulfillment_notice").exists()

    def test_leaves_the_key_free_for_another_try(self, request_: OrderRequest, casino: Casino) -> None:
        casino.wallet.opening_minor = 0
        refusal(request_)
        casino.wallet.opening_minor = OPENING
        ordered = place(request_)
        assert (ordered.order.status, ordered.replayed) == ("pending", False)


class TestRefusalsBeforeTheWallet:
    @pytest.mark.parametrize(
        ("changes", "refused"),
        [
            ({"walletUrl": ""}, ("EUR", "WALLET_UNAVAILABLE")),
            ({"shipping": "false"}, ("EUR", "SHIPPING_DISABLED")),
            ({}, ("SEK", "UNSUPPORTED_CURRENCY")),
        ],
    )
    def test_leave_no_trace(
        self, acme: NewOperator, request_: OrderRequest, items: list[int], changes: dict[str, str], refused: tuple[str, str]
    ) -> None:
        currency, code = refused
        change(acme, **changes)
        assert refusal(request_, currency).code == code
        assert not ShippingOrder.objects.exists()
        assert not WalletCall.objects.exists()
        assert states(items) == {("unresolved", False)}


FAULTS = [reset(), answer(b"{}", status=502), answer(b'{"accepted": 1}'), never()]


class TestAnUnknownFate:
    @pytest.mark.parametrize("fault", FAULTS)
    def test_locks_the_items_until_the_same_call_ends_it(
        self, s2s: SignedClient, request_: OrderRequest, items: list[int], casino: Casino, fault: Act
    ) -> None:
        casino.play(casino.wallet.apply_then(fault))
        unknown = refusal(request_)
        assert (unknown.code, unknown.money_moved, unknown.retryable) == ("WALLET_UNAVAILABLE", "unknown", True)
        assert states(items) == {("unresolved", True)}
        assert orders_shown(s2s) == []
        assert cash_out(s2s, items[0]).code == "CASHBACK_NOT_AVAILABLE"
        assert refusal(replace(request_, idempotency_key="another")).code == "INVENTORY_NOT_SHIPPABLE"
        assert len(casino.calls()) == 1

        ordered = place(request_)
        assert (ordered.order.status, ordered.replayed, ordered.balance_after_minor) == ("pending", True, OPENING - SHIPPING)
        assert len({request.body for request in casino.server.received}) == 1, "a retry sends the exact bytes again"

    def test_keeps_what_it_costs_whatever_is_set_since(self, acme: NewOperator, request_: OrderRequest, casino: Casino) -> None:
        casino.play(answer(b"{}", status=500))
        refusal(request_)
        change(acme, shippingCostMinor="9900", shipping="false")
        assert place(request_).order.cost_minor == SHIPPING

    def test_is_left_to_the_caller_for_a_while(self, request_: OrderRequest, casino: Casino) -> None:
        casino.play(answer(b"{}", status=500))
        refusal(request_)
        debit = WalletCall.objects.get()
        assert debit.next_attempt_at is not None
        assert debit.next_attempt_at - timezone.now() > dt.timedelta(seconds=100)


class TestAnAbandonedOrder:
    def test_whose_debit_was_taken_gets_it_back(
        self, s2s: SignedClient, request_: OrderRequest, items: list[int], casino: Casino
    ) -> None:
        casino.play(casino.wallet.apply_then(reset()))
        refusal(request_)
        assert recover() == 1
        assert states(items) == {("unresolved", False)}
        assert recover() == 1
        debit, refund = WalletCall.objects.order_by("created_at", "id")
        assert refund.idempotency_key == f"refund:{debit.idempotency_key}"
        assert (refund.type, refund.reason, refund.state) == (CallType.CREDIT, Reason.REFUND, "accepted")
        reference = casino.calls()[-1]["reference"]
        assert set(reference) == {"reason", "orderPublicId", "baseAmountMinor", "baseCurrency"}
        assert casino.wallet.balance("u_1") == OPENING
        assert orders_shown(s2s) == []
        assert not Event.objects.filter(type="fulfillment_notice").exists()

    def test_whose_debit_was_never_taken_gets_nothing(self, request_: OrderRequest, items: list[int], casino: Casino) -> None:
        casino.wallet.opening_minor = 0
        casino.play(answer(b"{}", status=500))
        refusal(request_)
        recover()
        assert states(items) == {("unresolved", False)}
        assert [call["type"] for call in casino.calls()] == ["wallet.debit", "wallet.debit"]

    def test_is_never_made_once_recovery_has_begun(
        self, s2s: SignedClient, request_: OrderRequest, items: list[int], casino: Casino
    ) -> None:
        casino.server.play(answer(b"{}", status=500))
        refusal(request_)
        recover()
        casino.play()
        assert refusal(request_).code == "INVENTORY_NOT_SHIPPABLE", "its items stay locked until the debit's fate is known"
        recover()
        assert orders_shown(s2s) == []
        assert place(request_).order.status == "pending"

    def test_whose_refund_is_refused_is_owed_until_it_lands(self, request_: OrderRequest, casino: Casino) -> None:
        casino.play(casino.wallet.apply_then(reset()))
        refusal(request_)
        recover()
        no = answer(b'{"accepted": false, "errorCode": "LIMIT"}')
        casino.play(no, answer(b"{}", status=500), no)
        for _ in range(3):
            assert recover() == 1
        assert casino.wallet.balance("u_1") == OPENING - SHIPPING
        assert recover() == 1
        assert casino.wallet.balance("u_1") == OPENING

    def test_whose_caller_died_on_the_way_is_found(
        self, request_: OrderRequest, items: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(paying, "attempt", dies)
            with pytest.raises(SystemError):
                place(request_)
        assert states(items) == {("unresolved", True)}
        recover()
        assert states(items) == {("unresolved", False)}

    def test_pays_no_heed_to_a_late_answer_of_its_caller(
        self, acme: NewOperator, s2s: SignedClient, request_: OrderRequest, casino: Casino
    ) -> None:
        for rollback in ("false", "true"):
            change(acme, walletRollback=rollback)
            casino.play(casino.wallet.apply_then(answer(b"{}", status=500)), answer(b"{}", status=500))
            refusal(request_)
            callers = WalletCall.objects.get(state="unknown")
            recover()
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(wallet, "send", lambda **_: Outcome(Fate.ACCEPTED, None, 1, "late", 200, 1, "", ""))
                paying.attempt(operator=acme.operator, call=callers, clock=timezone.now)
            assert_vault_sound(acme.operator, casino)
            assert orders_shown(s2s) == []
            assert casino.wallet.balance("u_1") == OPENING


def dies(**_: object) -> None:
    """Stand in for a process that is killed before its call goes out."""
    raise SystemError("killed")


class TestAWalletThatRollsBack:
    @pytest.mark.parametrize("first", ["taken", "lost"])
    def test_is_told_to_in_place_of_the_debit(
        self, acme: NewOperator, request_: OrderRequest, items: list[int], casino: Casino, first: str
    ) -> None:
        change(acme, walletRollback="true")
        casino.play(casino.wallet.apply_then(reset()) if first == "taken" else reset())
        refusal(request_)
        assert recover() == 1
        debit, sent = casino.calls()
        assert sent == {
            "type": "wallet.rollback",
            "idempotencyKey": f"rollback:{debit['idempotencyKey']}",
            "rollbackOf": debit["idempotencyKey"],
            "playerExternalId": "u_1",
            "amountMinor": SHIPPING,
            "currency": "EUR",
            "reference": {**debit["reference"], "reason": "rollback"},
        }
        assert states(items) == {("unresolved", False)}
        assert casino.wallet.balance("u_1") == OPENING
        assert WalletCall.objects.get(reason=Reason.SHIPPING).state == "closed"
        assert not WalletCall.objects.filter(reason=Reason.REFUND).exists()

    def test_is_asked_until_it_does(self, acme: NewOperator, request_: OrderRequest, items: list[int], casino: Casino) -> None:
        change(acme, walletRollback="true")
        no = answer(b'{"accepted": false, "errorCode": "BUSY"}')
        casino.play(casino.wallet.apply_then(reset()), never(), no, reset())
        refusal(request_)
        for _ in range(3):
            assert recover() == 1
            assert states(items) == {("unresolved", True)}
        change(acme, walletRollback="false")
        assert recover() == 1
        assert [call["type"] for call in casino.calls()] == ["wallet.debit"] + ["wallet.rollback"] * 4
        assert states(items) == {("unresolved", False)}
        assert casino.wallet.balance("u_1") == OPENING


class TestACancelledOrder:
    def test_gets_back_what_the_player_paid(self, s2s: SignedClient, request_: OrderRequest, casino: Casino) -> None:
        order = place(request_).order
        advance_order(order=order, status=OrderStatus.CANCELLED, at=timezone.now())
        assert orders_shown(s2s) == ["cancelled"]
        assert len(casino.calls()) == 1, "the back-office waits for no wallet"
        assert recover() == 1
        assert casino.wallet.balance("u_1") == OPENING
        assert recover() == 0

    def test_does_so_after_the_database_looked(self, request_: OrderRequest) -> None:
        order = place(request_).order
        for order_id, amount_minor in ((order.pk, SHIPPING + 1), (None, SHIPPING)):
            with pytest.raises(IntegrityError, match="accepted debit"):
                wallet.intend(
                    operator=order.operator,
                    player=order.player,
                    call_type=CallType.CREDIT,
                    reason=Reason.REFUND,
                    idempotency_key="x",
                    amount_minor=amount_minor,
                    currency="EUR",
                    base_amount_minor=1,
                    details={},
                    at=timezone.now(),
                    order_id=order_id,
                )


class TestManyAtOnce:
    def test_are_one_order_and_one_debit(self, request_: OrderRequest, casino: Casino, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(turns, "WAIT_FOR_FIRST_S", 60.0)
        casino.play(late(casino.wallet.answer, seconds=0.2))

        def call(_: int) -> tuple[str, bool]:
            with closing(connection):
                ordered = place(request_)
                return ordered.order.status, ordered.replayed

        with ThreadPoolExecutor(8) as pool:
            made = Counter(pool.map(call, range(8)))
        assert made == {("pending", False): 1, ("pending", True): 7}
        assert len(casino.calls()) == 1

    def test_and_a_cashout_of_one_item_end_with_one_winner(
        self, s2s: SignedClient, request_: OrderRequest, items: list[int], casino: Casino
    ) -> None:
        casino.play(late(casino.wallet.answer, seconds=0.1))

        def call(number: int) -> str | None:
            with closing(connection):
                if number:
                    return cash_out(s2s, items[0]).code
                try:
                    place(request_)
                except ApiError as error:
                    return error.code
                return None

        with ThreadPoolExecutor(2) as pool:
            codes = set(pool.map(call, range(2)))
        assert codes in ({None, "CASHBACK_NOT_AVAILABLE"}, {None, "INVENTORY_NOT_SHIPPABLE"})
        assert len(casino.calls()) == 1
