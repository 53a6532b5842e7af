"""Calls about items and orders whose fate only people can say: item and order follow, nothing is paid or taken twice."""

import datetime as dt
from collections.abc import Iterator

import pytest
from django.utils import timezone

from lootbox.core.errors import ApiError
from operators import services as operators
from operators.services import NewOperator
from purchases.models import Round
from purchases.services import resolving
from purchases.services.recovering import recover_due
from tests.api.test_cashout import cash_out, state_of
from tests.casino_wallet import Casino
from tests.factories.vault import won_items
from tests.faulty_server import answer
from tests.invariants import assert_rounds_sound
from tests.signed import SignedClient
from tests.vault_invariants import FINISHERS, assert_vault_sound, much_later
from vault.models import OrderStatus, ShippingOrder
from vault.requests import OrderRequest
from vault.services.ordering import advance_order, create_order
from wallet.models import Reason, WalletCall
from webhooks.models import Event

BROKEN = answer(b"", status=500)


@pytest.fixture(autouse=True)
def _sound(acme: NewOperator, casino: Casino) -> Iterator[None]:
    yield
    assert_vault_sound(acme.operator, casino)


def said(call: WalletCall, *, taken: bool) -> str:
    """Let people say what became of a call; return the state that it is in then, or why they may not."""
    try:
        at = timezone.now()
        resolving.resolve(call=call, taken=taken, reference="line 12", at=at, witness=lambda: None)
    except ApiError as error:
        return error.code
    return WalletCall.objects.get(pk=call.pk).state


class TestACashback:
    @pytest.fixture
    def item(self, s2s: SignedClient, boxes: dict[str, int]) -> int:
        """Return an item of u_1's."""
        return won_items(s2s, boxes["sure-item"])[0]

    def test_that_was_paid_cashes_its_item(self, s2s: SignedClient, casino: Casino, item: int) -> None:
        casino.server.play(casino.wallet.apply_then(BROKEN))
        assert cash_out(s2s, item).status == 503
        assert said(WalletCall.objects.get(), taken=True) == "accepted"
        assert state_of(item) == ("cashed_back", False)
        assert Event.objects.filter(type="item_cashed_back").count() == 1
        assert said(WalletCall.objects.get(), taken=True) == "ACTION_IN_PROGRESS"

    def test_that_was_not_paid_leaves_the_item_free_and_is_paid_once_whoever_was_wrong(
        self, s2s: SignedClient, casino: Casino, item: int
    ) -> None:
        # The wallet did pay, and people say that it did not.
        casino.server.play(casino.wallet.apply_then(BROKEN))
        cash_out(s2s, item)
        assert said(WalletCall.objects.get(), taken=False) == "refused"
        assert state_of(item) == ("unresolved", False)
        casino.play()
        assert cash_out(s2s, item).status == 200
        assert state_of(item) == ("cashed_back", False)
        assert WalletCall.objects.count() == 1

    def test_is_not_said_anything_of_while_it_is_under_way(self, s2s: SignedClient, casino: Casino, item: int) -> None:
        cash_out(s2s, item)
        assert said(WalletCall.objects.get(), taken=False) == "ACTION_IN_PROGRESS"
        assert state_of(item) == ("cashed_back", False)


