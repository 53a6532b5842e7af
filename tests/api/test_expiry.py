"""Held boxes whose time is up are refunded like a cancel: contract section 5."""

import datetime as dt

from django.utils import timezone

from operators import services
from operators.services import NewOperator
from purchases.services.expiring import expire_held
from purchases.services.recovering import recover_due
from tests.api.test_prepay_and_cancel import open_held
from tests.api.test_purchase import buy
from tests.casino_wallet import Casino
from tests.faulty_server import answer, reset
from tests.invariants import assert_books_agree, assert_rounds_sound
from tests.signed import SignedClient
from wallet.models import WalletCall


def a_week_later() -> dt.datetime:
    """Return a time at which a box of five days has expired."""
    return timezone.now() + dt.timedelta(days=7)


class TestAHeldBox:
    def test_that_expires_is_refunded(
        self, acme: NewOperator, s2s: SignedClient, boxes: dict[str, int], casino: Casino
    ) -> None:
        services.change_settings(operator=acme.operator, changes={"heldExpiryDays": "5"}, at=timezone.now())
        held = buy(s2s, boxes["sure-item"], mode="prepay").body["round"]
        assert held["expiresAt"]
        assert expire_held(clock=timezone.now, limit=10) == 0
        assert expire_held(clock=a_week_later, limit=10) == 1
        shown = s2s.get(f"/api/s2s/rounds/{held['publicId']}").body["round"]
        assert shown["status"] == "expired"
        assert casino.wallet.balance("u_1") == casino.wallet.opening_minor
        assert open_held(s2s, held["publicId"]).code == "ROUND_NOT_HELD"
        assert_books_agree(acme.operator, casino.wallet)
        assert_rounds_sound()

    def test_that_was_free_expires_without_a_call(
        self, acme: NewOperator, s2s: SignedClient, boxes: dict[str, int], casino: Casino
    ) -> None:
        services.change_settings(operator=acme.operator, changes={"heldExpiryDays": "5"}, at=timezone.now())
        buy(s2s, boxes["sure-item"], mode="prepay", funding="operator")
        assert expire_held(clock=a_week_later, limit=10) == 1
        assert casino.calls() == []

    def test_whose_refund_is_lost_or_refused_owes_it_until_it_lands(
        self, acme: NewOperator, s2s: SignedClient, boxes: dict[str, int], casino: Casino
    ) -> None:
        services.change_settings(operator=acme.operator, changes={"heldExpiryDays": "5"}, at=timezone.now())
        public_id = buy(s2s, boxes["sure-item"], mode="prepay").body["round"]["publicId"]
        refusal = answer(b'{"accepted": false, "errorCode": "CLOSED"}')
        casino.play(refusal, casino.wallet.apply_then(reset()))
        expire_held(clock=a_week_later, limit=10)
        assert open_held(s2s, public_id).code == "ROUND_NOT_HELD"
        assert expire_held(clock=a_week_later, limit=10) == 0
        for _ in range(2):
            WalletCall.objects.filter(reason="refund", state__in=["pending", "unknown"]).update(next_attempt_at=timezone.now())
            recover_due(clock=timezone.now)
        assert s2s.get(f"/api/s2s/rounds/{public_id}").body["round"]["status"] == "expired"
        assert_books_agree(acme.operator, casino.wallet)
