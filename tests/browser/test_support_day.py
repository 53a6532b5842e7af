"""A day at the support's desk: a player asks what happened to a box, and two people give the money back."""

import pytest
from playwright.sync_api import Browser
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from lootbox.core.ids import Prefix, public_id
from operators import staff
from operators.services import NewOperator
from purchases.models import Round
from tests.admin.cast import acts, person
from tests.browser.back_office import WHY, Desk
from tests.casino_wallet import Casino
from tests.invariants import assert_books_agree
from tests.signed import SignedClient
from wallet.models import WalletCall

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def held(s2s: SignedClient, boxes: dict[str, int]) -> Round:
    """Return a box that u_1 paid for and has not opened."""
    reels = [{"reelIndex": 0, "boxVersionId": boxes["harbour"]}]
    body = {"playerExternalId": "u_1", "gameKey": "mystery_box", "clientActionId": "click-7", "mode": "prepay", "reels": reels}
    assert s2s.post("/api/s2s/purchase", body).status == 201
    return Round.objects.get()


@pytest.fixture
def team(acme: NewOperator, browser: Browser, live_server: LiveServer) -> tuple[Desk, Desk]:
    """Return the desks of two people of Acme's support."""
    for name in ("sue", "tom"):
        person(name, role=staff.SUPPORT, at=acme.operator)
    return Desk(browser, live_server, "sue"), Desk(browser, live_server, "tom")


def test_a_box_is_found_by_any_id_and_refunded_by_two(
    acme: NewOperator, casino: Casino, held: Round, team: tuple[Desk, Desk], settings: Settings
) -> None:
    settings.LOOTBOX_STAFF_ALONE_UP_TO = 4
    shown, call = public_id(Prefix.ROUND, held.pk), WalletCall.objects.get()
    sue, tom = team
    for known in ("click-7", shown, call.provider_txn_ref):
        sue.visit("index")
        sue.fill("Find by any id", known)
        sue.click("Find")
        if known == call.provider_txn_ref:
            sue.click(shown)
        sue.sees("u_1 bought for 5.00 EUR and kept the box unopened", "Debited 5.00 EUR", "Paid, and waits unopened")
    sue.click("Refund this round")
    sue.sees("asked at once to credit 5.00 EUR to u_1", "This takes two people")
    sue.fill("Reason", WHY)
    sue.click("Ask for a second person")
    sue.sees("A second person must confirm this")
    assert Round.objects.get().state == "held"

    tom.visit("operators_actionrequest_changelist")
    tom.click("refund_round")
    tom.sees(WHY, "Asked by", "sue")
    tom.click("Confirm and do it")
    tom.sees("5.00 EUR went back to u_1")
    assert Round.objects.get().state == "refunded"

    sue.visit("purchases_round_change", held.pk)
    sue.sees("Refunded: the player has the money back", "sue did refund_round, confirmed by tom")
    assert [entry.action for entry in acts()] == ["refund_round.asked", "refund_round.confirmed", "refund_round"]
    assert sue.complaints + tom.complaints == []
    assert_books_agree(acme.operator, casino.wallet)
