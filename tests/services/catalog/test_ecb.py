"""The European Central Bank's document."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest

from catalog import ecb

SAMPLE = Path(__file__).with_name("eurofxref-daily.xml").read_bytes()


class TestRead:
    def test_gives_the_day_and_its_rates(self) -> None:
        daily = ecb.read(SAMPLE)
        assert daily.date == dt.date(2026, 11, 20)
        assert daily.rates == {
            "USD": Decimal("1.0850"),
            "JPY": Decimal("161.35"),
            "SEK": Decimal("11.2345"),
            "GBP": Decimal("0.84"),
        }

    def test_leaves_out_what_is_no_currency(self) -> None:
        assert "ZZZ" not in ecb.read(SAMPLE.replace(b"USD", b"ZZZ")).rates

    @pytest.mark.parametrize(
        ("before", "after", "reason"),
        [
            (SAMPLE, b"", "not plain XML"),
            (SAMPLE, b"<html>", "not plain XML"),
            (SAMPLE, b"<html/>", "0 days"),
            (b"<gesmes:Envelope", b'<!DOCTYPE x [<!ENTITY a "b">]><gesmes:Envelope', "not plain XML"),
            (b"time='2026-11-20'", b"", "0 days"),
            (b"2026-11-20", b"yesterday", "Invalid isoformat"),
            (b"1.0850", b"0.0000", "'USD 0.0000'"),
            (b"1.0850", b"-1.0850", "'USD -1.0850'"),
            (b"1.0850", b"1,0850", "'USD 1,0850'"),
            (b"1.0850", b"1e400", "'USD 1e400'"),
            (b"rate='1.0850'", b"", "'USD '"),
            (b"currency=", b"code=", "no rates"),
        ],
    )
    def test_refuses_what_is_not_its_document(self, before: bytes, after: bytes, reason: str) -> None:
        with pytest.raises(ValueError, match=reason):
            ecb.read(SAMPLE.replace(before, after))
