"""Guided actions: previewed, with a reason, in the audit log, and by two people where it matters; the money stays right."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from lootbox.core.ids import Prefix, public_id
from operators import audit, services, staff
from operators.models import ActionRequest, AuditEntry, Player
from operators.services import NewOperator
from purchases.models import Round
from purchases.services.recovering import recover_due
from tests.admin.cast import acts, browser, page, person
from tests.api.test_shipping import order as make_order
from tests.casino_wallet import Casino
from tests.factories.vault import won_items
from tests.faulty_server import answer
from tests.invariants import assert_books_agree, assert_rounds_sound
from tests.signed import SignedClient
from vault.models import InventoryItem, ShippingOrder
from wallet.models import WalletCall
from webhooks.models import Delivery

BROKEN = answer(b"", status=500)
WHY = {"reason": "the player asked support"}


@pytest.fixture
def support(acme: NewOperator) -> User:
    """Return Acme's support."""
    return person("sue", role=staff.SUPPORT, at=acme.operator)


@pytest.fixture
def held(s2s: SignedClient, boxes: dict[str, int]) -> Round:
    """Return a box that waits unopened."""
    s2s.post("/api/s2s/purchase", _purchase(boxes["harbour"], mode="prepay"))
    return Round.objects.get()


def _purchase(version: int, **more: Any) -> dict[str, Any]:
    reels = [{"reelIndex": 0, "boxVersionId": version}]
    return {"playerExternalId": "u_1", "gameKey": "mystery_box", "clientActionId": "c-1", "reels": reels} | more


def act(client: Client, name: str, row: Any, **form: str) -> str:
    """Return the page that follows an action."""
    return client.post(page("act", name, row.pk), {**WHY, **form}, follow=True).content.decode()


class TestARefund:
    def test_is_previewed_and_changes_nothing_yet(self, held: Round, support: User) -> None:
        shown = browser(support).get(page("act", "refund_round", held.pk)).content.decode()
        assert "credit 5.00 EUR to u_1" in shown
        assert Round.objects.get(pk=held.pk).state == "held"
        assert not acts().exists()

    def test_wants_a_reason(self, held: Round, support: User) -> None:
        assert "This field is required" in act(browser(support), "refund_round", held, reason="")
        assert Round.objects.get(pk=held.pk).state == "held"

    def test_gives_the_money_back_and_says_so_in_the_log(
        self, acme: NewOperator, casino: Casino, held: Round, support: User
    ) -> None:
        shown = act(browser(support), "refund_round", held)
        assert "5.00 EUR went back to u_1" in shown
        assert Round.objects.get(pk=held.pk).state == "refunded"
        entry = acts().get()
        assert (entry.actor, entry.action, entry.reason) == ("sue", "refund_round", WHY["reason"])
        assert_books_agree(acme.operator, casino.wallet)
        assert_rounds_sound()

    def test_above_the_limit_takes_two_people(
        self, acme: NewOperator, casino: Casino, held: Round, support: User, settings: Settings
    ) -> None:
        settings.LOOTBOX_STAFF_ALONE_UP_TO = 4
        sue = browser(support)
        assert "A second person must confirm" in act(sue, "refund_round", held)
        asked = ActionRequest.objects.get()
        assert Round.objects.get(pk=held.pk).state == "held"
        own = sue.post(page("operators_actionrequest_change", asked.pk), {"decision": "confirm"}, follow=True)
        assert "You asked for this yourself" in own.content.decode()
        assert Round.objects.get(pk=held.pk).state == "held"
        tom = browser(person("tom", role=staff.SUPPORT, at=acme.operator))
        tom.post(page("operators_actionrequest_change", asked.pk), {"decision": "confirm"})
        assert Round.objects.get(pk=held.pk).state == "refunded"
        done = acts().get(action="refund_round")
        assert (done.actor, done.confirmed_by) == ("sue", "tom")
        assert [entry.action for entry in acts()] == [
            "refund_round.asked", "refund_round.confirmed", "refund_round",
        ]  # fmt: skip
        assert_books_agree(acme.operator, casino.wallet)

    def test_that_is_declined_moves_nothing(self, acme: NewOperator, held: Round, support: User, settings: Settings) -> None:
        settings.LOOTBOX_STAFF_ALONE_UP_TO = 4
        act(browser(support), "refund_round", held)
        tom = browser(person("tom", role=staff.SUPPORT, at=acme.operator))
        tom.post(page("operators_actionrequest_change", ActionRequest.objects.get().pk), {"decision": "decline"})
        assert (ActionRequest.objects.get().state, Round.objects.get(pk=held.pk).state) == ("declined", "held")

    @pytest.mark.parametrize("role", [staff.AUDITOR, staff.CATALOGUE_MANAGER, staff.FINANCE, None])
    def test_is_refused_to_roles_that_may_not(self, acme: NewOperator, held: Round, role: str | None) -> None:
        client = browser(person("pat", role=role, at=acme.operator))
        assert client.post(page("act", "refund_round", held.pk), WHY).status_code == 403
        assert Round.objects.get(pk=held.pk).state == "held"

    def test_of_another_operators_round_is_not_found(self, stranger: NewOperator, held: Round) -> None:
        client = browser(person("xena", role=staff.OPERATOR_ADMIN, at=stranger.operator))
        assert client.post(page("act", "refund_round", held.pk), WHY).status_code == 404
        assert Round.objects.get(pk=held.pk).state == "held"

    def test_wants_the_password_again_after_a_while(self, held: Round, support: User, settings: Settings) -> None:
        client = browser(support)
        settings.LOOTBOX_STAFF_PROOF_S = 0
        address = page("act", "refund_round", held.pk)
        asked = client.post(address, WHY)
        assert (asked.status_code, asked.headers["Location"].partition("?")[0]) == (302, "/admin/prove/")
        assert Round.objects.get(pk=held.pk).state == "held"
        wrong = client.post("/admin/prove/", {"password": "guess"})
        assert b"not your password" in wrong.content
        right = client.post(f"/admin/prove/?next={address}", {"password": "correct horse battery"})
        assert right.headers["Location"] == address


