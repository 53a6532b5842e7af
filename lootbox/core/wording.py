"""Money and time in words for people, by babel: `5.00 EUR`, `12:00:01`."""

import datetime as dt

from babel.numbers import format_decimal

from lootbox.core.money import exponent, in_units


def money(amount_minor: int, currency: str) -> str:
    """Return an amount with its currency, such as `1,234.50 EUR`; babel's own precision differs from ISO 4217's."""
    digits = exponent(currency)
    pattern = "#,##0" + ("." + "0" * digits if digits else "")
    return f"{format_decimal(in_units(amount_minor=amount_minor, currency=currency), format=pattern, locale='en')} {currency}"


def points(bps: int) -> str:
    """Return basis points such as `4.40 %`."""
    return f"{'-' if bps < 0 else ''}{abs(bps) // 100:,}.{abs(bps) % 100:02} %"


def clock_time(moment: dt.datetime) -> str:
    """Return the time of day in UTC to the second."""
    return moment.astimezone(dt.UTC).strftime("%H:%M:%S")


def duration(seconds: float) -> str:
    """Return how long something takes in its two largest units, such as `3 min 5 s` or `2 d 4 h`."""
    left, parts = max(int(seconds), 0), []
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"
