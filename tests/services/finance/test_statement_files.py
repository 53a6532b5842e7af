"""Files as casinos write them, and as nobody should: each is read right, or refused with the place and what to do."""

import csv
import datetime as dt
import io
from dataclasses import replace
from typing import Any, Final

import pytest
from openpyxl import Workbook

from finance.matching import files
from finance.matching.errors import BrokenFile
from finance.matching.files import Layout, rows, sniff
from finance.matching.formats import BY_COLUMN, BY_TYPE, MAJOR, MINOR, REVERSED, SIGNED, UNIX, UNSIGNED, Format
from finance.matching.guessing import guess
from finance.matching.lines import Line, open_lines

NOON: Final = dt.datetime(2026, 3, 4, 12, tzinfo=dt.UTC)
FORM: Final = Format(
    encoding="utf-8-sig", delimiter=",", key="key", amount="amount", one_currency="EUR", time="time", unit=MINOR
)  # fmt: skip


def read(content: bytes, form: Format) -> list[Line]:
    """Return the lines of a file as the mapping reads them."""
    reader, found = open_lines(io.BytesIO(content), form)
    return [line for number, cells in found if (line := reader.read(number, cells)) is not None]


def one(amount: str = "-500", time: str = "2026-03-04T12:00:00Z", **form: Any) -> Line:
    """Return the only line of a file with this amount and time."""
    text = io.StringIO()
    csv.writer(text).writerows([["key", "amount", "time", "word"], ["k", amount, time, form.pop("word", "")]])
    return read(text.getvalue().encode(), replace(FORM, **form))[0]


def guessed(content: bytes) -> Format:
    """Return the mapping that is guessed of a file."""
    file = io.BytesIO(content)
    layout = sniff(file)
    return guess(list(rows(file, layout)), layout, currency="EUR", time_zone="UTC")


def workbook(*lines: list[Any]) -> bytes:
    """Return an XLSX file of these rows."""
    book = Workbook()
    for line in lines:
        book.active.append(line)  # type: ignore[union-attr]
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


class TestAnAmount:
    @pytest.mark.parametrize(
        ("text", "form", "minor"),
        [
            ("-500", {}, -500),
            ("+500", {}, 500),
            ("500.00", {}, 500),
            ("-5", {"unit": MAJOR}, -500),
            ("5.5", {"unit": MAJOR}, 550),
            ("-1,234.50", {"unit": MAJOR}, -123450),
            ("1.234,50", {"unit": MAJOR, "decimal": ","}, 123450),
            ("1 234,5", {"unit": MAJOR, "decimal": ","}, 123450),
            ("1'234.50", {"unit": MAJOR}, 123450),
            ("\u22125.00", {"unit": MAJOR}, -500),
            ("5", {"unit": MAJOR, "one_currency": "JPY"}, 5),
            ("5.123", {"unit": MAJOR, "one_currency": "KWD"}, 5123),
            ("5.120", {"unit": MAJOR}, 512),
            ("500", {"sign": REVERSED}, -500),
            ("-500", {"sign": UNSIGNED}, 500),
            ("500", {"sign": BY_TYPE, "type": "word", "word": "BET", "debit_words": ("bet",)}, -500),
            ("-500", {"sign": BY_TYPE, "type": "word", "word": "win", "credit_words": ("Win",)}, 500),
            ("9007199254740991", {}, 2**53 - 1),
        ],
    )
    def test_is_read_as_its_mapping_says(self, text: str, form: dict[str, Any], minor: int) -> None:
        assert one(text, **form).moved_minor == minor

    @pytest.mark.parametrize(
        ("text", "form"),
        [
            ("1e999", {}), ("NaN", {}), ("", {}), ("5,00", {}), ("1,23,456", {}), ("\u0665", {}), ("=1+1", {}), ("0x10", {}),
            ("5.01", {}), ("5.001", {"unit": MAJOR}), ("9007199254740992", {}), ("1" * 400, {}), ("--5", {}),
            ("5", {"sign": BY_TYPE, "type": "word", "word": "bonus", "debit_words": ("bet",)}),
        ],
    )  # fmt: skip
    def test_that_is_none_is_refused_with_its_place(self, text: str, form: dict[str, Any]) -> None:
        with pytest.raises(BrokenFile, match=r"^Line 2, column “(amount|word)”: “"):
            one(text, **form)