@pytest.fixture
def unknown_debit(
    acme: NewOperator, casino: Casino, s2s: SignedClient, boxes: dict[str, int], settings: Settings
) -> Callable[..., WalletCall]:
    """Return what makes a debit of unknown fate that recovery has begun to undo; the wallet took it, or not."""

    def make(*, taken: bool) -> WalletCall:
        casino.server.play(casino.wallet.apply_then(BROKEN) if taken else BROKEN)
        assert s2s.post("/api/s2s/purchase", _purchase(boxes["harbour"])).status == 503
        Round.objects.update(recover_at=timezone.now() - timedelta(seconds=1))
        recover_due(clock=timezone.now)
        casino.play()
        return WalletCall.objects.get()

    return make


class TestAWordForAnUnknownDebit:
    @pytest.mark.parametrize(("word", "ends"), [("yes", ("accepted", 2)), ("no", ("closed", 1))])
    def test_ends_the_round_with_the_books_in_agreement(
        self, acme: NewOperator, casino: Casino, unknown_debit: Callable[..., WalletCall], word: str, ends: tuple[str, int]
    ) -> None:
        call = unknown_debit(taken=word == "yes")
        assert call.state == "unknown"
        fay = browser(person("fay", role=staff.FINANCE, at=acme.operator))
        assert "second person must confirm" in act(fay, "resolve_call", call, taken=word, reference="statement 7, line 12")
        assert WalletCall.objects.get().state == "unknown"
        fin = browser(person("fin", role=staff.FINANCE, at=acme.operator))
        fin.post(page("operators_actionrequest_change", ActionRequest.objects.get().pk), {"decision": "confirm"})
        debit = WalletCall.objects.get(reason="purchase")
        assert (debit.state, debit.provider_txn_ref) == (ends[0], "statement 7, line 12")
        recover_due(clock=timezone.now)
        assert Round.objects.get().state == "voided"
        assert WalletCall.objects.count() == ends[1]
        assert_books_agree(acme.operator, casino.wallet)
        assert_rounds_sound()

    def test_is_not_taken_while_the_player_may_still_retry(
        self, acme: NewOperator, casino: Casino, s2s: SignedClient, boxes: dict[str, int]
    ) -> None:
        casino.server.play(casino.wallet.apply_then(BROKEN))
        s2s.post("/api/s2s/purchase", _purchase(boxes["harbour"]))
        call = WalletCall.objects.get()
        fay = browser(person("fay", role=staff.FINANCE, at=acme.operator))
        assert "still open to a retry" in act(fay, "resolve_call", call, taken="no", reference="x")
        assert not ActionRequest.objects.exists()
        assert WalletCall.objects.get().state == "unknown"


