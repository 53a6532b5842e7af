"""The European Central Bank's daily reference rates: its XML, read as the foreign document that it is."""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException, ElementTree

from lootbox.core.money import is_currency

_CUBE: Final = "{http://www.ecb.int/vocabulary/2002-08-01/eurofxref}Cube"
_RATE = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")


@dataclass(frozen=True)
class DailyRates:
    """What one euro was worth on a day, by currency."""

    date: dt.date
    rates: Mapping[str, Decimal]


def read(document: bytes) -> DailyRates:
    """Return the day and its rates. Currencies that ISO 4217 does not know are left out. Raises ValueError with a sentence."""
    try:
        root = ElementTree.fromstring(document)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise ValueError(f"it is not plain XML ({error}).") from error
    days = [cube for cube in root.iter(_CUBE) if "time" in cube.attrib]
    if len(days) != 1:
        raise ValueError(f"it holds {len(days)} days instead of one.")
    rates = {cube.get("currency", ""): cube.get("rate", "") for cube in days[0].iter(_CUBE) if "currency" in cube.attrib}
    wrong = [f"{code} {rate}" for code, rate in rates.items() if not _RATE.fullmatch(rate) or Decimal(rate) == 0]
    if wrong or not rates:
        raise ValueError(f"it holds {wrong[0]!a} as a rate." if wrong else "it holds no rates.")
    date = dt.date.fromisoformat(days[0].attrib["time"])
    return DailyRates(date, {code: Decimal(rate) for code, rate in rates.items() if is_currency(code)})
