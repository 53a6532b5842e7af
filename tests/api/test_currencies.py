"""Buying in another currency than the base: contract section 5, FX."""

import datetime as dt

import pytest
from django.utils import timezone

from catalog import rates
from operators.services import NewOperator
from purchases.models import Action, Round
from tests.api.test_prepay_and_cancel import cancel, open_held
from tests.api.test_purchase import buy, order
from tests.casino_wallet import Casino
from tests.conftest import SURE_CASH, SURE_ITEM, make_operator, publish_boxes
from tests.invariants import assert_books_agree
from tests.signed import SignedClient


@pytest.fixture
def nordic(acme: NewOperator, casino: Casino) -> NewOperator:
    """Return an operator in euro that also takes yen, dinar and krona."""
    return make_operator("nordic", currencies=["JPY", "KWD", "SEK"], wallet_url=casino.url)


@pytest.fixture
def backend(nordic: NewOperator) -> SignedClient:
    """Return its backend."""
    return SignedClient(key_id=nordic.key.key_id, secret=nordic.key.secret)


@pytest.fixture
def versions(nordic: NewOperator) -> dict[str, int]:
    """Return its boxes, at 5.00 euro each."""
    return publish_boxes(nordic, SURE_ITEM, SURE_CASH)


def rate(quote: str, value: str) -> None:
    """Let a euro be worth so much from now on."""
    rates.set_rate(base="EUR", quote=quote, rate=value, source="test", at=timezone.now())


class TestAPurchaseInAnotherCurrency:
    @pytest.mark.parametrize(
        ("currency", "value", "debited", "won"),
        [("JPY", "163.45", 817, 785), ("KWD", "0.3321", 1661, 1594), ("SEK", "11.2345", 5617, 5393)],
    )
    def test_debits_the_right_integer(  # noqa: PLR0917 - what a parametrised test takes
        self,
        nordic: NewOperator,
        backend: SignedClient,
        versions: dict[str, int],
        casino: Casino,
        currency: str,
        value: str,
        debited: int,
        won: int,
    ) -> None:
        rate(currency, value)
        bought = buy(backend, versions["sure-item"], currency=currency)
        assert bought.status == 200
        shown = bought.body["round"]
        assert (shown["betMinor"], shown["currency"], shown["payoutMinor"]) == (debited, currency, won)
        assert shown["reels"][0]["prize"]["valueMinor"] == won
        assert shown["wonItems"][0]["currency"] == "EUR"
        [call] = casino.calls()
        assert (call["amountMinor"], call["currency"]) == (debited, currency)
        assert (call["reference"]["baseAmountMinor"], call["reference"]["baseCurrency"]) == (500, "EUR")
        assert_books_agree(nordic.operator, casino.wallet)

    def test_pays_cash_and_gives_back_in_the_currency_and_at_the_rate_of_its_purchase(
        self, nordic: NewOperator, backend: SignedClient, versions: dict[str, int], casino: Casino
    ) -> None:
        rate("SEK", "11")
        first, second = (
            buy(backend, versions["sure-cash"], currency="SEK", mode="prepay").body["round"]["publicId"] for _ in range(2)
        )
        rate("SEK", "20")
        opened = open_held(backend, first)
        assert opened.body["round"]["payoutMinor"] == 2200
        assert cancel(backend, second).body["round"]["refundedMinor"] == 5500
        assert casino.wallet.balance("u_1", "SEK") == 1_000_000 - 5500 + 2200
        assert_books_agree(nordic.operator, casino.wallet)

    def test_needs_a_supported_currency_with_a_rate(self, backend: SignedClient, versions: dict[str, int]) -> None:
        for currency in ("USD", "XXX", "eur", "JPY"):
            assert buy(backend, versions["sure-item"], currency=currency).code == "UNSUPPORTED_CURRENCY"
        assert not Round.objects.exists()


class TestAMovedRate:
    def test_is_refused_beyond_the_tolerance_and_stores_nothing(
        self, backend: SignedClient, versions: dict[str, int], casino: Casino
    ) -> None:
        rate("SEK", "11.0000")
        assert backend.get("/api/s2s/boxes?currency=SEK").status == 200  # pins
        rate("SEK", "11.1100")
        request = order(versions["sure-item"], currency="SEK")
        assert backend.post("/api/s2s/purchase", request).status == 200  # exactly 1 %
        rate("SEK", "11.1101")
        request = order(versions["sure-item"], currency="SEK")
        moved = backend.post("/api/s2s/purchase", request)
        assert (moved.status, moved.code) == (422, "FX_RATE_MOVED")
        assert Action.objects.count() == 1
        assert len(casino.calls()) == 1
        backend.get("/api/s2s/boxes?currency=SEK")
        assert backend.post("/api/s2s/purchase", request).status == 200

    def test_matters_for_the_total_where_the_caller_names_it(self, backend: SignedClient, versions: dict[str, int]) -> None:
        rate("SEK", "11")
        backend.get("/api/s2s/boxes?currency=SEK")
        rate("SEK", "20")
        assert buy(backend, versions["sure-item"], currency="SEK", expectedBetMinor=10_000).status == 200
        assert buy(backend, versions["sure-item"], currency="SEK", expectedBetMinor=5_500).code == "FX_RATE_MOVED"
        assert buy(backend, versions["sure-item"], expectedBetMinor=500).status == 200
        assert buy(backend, versions["sure-item"], expectedBetMinor=499).code == "VALIDATION_FAILED"

    def test_that_is_no_longer_to_be_had_is_refused(self, backend: SignedClient, versions: dict[str, int]) -> None:
        long_ago = timezone.now() - dt.timedelta(days=30)
        rates.set_rate(base="EUR", quote="SEK", rate="11", source="test", at=long_ago)
        assert buy(backend, versions["sure-item"], currency="SEK").code == "FX_RATE_MOVED"
        assert not Round.objects.exists()
