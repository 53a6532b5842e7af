"""Money: integers in the currency's minor unit, rates as Decimal, never a float (contract section 1)."""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal, localcontext
from functools import cache
from typing import Final

from iso4217 import Currency

MAX_MINOR: Final = 2**53 - 1


@cache
def _exponents() -> Mapping[str, int]:
    return {currency.code: currency.exponent for currency in Currency if currency.exponent is not None}


def is_currency(code: str) -> bool:
    """Return whether `code` is an ISO 4217 currency that has a minor unit (XAU and its like have none)."""
    return code in _exponents()


def exponent(code: str) -> int:
    """Return the number of digits of the minor unit: JPY 0, EUR 2, KWD 3."""
    return _exponents()[code]


def convert(*, amount_minor: int, source: str, target: str, rate: Decimal) -> int:
    """Return `amount_minor` of `source` in minor units of `target`, rounded half up (contract section 4).

    `rate` is how many units of `target` one unit of `source` is worth.
    """
    with localcontext() as exact:
        exact.prec = 60
        scaled = Decimal(amount_minor).scaleb(exponent(target) - exponent(source)) * rate
        return int(scaled.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def in_units(*, amount_minor: int, currency: str) -> Decimal:
    """Return the amount in whole units, exactly: 500 EUR minor is `Decimal("5.00")`."""
    return Decimal(amount_minor).scaleb(-exponent(currency))
