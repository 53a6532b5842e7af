"""Exchange rates: what a price is converted at, what was shown, and whether that still holds (contract sections 4 and 5)."""

import datetime as dt
import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any, Final, NamedTuple

from django.conf import settings

from catalog import ecb
from catalog.models import ExchangeRate, PinnedRate
from lootbox.core import db, http
from lootbox.core.errors import ApiError, ErrorCode, Outdated, invalid
from lootbox.core.money import is_currency
from operators.models import Operator

PLACES: Final = Decimal("1e-12")
FETCH_LIMIT_S: Final = 20.0
ECB: Final = "ecb"
# Every price and purchase in another currency asks these; through the ORM they cost more than the rest of the request.
_NEWEST: Final = """
    SELECT rate, source, at FROM catalog_exchangerate
    WHERE base = %(base)s AND quote = %(quote)s ORDER BY at DESC, id DESC LIMIT 1
"""
_TO_SHOW: Final = """
    SELECT operator.version, pin.rate, newest.* FROM operators_operator operator
    LEFT JOIN catalog_pinnedrate pin ON pin.operator_id = operator.id AND pin.currency = %(quote)s
    LEFT JOIN LATERAL (
        SELECT rate, source, at FROM catalog_exchangerate
        WHERE base = %(base)s AND quote = %(quote)s ORDER BY at DESC, id DESC LIMIT 1
    ) AS newest ON true
    WHERE operator.id = %(operator)s
"""
_PINNED: Final = "SELECT rate FROM catalog_pinnedrate WHERE operator_id = %(operator)s AND currency = %(currency)s"
_RATE = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")


class InvalidRate(Exception):
    """A rate can't be had or can't be kept; the message says why and what to do."""


class Rate(NamedTuple):
    """How many units of another currency one unit of the base is worth, who said so, and since when."""

    rate: Decimal
    source: str
    at: dt.datetime


def current_rate(*, base: str, quote: str, at: dt.datetime) -> Rate | None:
    """Return the newest rate, None when there is none or it is older than `LOOTBOX_RATE_MAX_AGE_S`."""
    newest = _newest(base=base, quote=quote)
    return None if newest is None or _is_old(newest, at=at) else newest


def quoted_rate(*, operator: Operator, currency: str, at: dt.datetime) -> Rate:
    """Return the rate at which this operator's prices are shown in `currency`; 1 in its base currency. Contract section 4.

    Pins nothing. Raises `UNSUPPORTED_CURRENCY`.
    """
    _check_supported(operator=operator, currency=currency)
    if currency == operator.base_currency:
        return _identity(at=at)
    rate = current_rate(base=operator.base_currency, quote=currency, at=at)
    return _there(rate, base=operator.base_currency, quote=currency)


def price_rate(*, operator: Operator, currency: str, at: dt.datetime) -> Rate:
    """Return the rate as `quoted_rate` does, and pin it as the one shown to the operator in this currency. Contract section 4.

    Writes only when the rate differs from the one pinned. Raises `UNSUPPORTED_CURRENCY`, and `Outdated` where the operator has
    changed since it was read, which it finds out in the round trip that it takes anyway in another currency than the base.
    """
    if currency == operator.base_currency:
        return quoted_rate(operator=operator, currency=currency, at=at)
    _check_supported(operator=operator, currency=currency)
    params = {"operator": operator.pk, "base": operator.base_currency, "quote": currency}
    [(version, pinned, *newest)] = db.rows(_TO_SHOW, params)
    if version != operator.version:
        raise Outdated
    rate = _there(_if_current(newest, at=at), base=operator.base_currency, quote=currency)
    if pinned != rate.rate:
        PinnedRate.objects.bulk_create(
            [PinnedRate(operator=operator, currency=currency, rate=rate.rate, pinned_at=at)],
            update_conflicts=True,
            unique_fields=["operator", "currency"],
            update_fields=["rate", "pinned_at"],
        )
    return rate


def operator_pin(*, operator: Operator, currency: str) -> Decimal | None:
    """Return the rate that was shown last to the operator's backend in `currency`, None when none ever was."""
    rows = db.rows(_PINNED, {"operator": operator.pk, "currency": currency})
    return rows[0][0] if rows else None


def purchase_rate(*, operator: Operator, currency: str, at: dt.datetime, pinned: Decimal | None) -> Rate:
    """Return the rate to charge at; 1 in the operator's base currency. Contract section 5, FX.

    `pinned` is the rate that the price was shown at, None for no comparison: then none was shown, or the caller checks the
    total by `check_expected_bet`. Raises `FX_RATE_MOVED` when the rate moved from `pinned` by more than the operator's
    tolerance or is no longer to be had, `UNSUPPORTED_CURRENCY` when it never was.
    """
    _check_supported(operator=operator, currency=currency)
    if currency == operator.base_currency:
        return _identity(at=at)
    rate = _newest(base=operator.base_currency, quote=currency)
    if rate is None and pinned is None:
        raise ApiError(ErrorCode.UNSUPPORTED_CURRENCY, f"There is no rate from {operator.base_currency} to {currency}.")
    if rate is None or _is_old(rate, at=at):
        raise ApiError(ErrorCode.FX_RATE_MOVED, f"There is no rate from {operator.base_currency} to {currency} any more.")
    if pinned is not None and _moved(Fraction(pinned), Fraction(rate.rate), tolerance_bps=operator.fx_tolerance_bps):
        raise ApiError(ErrorCode.FX_RATE_MOVED)
    return rate


