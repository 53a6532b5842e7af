"""Exchange rates: contract sections 4 and 5."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from catalog import rates, tasks
from catalog.models import ExchangeRate, PinnedRate
from catalog.rates import InvalidRate, Rate
from lootbox.core.errors import ApiError
from operators.models import Operator
from tests.factories.catalog import ExchangeRateFactory, PinnedRateFactory
from tests.factories.operators import OperatorFactory
from tests.faulty_server import FaultyServer, answer

AT = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
WEEK = dt.timedelta(days=7)
SECOND = dt.timedelta(seconds=1)
SAMPLE = Path(__file__).with_name("eurofxref-daily.xml").read_bytes()


@pytest.fixture
def operator(db: None) -> Operator:
    """Return an operator in EUR that takes kronor and yen, with the default tolerance of 1 %."""
    return OperatorFactory.create(currencies=["EUR", "SEK", "JPY"])


def purchase(operator: Operator, currency: str = "SEK", *, pinned: str | None = None, at: dt.datetime = AT) -> Decimal:
    """Return the rate that a purchase is charged at."""
    pin = None if pinned is None else Decimal(pinned)
    return rates.purchase_rate(operator=operator, currency=currency, at=at, pinned=pin).rate


def refusal(operator: Operator, currency: str = "SEK", *, pinned: str | None = None, at: dt.datetime = AT) -> str:
    """Return the code that a purchase is refused with."""
    with pytest.raises(ApiError) as error:
        purchase(operator, currency, pinned=pinned, at=at)
    return error.value.code


@pytest.mark.django_db
class TestCurrentRate:
    def test_is_the_newest(self) -> None:
        for rate, at in ((Decimal(3), AT), (Decimal(1), AT - SECOND), (Decimal(2), AT - WEEK)):
            ExchangeRateFactory.create(rate=rate, at=at)
        assert rates.current_rate(base="EUR", quote="SEK", at=AT) == Rate(Decimal(3), "test", AT)

    def test_is_the_last_one_set_of_two_at_once(self) -> None:
        for rate in (Decimal(1), Decimal(2)):
            ExchangeRateFactory.create(rate=rate, at=AT)
        current = rates.current_rate(base="EUR", quote="SEK", at=AT)
        assert current is not None
        assert current.rate == 2

    def test_is_not_the_inverse(self) -> None:
        ExchangeRateFactory.create(at=AT)
        assert rates.current_rate(base="SEK", quote="EUR", at=AT) is None

    def test_is_none_once_it_is_too_old(self) -> None:
        ExchangeRateFactory.create(at=AT)
        assert rates.current_rate(base="EUR", quote="SEK", at=AT + WEEK) is not None
        assert rates.current_rate(base="EUR", quote="SEK", at=AT + WEEK + SECOND) is None


class TestQuotedRate:
    def test_is_one_in_the_base_currency(self, operator: Operator) -> None:
        assert rates.quoted_rate(operator=operator, currency="EUR", at=AT).rate == 1

    def test_pins_nothing(self, operator: Operator) -> None:
        ExchangeRateFactory.create(at=AT)
        assert rates.quoted_rate(operator=operator, currency="SEK", at=AT).rate == Decimal("11.2345")
        assert rates.operator_pin(operator=operator, currency="SEK") is None

    @pytest.mark.parametrize("currency", ["USD", "JPY", "sek", ""])
    def test_is_refused_without_support_or_rate(self, operator: Operator, currency: str) -> None:
        ExchangeRateFactory.create(quote="USD", at=AT)
        with pytest.raises(ApiError) as error:
            rates.quoted_rate(operator=operator, currency=currency, at=AT)
        assert error.value.code == "UNSUPPORTED_CURRENCY"


class TestPriceRate:
    def test_pins_what_was_shown_last(self, operator: Operator) -> None:
        for rate in ("11.2345", "11.5"):
            ExchangeRateFactory.create(rate=Decimal(rate), at=AT)
            rates.price_rate(operator=operator, currency="SEK", at=AT)
            assert rates.operator_pin(operator=operator, currency="SEK") == Decimal(rate)
        assert PinnedRate.objects.count() == 1

    def test_writes_only_what_changed(self, operator: Operator) -> None:
        ExchangeRateFactory.create(at=AT)
        rates.price_rate(operator=operator, currency="SEK", at=AT)
        with CaptureQueriesContext(connection) as queries:
            rates.price_rate(operator=operator, currency="SEK", at=AT + SECOND)
        assert all(query["sql"].split()[0] == "SELECT" for query in queries)
        assert PinnedRate.objects.get().pinned_at == AT

    def test_pins_for_one_operator(self, operator: Operator) -> None:
        other = OperatorFactory.create(currencies=["EUR", "SEK"])
        ExchangeRateFactory.create(at=AT)
        rates.price_rate(operator=operator, currency="SEK", at=AT)
        assert rates.operator_pin(operator=other, currency="SEK") is None


class TestPurchaseRate:
    def test_is_one_in_the_base_currency(self, operator: Operator) -> None:
        assert purchase(operator, "EUR", pinned="2") == 1

    def test_is_the_current_one_when_nothing_was_shown(self, operator: Operator) -> None:
        ExchangeRateFactory.create(at=AT)
        assert purchase(operator) == Decimal("11.2345")

    @pytest.mark.parametrize("pinned", ["100", "99.009901", "101.010101"])
    def test_is_the_current_one_within_the_tolerance(self, operator: Operator, pinned: str) -> None:
        ExchangeRateFactory.create(rate=Decimal(100), at=AT)
        assert purchase(operator, pinned=pinned) == 100

    @pytest.mark.parametrize("pinned", ["99.0099", "101.010102", "50", "200"])
    def test_is_refused_beyond_it(self, operator: Operator, pinned: str) -> None:
        ExchangeRateFactory.create(rate=Decimal(100), at=AT)
        assert refusal(operator, pinned=pinned) == "FX_RATE_MOVED"

    def test_may_not_move_at_all_without_tolerance(self, operator: Operator) -> None:
        operator.fx_tolerance_bps = 0
        ExchangeRateFactory.create(rate=Decimal("999999999999.999999999999"), at=AT)
        assert purchase(operator, pinned="999999999999.999999999999") > 0
        assert refusal(operator, pinned="999999999999.999999999998") == "FX_RATE_MOVED"

    def test_is_refused_as_moved_when_it_is_no_longer_to_be_had(self, operator: Operator) -> None:
        assert refusal(operator, pinned="11.2345") == "FX_RATE_MOVED"
        ExchangeRateFactory.create(at=AT - WEEK - SECOND)
        assert refusal(operator) == "FX_RATE_MOVED"
        assert refusal(operator, pinned="11.2345") == "FX_RATE_MOVED"

    def test_is_refused_as_unsupported_when_there_never_was_one(self, operator: Operator) -> None:
        assert refusal(operator) == "UNSUPPORTED_CURRENCY"

    def test_is_refused_as_unsupported_in_a_currency_that_is_not_the_operators(self, operator: Operator) -> None:
        ExchangeRateFactory.create(quote="USD", at=AT)
        assert refusal(operator, "USD", pinned="11.2345") == "UNSUPPORTED_CURRENCY"


class TestCheckExpectedBet:
    def check(self, operator: Operator, currency: str, expected_minor: int, actual_minor: int) -> str | None:
        """Return the code of the refusal, None for none."""
        try:
            rates.check_expected_bet(
                operator=operator, currency=currency, expected_minor=expected_minor, actual_minor=actual_minor
            )
        except ApiError as error:
            return error.code
        return None

    def test_wants_the_very_total_in_the_base_currency(self, operator: Operator) -> None:
        assert self.check(operator, "EUR", 500, 500) is None
        assert self.check(operator, "EUR", 499, 500) == "VALIDATION_FAILED"

    @pytest.mark.parametrize("actual_minor", [9900, 10_000, 10_100])
    def test_takes_a_total_within_the_tolerance_in_another(self, operator: Operator, actual_minor: int) -> None:
        assert self.check(operator, "SEK", 10_000, actual_minor) is None

    @pytest.mark.parametrize("actual_minor", [9899, 10_101, 0])
    def test_refuses_one_beyond_it(self, operator: Operator, actual_minor: int) -> None:
        assert self.check(operator, "SEK", 10_000, actual_minor) == "FX_RATE_MOVED"

    def test_takes_nothing_for_nothing_only(self, operator: Operator) -> None:
        assert self.check(operator, "SEK", 0, 0) is None
        assert self.check(operator, "SEK", 0, 1) == "FX_RATE_MOVED"


class TestTheTolerance:
    @given(
        shown=st.integers(1, 2**53 - 1),
        change=st.integers(-(2**20), 2**20),
        tolerance_bps=st.integers(0, 10_000),
    )
    def test_is_kept_exactly(self, shown: int, change: int, tolerance_bps: int) -> None:
        operator = OperatorFactory.build(currencies=["EUR", "SEK"], fx_tolerance_bps=tolerance_bps)
        within = abs(change) * 10_000 <= tolerance_bps * shown
        try:
            rates.check_expected_bet(operator=operator, currency="SEK", expected_minor=shown, actual_minor=shown + change)
        except ApiError:
            assert not within
        else:
            assert within


@pytest.mark.django_db
class TestSetRate:
    def test_holds_from_now_on(self) -> None:
        ExchangeRateFactory.create(at=AT)
        rates.set_rate(base="EUR", quote="SEK", rate="11.5", source="person", at=AT)
        current = rates.current_rate(base="EUR", quote="SEK", at=AT)
        assert current == Rate(Decimal("11.5"), "person", AT)

    @pytest.mark.parametrize(
        ("base", "quote", "rate"),
        [
            ("EUR", "EUR", "1"),
            ("EUR", "XAU", "1"),
            ("eur", "SEK", "1"),
            ("EUR", "", "1"),
            *(("EUR", "SEK", rate) for rate in ("0", "0.000", "-1", "1e3", "NaN", "1,5", " 1", "", "1" * 13, "0." + "1" * 13)),
        ],
    )
    def test_refuses_what_is_no_rate(self, base: str, quote: str, rate: str) -> None:
        with pytest.raises(InvalidRate):
            rates.set_rate(base=base, quote=quote, rate=rate, source="person", at=AT)
        assert not ExchangeRate.objects.exists()

    def test_is_kept_for_ever(self) -> None:
        ExchangeRateFactory.create()
        with pytest.raises(IntegrityError, match="only ever added"), transaction.atomic():
            ExchangeRate.objects.update(rate=1)


class TestLoadRates:
    def stored(self) -> dict[str, Decimal]:
        """Return all rates by pair."""
        return {f"{row.base} {row.quote}": row.rate for row in ExchangeRate.objects.all()}

    @pytest.mark.django_db
    def test_stores_what_a_euro_is_worth(self) -> None:
        rates.load_rates(document=SAMPLE)
        assert self.stored() == {
            "EUR USD": Decimal("1.085"),
            "EUR JPY": Decimal("161.35"),
            "EUR SEK": Decimal("11.2345"),
            "EUR GBP": Decimal("0.84"),
        }
        assert set(ExchangeRate.objects.values_list("source", "at")) == {("ecb", AT.replace(hour=0))}

    def test_adds_what_operators_need_both_ways(self, operator: Operator) -> None:
        OperatorFactory.create(base_currency="SEK", currencies=["SEK", "USD", "KWD"])
        rates.load_rates(document=SAMPLE)
        stored = self.stored()
        assert stored["SEK EUR"] == Decimal("0.089011526993")
        assert stored["JPY EUR"] == Decimal("0.006197706848")
        assert stored["SEK USD"] == Decimal("0.096577506787")
        assert stored["USD SEK"] == Decimal("10.354377880184")
        assert len(stored) == 8

    def test_stores_nothing_twice(self, operator: Operator) -> None:
        rates.load_rates(document=SAMPLE)
        before = self.stored()
        assert rates.load_rates(document=SAMPLE) == []
        assert self.stored() == before

    def test_adds_what_a_new_operator_needs(self, operator: Operator) -> None:
        rates.load_rates(document=SAMPLE)
        OperatorFactory.create(base_currency="GBP")
        OperatorFactory.create(base_currency="GBP", currencies=["GBP", "USD"])
        assert [str(rate).split(" = ")[0] for rate in rates.load_rates(document=SAMPLE)] == ["1 GBP", "1 USD"]

    def test_lets_a_rate_set_by_hand_on_that_day_stand(self, operator: Operator) -> None:
        rates.set_rate(base="EUR", quote="SEK", rate="12", source="person", at=AT)
        rates.load_rates(document=SAMPLE)
        assert purchase(operator) == 12

    @pytest.mark.django_db
    def test_refuses_another_document(self) -> None:
        with pytest.raises(InvalidRate, match="not the European Central Bank's"):
            rates.load_rates(document=b"<html/>")
        assert self.stored() == {}


@pytest.mark.django_db
class TestTheScheduledLoad:
    def test_fetches_and_stores(self, settings: Settings) -> None:
        settings.LOOTBOX_ALLOW_PRIVATE_URLS = True
        with FaultyServer(answer(SAMPLE)) as server:
            settings.LOOTBOX_RATES_URL = server.url("/eurofxref-daily.xml")
            tasks.load_rates()
        assert ExchangeRate.objects.count() == 4

    def test_fails_where_there_are_no_rates(self, settings: Settings) -> None:
        settings.LOOTBOX_ALLOW_PRIVATE_URLS = True
        with FaultyServer(answer(b"gone", status=404)) as server:
            settings.LOOTBOX_RATES_URL = server.url("/eurofxref-daily.xml")
            with pytest.raises(InvalidRate, match="it answered 404"):
                tasks.load_rates()
        with pytest.raises(InvalidRate, match="gave no rates"):
            tasks.load_rates()
        assert not ExchangeRate.objects.exists()


@pytest.mark.django_db
class TestPinnedRates:
    def test_are_one_per_operator_and_currency(self) -> None:
        pin = PinnedRateFactory.create()
        with pytest.raises(IntegrityError), transaction.atomic():
            PinnedRateFactory.create(operator=pin.operator)