class TestAskingTheWalletAgain:
    def test_makes_recovery_ask_at_once(
        self, acme: NewOperator, casino: Casino, unknown_debit: Callable[..., WalletCall], support: User
    ) -> None:
        call = unknown_debit(taken=True)
        assert "asked within seconds" in act(browser(support), "ask_wallet", call)
        recover_due(clock=timezone.now)
        assert Round.objects.get().state == "voided"
        assert acts().get().action == "ask_wallet"
        assert_books_agree(acme.operator, casino.wallet)


class TestBlockingAPlayer:
    def test_holds_from_the_next_purchase_and_is_undone_the_same_way(
        self, s2s: SignedClient, boxes: dict[str, int], held: Round, support: User
    ) -> None:
        player, client = Player.objects.get(), browser(support)
        assert "u_1 is blocked" in act(client, "block_player", player)
        assert s2s.post("/api/s2s/purchase", _purchase(boxes["harbour"], clientActionId="c-2")).code == "PLAYER_BLOCKED"
        act(client, "block_player", player)
        assert not Player.objects.get().blocked
        assert [entry.after for entry in acts()] == [{"blocked": True}, {"blocked": False}]
        assert audit.verify()[0] == AuditEntry.objects.count()


class TestSendingARoundsWebhooksAgain:
    def test_makes_them_due_and_stands_in_the_rounds_story(
        self, acme: NewOperator, s2s: SignedClient, boxes: dict[str, int], support: User
    ) -> None:
        hooks = {"webhookUrl": "http://127.0.0.1:9/hooks"}
        services.change_settings(operator=acme.operator, changes=hooks, at=timezone.now())
        s2s.post("/api/s2s/purchase", _purchase(boxes["harbour"], mode="prepay"))
        Delivery.objects.update(state="failed", next_attempt_at=None)
        round_, client = Round.objects.get(), browser(support)
        assert "1 webhooks are on their way" in act(client, "send_events", round_)
        assert Delivery.objects.get().state == "due"
        entry = acts().get()
        assert (entry.actor, entry.action, entry.subject) == ("sue", "webhooks.sent_again", public_id(Prefix.ROUND, round_.pk))
        assert "sue did webhooks.sent_again" in client.get(page("purchases_round_change", round_.pk)).content.decode()

    def test_is_not_offered_where_there_are_none(self, held: Round, support: User) -> None:
        assert "There is no webhook of this round" in act(browser(support), "send_events", held)
        assert not acts().exists()


class TestPuttingAnOrderForward:
    @pytest.fixture
    def order(self, s2s: SignedClient, boxes: dict[str, int]) -> ShippingOrder:
        """Return an order that was just made."""
        assert make_order(s2s, won_items(s2s, boxes["sure-item"])).status == 201
        return ShippingOrder.objects.get()

    def test_goes_status_by_status_with_an_entry_each(self, order: ShippingOrder, support: User) -> None:
        client, dhl = browser(support), {"carrier": "DHL", "tracking_number": "JD01"}
        nothing = {"carrier": "", "tracking_number": ""}
        assert "The order is processing" in act(client, "advance_order", order, status="processing", **nothing)
        assert "Say the carrier" in act(client, "advance_order", order, status="shipped", **nothing)
        assert "The order is shipped" in act(client, "advance_order", order, status="shipped", **dhl)
        assert InventoryItem.objects.get().state == "fulfilled"
        told = [(entry.action, entry.before, entry.after) for entry in acts()]
        assert told == [
            ("advance_order", {"status": "pending"}, {"status": "processing"}),
            ("advance_order", {"status": "processing"}, {"status": "shipped"}),
        ]

    def test_cancelled_gives_the_items_back_and_goes_no_further(self, order: ShippingOrder, support: User) -> None:
        client, nothing = browser(support), {"carrier": "", "tracking_number": ""}
        act(client, "advance_order", order, status="cancelled", **nothing)
        assert InventoryItem.objects.get().state == "unresolved"
        assert "which is its end" in act(client, "advance_order", order, status="processing", **nothing)
        assert ShippingOrder.objects.get().status == "cancelled"

    def test_skips_no_status(self, order: ShippingOrder, support: User) -> None:
        said = act(browser(support), "advance_order", order, status="delivered", carrier="", tracking_number="")
        assert "can&#x27;t become delivered" in said
        assert ShippingOrder.objects.get().status == "pending"
        assert not acts().exists()