class TestAmountsInTwoColumns:
    @pytest.mark.parametrize(
        ("debit", "credit", "minor"),
        [
            ("5.00", "", -500),
            ("", "3.20", 320),
            ("0.00", "3.20", 320),
            ("-5.00", "-", -500),
            ("\u2014", "+1", 100),
            ("0", "0.00", 0),
        ],
    )
    def test_are_debits_or_credits_by_their_column(self, debit: str, credit: str, minor: int) -> None:
        assert self.read(debit, credit).moved_minor == minor

    @pytest.mark.parametrize(
        ("debit", "credit", "says"),
        [
            ("5.00", "3.20", "“debit”: “5.00” has a credit beside it"),
            ("", "-", "“debit”: “” is empty, and so is the credit"),
            ("", "3,2", "“credit”: “3,2” is no amount"),
        ],
    )
    def test_that_are_both_or_neither_are_refused(self, debit: str, credit: str, says: str) -> None:
        with pytest.raises(BrokenFile, match=f"^Line 2, column {says}"):
            self.read(debit, credit)

    def test_need_both_columns(self) -> None:
        with pytest.raises(BrokenFile, match="one for debits and one for credits"):
            read(b"key,debit\nk,5\n", replace(FORM, amount="", time="", debit="debit", sign=BY_COLUMN))

    @pytest.mark.parametrize(("debit", "credit"), [("Debit", "Credit"), ("Bet amount", "Win amount"), ("Soll", "Haben")])
    def test_are_guessed_from_their_headings(self, debit: str, credit: str) -> None:
        form = guessed(
            f"Round ref;External ID;{debit};{credit};Time\n1;round:r_1;5,00;;2026-03-04\n2;k;;3,20;2026-03-04\n".encode()
        )
        assert (form.debit, form.credit, form.sign, form.unit, form.decimal) == (debit, credit, BY_COLUMN, MAJOR, ",")
        assert Format.from_json(form.as_json()) == form

    def read(self, debit: str, credit: str) -> Line:
        """Return the only line of a file with these two."""
        text = io.StringIO()
        csv.writer(text).writerows([["key", "debit", "credit"], ["k", debit, credit]])
        form = replace(FORM, amount="", time="", debit="debit", credit="credit", sign=BY_COLUMN, unit=MAJOR)
        return read(text.getvalue().encode(), form)[0]


class TestATime:
    @pytest.mark.parametrize(
        ("text", "form"),
        [
            ("2026-03-04T12:00:00Z", {}),
            ("2026-03-04 13:00:00", {"time_zone": "Europe/Stockholm"}),
            ("2026-03-04 12:00:00+00:00", {"time_zone": "Asia/Tokyo"}),
            ("1772625600", {"time_format": UNIX}),
            ("04.03.2026 12:00:00", {"time_format": "%d.%m.%Y %H:%M:%S"}),
            ("03/04/2026 12:00:00 PM", {"time_format": "%m/%d/%Y %I:%M:%S %p"}),
        ],
    )
    def test_is_read_in_its_form_and_zone(self, text: str, form: dict[str, Any]) -> None:
        assert one(time=text, **form).at == NOON

    @pytest.mark.parametrize(
        ("text", "form"),
        [
            ("2026-02-30 12:00:00", {}), ("", {}), ("0001-01-01", {"time_zone": "Asia/Tokyo"}), ("9999-12-31 23:59:59", {}),
            ("1e9", {"time_format": UNIX}), ("99999999999999999", {"time_format": UNIX}), ("yesterday", {}),
        ],
    )  # fmt: skip
    def test_that_is_none_is_refused_with_its_place(self, text: str, form: dict[str, Any]) -> None:
        with pytest.raises(BrokenFile, match=r"^Line 2, column “time”: “"):
            one(time=text, **form)