class TestAPaidOrder:
    @pytest.fixture
    def items(self, acme: NewOperator, s2s: SignedClient, boxes: dict[str, int]) -> list[int]:
        """Return an item of u_1's, where shipping costs."""
        operators.change_settings(operator=acme.operator, changes={"shippingCostMinor": "700"}, at=timezone.now())
        acme.operator.refresh_from_db()
        return won_items(s2s, boxes["sure-item"])

    def order(self, acme: NewOperator, items: list[int]) -> None:
        """Order them, as a player does."""
        address = {"name": "A", "line1": "1", "city": "L", "region": "L", "postalCode": "N1", "country": "GB"}
        request = OrderRequest(
            operator=acme.operator, player="u_1", item_ids=tuple(items), address=address, email="a@b.example",
            idempotency_key="mine",
        )  # fmt: skip
        create_order(request=request, charge_in="EUR", clock=timezone.now)

    def given_up(self, acme: NewOperator, casino: Casino, items: list[int], *, taken: bool) -> WalletCall:
        """Return the debit of unknown fate of an order that nobody retried."""
        casino.server.play(casino.wallet.apply_then(BROKEN) if taken else BROKEN)
        with pytest.raises(ApiError):
            self.order(acme, items)
        casino.server.play(BROKEN)
        debit = WalletCall.objects.get(reason=Reason.SHIPPING)
        FINISHERS[Reason.SHIPPING](operator=acme.operator, call=debit, clock=much_later)
        casino.play()
        return WalletCall.objects.get(reason=Reason.SHIPPING)

    @pytest.mark.parametrize("ends", [(True, "accepted", 1), (False, "closed", 0)])
    def test_that_was_given_up_frees_its_items_and_owes_what_was_taken(
        self, acme: NewOperator, casino: Casino, items: list[int], ends: tuple[bool, str, int]
    ) -> None:
        taken, state, refunds = ends
        debit = self.given_up(acme, casino, items, taken=taken)
        assert said(debit, taken=taken) == state
        assert ShippingOrder.objects.get().status == OrderStatus.VOIDED
        assert state_of(items[0]) == ("unresolved", False)
        assert WalletCall.objects.filter(reason=Reason.REFUND).count() == refunds

    def test_is_left_alone_while_its_player_may_retry(self, acme: NewOperator, casino: Casino, items: list[int]) -> None:
        casino.server.play(casino.wallet.apply_then(BROKEN))
        with pytest.raises(ApiError):
            self.order(acme, items)
        assert said(WalletCall.objects.get(), taken=False) == "VALIDATION_FAILED"
        assert state_of(items[0]) == ("unresolved", True)
        assert WalletCall.objects.get().state == "unknown"

    def test_that_is_rolled_back_ends_with_its_rollback(self, acme: NewOperator, casino: Casino, items: list[int]) -> None:
        operators.change_settings(operator=acme.operator, changes={"walletRollback": "true"}, at=timezone.now())
        acme.operator.refresh_from_db()
        debit = self.given_up(acme, casino, items, taken=False)
        assert said(debit, taken=True) in {"VALIDATION_FAILED", "ACTION_IN_PROGRESS"}, "else it would be given back twice"
        rollback = WalletCall.objects.get(reason=Reason.ROLLBACK)
        assert said(rollback, taken=False) == "VALIDATION_FAILED"
        assert said(rollback, taken=True) == "accepted"
        assert WalletCall.objects.get(pk=debit.pk).state == "closed"
        assert state_of(items[0]) == ("unresolved", False)

    def test_whose_refund_is_owed_can_only_be_said_to_be_paid(
        self, acme: NewOperator, casino: Casino, items: list[int]
    ) -> None:
        self.order(acme, items)
        advance_order(order=ShippingOrder.objects.get(), status=OrderStatus.CANCELLED, at=timezone.now())
        casino.server.play(casino.wallet.apply_then(BROKEN))
        refund = WalletCall.objects.get(reason=Reason.REFUND)
        FINISHERS[Reason.REFUND](operator=acme.operator, call=refund, clock=much_later)
        assert said(refund, taken=False) == "VALIDATION_FAILED"
        assert said(refund, taken=True) == "accepted"


class TestARound:
    def test_that_is_rolled_back_ends_with_its_rollback(
        self, acme: NewOperator, casino: Casino, s2s: SignedClient, boxes: dict[str, int]
    ) -> None:
        operators.change_settings(operator=acme.operator, changes={"walletRollback": "true"}, at=timezone.now())
        casino.server.play(BROKEN)
        reels = [{"reelIndex": 0, "boxVersionId": boxes["harbour"]}]
        body = {"playerExternalId": "u_1", "gameKey": "mystery_box", "clientActionId": "c-1", "reels": reels}
        assert s2s.post("/api/s2s/purchase", body).status == 503
        Round.objects.update(recover_at=timezone.now() - dt.timedelta(seconds=1))
        recover_due(clock=timezone.now)
        debit, rollback = (WalletCall.objects.get(reason=reason) for reason in (Reason.PURCHASE, Reason.ROLLBACK))
        assert said(debit, taken=True) == "VALIDATION_FAILED", "else it would be given back twice"
        assert said(rollback, taken=True) == "accepted"
        recover_due(clock=timezone.now)
        assert (Round.objects.get().state, WalletCall.objects.get(pk=debit.pk).state) == ("voided", "closed")
        assert_rounds_sound()

    def test_whose_payout_the_wallet_refuses_is_said_to_be_paid(
        self, s2s: SignedClient, casino: Casino, boxes: dict[str, int]
    ) -> None:
        refused = answer(b'{"accepted": false, "errorCode": "PLAYER_CLOSED"}')
        casino.play(casino.wallet.answer, casino.wallet.apply_then(refused))
        reels = [{"reelIndex": 0, "boxVersionId": boxes["sure-cash"]}]
        body = {"playerExternalId": "u_1", "gameKey": "mystery_box", "clientActionId": "c-1", "reels": reels}
        s2s.post("/api/s2s/purchase", body)
        payout = WalletCall.objects.get(reason=Reason.PAYOUT)
        assert (payout.state, payout.error_code) == ("pending", "PLAYER_CLOSED")
        assert said(payout, taken=False) == "VALIDATION_FAILED"
        assert said(payout, taken=True) == "accepted"