def check_expected_bet(*, operator: Operator, currency: str, expected_minor: int, actual_minor: int) -> None:
    """Check the total that the player was shown against the one due, both in minor units of `currency`. Contract section 5.

    Raises `VALIDATION_FAILED` when they differ in the base currency, `FX_RATE_MOVED` when they differ in another one by more
    than the operator's tolerance.
    """
    if currency == operator.base_currency:
        if expected_minor != actual_minor:
            raise invalid("expectedBetMinor", f"The total is {actual_minor}. Show the player the present price.")
    elif _moved(Fraction(expected_minor), Fraction(actual_minor), tolerance_bps=operator.fx_tolerance_bps):
        raise ApiError(ErrorCode.FX_RATE_MOVED)


def set_rate(*, base: str, quote: str, rate: str, source: str, at: dt.datetime) -> Rate:
    """Return the rate that holds from now on: one unit of `base` is `rate` units of `quote`. Raises `InvalidRate`.

    The inverse is not implied.
    """
    for code in (base, quote):
        if not is_currency(code):
            raise InvalidRate(f"{code} is not an ISO 4217 currency. Send a code such as EUR.")
    if base == quote:
        raise InvalidRate(f"A rate is between two currencies, not from {base} to itself.")
    if not _RATE.fullmatch(rate) or Decimal(rate) == 0:
        raise InvalidRate(f"{rate} is not a rate. Send a number above 0 such as 11.2345, with up to 12 digits on each side.")
    made = ExchangeRate.objects.create(base=base, quote=quote, rate=Decimal(rate), source=source, at=at)
    return Rate(made.rate, made.source, made.at)


def fetch_rates() -> bytes:
    """Return the European Central Bank's daily document. Raises `InvalidRate`."""
    url = settings.LOOTBOX_RATES_URL
    try:
        answer = http.get(url=url, headers={}, timeout_s=FETCH_LIMIT_S, allow_private=settings.LOOTBOX_ALLOW_PRIVATE_URLS)
    except (http.NotSent, http.NoAnswer) as error:
        raise InvalidRate(f"{url} gave no rates: {error}") from error
    if answer.status != 200:
        raise InvalidRate(f"{url} gave no rates: it answered {answer.status}.")
    return answer.body


def load_rates(*, document: bytes) -> list[ExchangeRate]:
    """Return the rates stored from the bank's document, none when it was loaded before. Raises `InvalidRate`.

    Stores one euro in every currency of the document, and between each operator's base and its other currencies both ways. They
    count from the document's day, so a rate set by hand on that day or later stays the newest.
    """
    try:
        daily = ecb.read(document)
    except ValueError as error:
        raise InvalidRate(f"The document is not the European Central Bank's: {error}") from error
    euro = {"EUR": Decimal(1), **daily.rates}
    at = dt.datetime.combine(daily.date, dt.time(), dt.UTC)
    known = set(ExchangeRate.objects.filter(source=ECB, at=at).values_list("base", "quote"))
    return ExchangeRate.objects.bulk_create(
        ExchangeRate(base=base, quote=quote, rate=_quotient(euro[quote], euro[base]), source=ECB, at=at)
        for base, quote in sorted(_pairs_needed(euro.keys()) - known)
    )


def _pairs_needed(available: AbstractSet[str]) -> set[tuple[str, str]]:
    pairs = {("EUR", quote) for quote in available}
    for base, currencies in Operator.objects.values_list("base_currency", "currencies"):
        for currency in currencies:
            pairs |= {(base, currency), (currency, base)}
    return {(base, quote) for base, quote in pairs if base != quote and {base, quote} <= available}


def _quotient(quote: Decimal, base: Decimal) -> Decimal:
    return (quote / base).quantize(PLACES, rounding=ROUND_HALF_UP)


def _if_current(newest: Sequence[Any], *, at: dt.datetime) -> Rate | None:
    rate = Rate(*newest) if newest[0] else None
    return None if rate is None or _is_old(rate, at=at) else rate


def _there(rate: Rate | None, *, base: str, quote: str) -> Rate:
    if rate is None:
        raise ApiError(ErrorCode.UNSUPPORTED_CURRENCY, f"There is no rate from {base} to {quote} at present.")
    return rate


def _newest(*, base: str, quote: str) -> Rate | None:
    rows = db.rows(_NEWEST, {"base": base, "quote": quote})
    return Rate(*rows[0]) if rows else None


def _is_old(rate: Rate, *, at: dt.datetime) -> bool:
    return at - rate.at > dt.timedelta(seconds=settings.LOOTBOX_RATE_MAX_AGE_S)


def _moved(shown: Fraction, now: Fraction, *, tolerance_bps: int) -> bool:
    return abs(now - shown) * 10_000 > tolerance_bps * shown


def _identity(*, at: dt.datetime) -> Rate:
    return Rate(Decimal(1), "base", at)


def _check_supported(*, operator: Operator, currency: str) -> None:
    if currency not in operator.currencies:
        raise ApiError(ErrorCode.UNSUPPORTED_CURRENCY, f"This operator's currencies are: {', '.join(operator.currencies)}.")