class TestACsvFile:
    @pytest.mark.parametrize(
        ("encoding", "found"),
        [
            ("utf-8", "utf-8-sig"), ("utf-8-sig", "utf-8-sig"), ("utf-16", "utf-16"), ("utf-16-le", "utf-16-le"),
            ("utf-16-be", "utf-16-be"), ("latin-1", "latin-1"),
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("delimiter", files.DELIMITERS)
    def test_is_read_whatever_its_encoding_and_delimiter(self, encoding: str, found: str, delimiter: str) -> None:
        lines = ["key,spelare,amount", "round:r_1,Åsa,-500", "round:r_2,Bo,100"]
        content = "\r\n".join(lines).replace(",", delimiter).encode(encoding)
        assert sniff(io.BytesIO(content)) == Layout("csv", found, delimiter)
        form = replace(guessed(content), unit=MINOR)
        read_back = read(content, replace(form, player="spelare"))
        assert [(line.player, line.moved_minor) for line in read_back] == [("Åsa", -500), ("Bo", 100)]

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (b"", "empty"),
            (b" \n\n", "empty"),
            (b"%PDF-1.7 ...", "PDF"),
            (b"\xd0\xcf\x11\xe0 old", "xlsx"),
            (b"\x1f\x8b packed", "Unpack"),
            (b"PK\x03\x04 broken", "packed as an XLSX file is"),
        ],
    )
    def test_that_is_none_is_refused_at_once(self, content: bytes, says: str) -> None:
        with pytest.raises(BrokenFile, match=says):
            sniff(io.BytesIO(content))

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (b'key,amount,time\n"k,1,2026-01-01\n' + b"x,1,2026-01-01\n" * 20_000, "quotation mark"),
            (b"key,amount,time\nk" + b"x" * 200_000 + b",1,2026-01-01\n", "longer than"),
            (b"key,amount,time\nk" + b"x" * 300 + b",1,2026-01-01\n", "Line 2, column “key”.*longer than 255"),
            (b"key,amount,time\nk\x00,1,2026-01-01\n", "Line 2, column “key”.*control characters"),
            (b"key,amount,time\nk,1,2026-01-01\n\xff,1,2026-01-01\n", "is not UTF-8 any more"),
            (b"key,amount,time\n,1,2026-01-01\n", "Line 2, column “key”: “” is empty"),
            (b"key,sum,time\nk,1,2026-01-01\n", "no column “amount”"),
            (b"key,amount,time\n" + b"," * 200 + b"\n", "more than 100 columns"),
            (b"\n\nkey,amount,time\n", "no header row"),
        ],
    )
    def test_that_is_broken_is_refused_with_its_place(self, content: bytes, says: str) -> None:
        with pytest.raises(BrokenFile, match=says):
            read(content, FORM)

    def test_names_the_line_in_the_file_not_the_row(self) -> None:
        with pytest.raises(BrokenFile, match=r"^Line 6, "):
            read(b'key,amount,time\n"a, b",1,2026-01-01\n\n\nc,1,2026-01-01\nd,x,2026-01-01\n', FORM)

    def test_may_leave_lines_out_by_their_status(self) -> None:
        content = b"key,amount,time,status\na,1,2026-01-01,OK\nb,1,2026-01-01,declined\n"
        assert [line.key for line in read(content, replace(FORM, status="status", booked_words=("ok",)))] == ["a"]

    def test_may_have_no_headings(self) -> None:
        form = guessed(b"round:r_1,u_1,-500,2026-03-04T12:00:00Z\nround:r_2,u_1,-500,2026-03-04T12:00:00Z\n")
        assert (form.header_row, form.key) == (0, "column 1")
        assert len(read(b"round:r_1,u_1,-500\n", replace(form, amount="column 3"))) == 1


class TestAnXlsxFile:
    def test_is_read_with_exact_amounts_and_its_dates(self) -> None:
        naive = dt.datetime(2026, 3, 4, 12)  # noqa: DTZ001 - a spreadsheet's times have no zone
        content = workbook(["key", "amount", "time"], ["a", -0.1 - 0.2, naive], [None, None, None], ["b", 1234.5, naive])
        form = replace(guessed(content), unit=MAJOR, sign=SIGNED)
        assert [(line.number, line.moved_minor, line.at) for line in read(content, form)] == [(2, -30, NOON), (4, 123450, NOON)]

    def test_gives_the_values_of_formulas_never_the_formulas(self) -> None:
        content = workbook(["key", "amount", "time"], ["a", "=1+1", "2026-03-04"])
        with pytest.raises(BrokenFile, match="Line 2, column “amount”: “” is no amount"):
            read(content, replace(FORM, kind="xlsx"))


class TestAGuess:
    def test_knows_what_casinos_call_their_columns(self) -> None:
        form = guessed(
            b"Statement of March;;;;;;\n"
            b"Transaction ID;External ID;Player ID;Type;Amount;Currency;Created At\n"
            b"77;round:r_1;u_1;BET;5,00;EUR;04.03.2026 12:00:00\n"
            b"78;payout:round:r_1;u_1;WIN;3,20;EUR;04.03.2026 12:00:01\n"
        )
        assert (form.header_row, form.delimiter, form.decimal, form.unit, form.sign) == (2, ";", ",", MAJOR, BY_TYPE)
        assert (form.key, form.reference, form.player, form.type) == ("External ID", "Transaction ID", "Player ID", "Type")
        assert (form.debit_words, form.credit_words, form.time_format) == (("BET",), ("WIN",), "%d.%m.%Y %H:%M:%S")
