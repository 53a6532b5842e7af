"""Reading one line of a statement by its mapping. What can't be read is an error that names line and column."""

import datetime as dt
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import IO, Final, NamedTuple
from zoneinfo import ZoneInfo

from finance.matching.errors import BrokenFile
from finance.matching.files import XLSX, Cells, as_text, rows
from finance.matching.formats import (
    BY_COLUMN,
    BY_TYPE,
    COLUMNS,
    ISO,
    MINOR,
    REVERSED,
    UNIX,
    UNIX_MS,
    UNSIGNED,
    Format,
    column_names,
    unnamed_columns,
)
from finance.matching.workbooks import MOST_COLUMNS
from lootbox.core.money import MAX_MINOR, exponent, is_currency

LONGEST_TEXT: Final = 255
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_MINUS: Final = "-\u2212"
# How a column of debits or credits says that the line is of the other kind.
_NOTHING: Final = frozenset({"", "-", "\u2013", "\u2014"})
# Thousands may be set apart by a blank, an apostrophe, or the mark that does not separate decimals.
_AMOUNTS: Final = {
    ".": re.compile("([+\\-\u2212]?) ?([0-9]{1,16}|[0-9]{1,3}(?:[,' \u00a0\u202f][0-9]{3})+)(?:\\.([0-9]{1,20}))?"),
    ",": re.compile("([+\\-\u2212]?) ?([0-9]{1,16}|[0-9]{1,3}(?:[.' \u00a0\u202f][0-9]{3})+)(?:,([0-9]{1,20}))?"),
}
_NO_DIGIT: Final = re.compile("[^0-9]")
_WHOLE: Final = re.compile("[0-9]{1,13}")


class Line(NamedTuple):
    """One booking of the casino's. `moved_minor` is what it did to the player's balance, above zero where unsigned."""

    number: int
    key: str
    reference: str
    player: str
    moved_minor: int
    currency: str
    at: dt.datetime | None


class LineReader:
    """Reads lines of one file."""

    def __init__(self, form: Format, names: Sequence[str]) -> None:
        """Read by `form` from rows with these columns. Raises `BrokenFile` when the file has not what the mapping wants."""
        if missing := form.missing(names):
            listed = ", ".join(f"“{name}”" for name in missing)
            raise BrokenFile(f"The file has no column {listed}. Map its columns again, or upload the file that was mapped.")
        amounts = form.debit and form.credit if form.sign == BY_COLUMN else form.amount
        if not amounts or not (form.key or form.reference):
            raise BrokenFile(
                "The mapping needs a column for the amount, or one for debits and one for credits, and one for our key or for "
                "their transaction id."
            )
        self._form = form
        self._names = names
        self._place = {column: names.index(name) for column in COLUMNS if (name := getattr(form, column))}
        self._pattern = _AMOUNTS[form.decimal]
        self._zone = ZoneInfo(form.time_zone)
        self._parse_time = self._time_parser()
        self._debits, self._credits, self._booked = (
            frozenset(word.casefold() for word in words) for words in (form.debit_words, form.credit_words, form.booked_words)
        )

    def read(self, number: int, cells: Cells) -> Line | None:
        """Return the line, None for one that its status says was not booked. Raises `BrokenFile`."""
        if self._booked and self._text(number, cells, "status").casefold() not in self._booked:
            return None
        key, reference = self._text(number, cells, "key"), self._text(number, cells, "reference")
        if not key and not reference:
            column = "key" if self._form.key else "reference"
            raise self._wrong(number, column, "", "is empty. Remove lines that are no transactions, such as sums at the end")
        currency = self._currency(number, cells)
        return Line(
            number,
            key,
            reference,
            self._text(number, cells, "player"),
            self._moved(number, cells, currency),
            currency,
            self._time(number, cells) if self._form.time else None,
        )

    def _cell(self, cells: Cells, column: str) -> str:
        place = self._place.get(column, -1)
        return as_text(cells[place]) if 0 <= place < len(cells) else ""

    def _text(self, number: int, cells: Cells, column: str) -> str:
        text = self._cell(cells, column)
        if len(text) > LONGEST_TEXT:
            raise self._wrong(number, column, text, f"is longer than {LONGEST_TEXT} characters. Map another column")
        if _UNPRINTABLE.search(text):
            raise self._wrong(number, column, text, "has control characters. Remove them, or choose another encoding")
        return text

    def _currency(self, number: int, cells: Cells) -> str:
        code = self._cell(cells, "currency").upper() if self._form.currency else self._form.one_currency
        if not is_currency(code):
            raise self._wrong(number, "currency", code, "is no currency of ISO 4217, such as EUR. Correct it")
        return code

    def _moved(self, number: int, cells: Cells, currency: str) -> int:
        sign = self._form.sign
        if sign == BY_COLUMN:
            return self._moved_by_column(number, cells, currency)
        amount = self._amount(number, cells, "amount", currency)
        if sign == UNSIGNED:
            return abs(amount)
        if sign == BY_TYPE:
            return abs(amount) * self._sign_of_type(number, cells)
        return -amount if sign == REVERSED else amount

    def _moved_by_column(self, number: int, cells: Cells, currency: str) -> int:
        """Return what the one of both columns says that has an amount. The column alone tells the sign, as a type does."""
        debit, credit = (
            None if self._cell(cells, column) in _NOTHING else abs(self._amount(number, cells, column, currency))
            for column in ("debit", "credit")
        )
        if debit is None and credit is None:
            raise self._wrong(number, "debit", "", "is empty, and so is the credit. Correct one of them")
        if debit and credit:
            raise self._wrong(number, "debit", self._cell(cells, "debit"), "has a credit beside it. Correct one of them")
        return (credit or 0) - (debit or 0)

    def _amount(self, number: int, cells: Cells, column: str, currency: str) -> int:
        """Return a cell's amount in minor units, with the sign that stands there."""
        text = self._cell(cells, column)
        match = self._pattern.fullmatch(text)
        if match is None:
            raise self._wrong(number, column, text, "is no amount. Correct it, or map its decimal separator anew")
        sign, whole, fraction = match.groups(default="")
        digits = 0 if self._form.unit == MINOR else exponent(currency)
        if fraction[digits:].strip("0"):
            unit = "a minor unit" if self._form.unit == MINOR else currency
            raise self._wrong(number, column, text, f"has more decimals than {unit} has. Map its unit anew, or correct it")
        amount = int(_NO_DIGIT.sub("", whole) + fraction[:digits].ljust(digits, "0"))
        if amount > MAX_MINOR:
            raise self._wrong(number, column, text, "is larger than any amount that the platform knows. Correct it")
        return -amount if sign and sign in _MINUS else amount

    def _sign_of_type(self, number: int, cells: Cells) -> int:
        word = self._text(number, cells, "type")
        if word.casefold() in self._debits:
            return -1
        if word.casefold() in self._credits:
            return 1
        raise self._wrong(number, "type", word, "is mapped neither to debits nor to credits. Add the word to one of them")

    def _time(self, number: int, cells: Cells) -> dt.datetime:
        text = self._cell(cells, "time")
        try:
            moment = self._parse_time(text)
            moment = (moment if moment.tzinfo else moment.replace(tzinfo=self._zone)).astimezone(dt.UTC)
        except (ValueError, OverflowError, OSError) as error:
            raise self._wrong(
                number, "time", text, "is no time of the mapped form. Correct it, or map its form anew"
            ) from error
        if not 1990 <= moment.year <= 2200:
            raise self._wrong(number, "time", text, "can't be the time of a transaction. Correct it, or map its form anew")
        return moment

    def _time_parser(self) -> Callable[[str], dt.datetime]:
        form = self._form.time_format
        if form == ISO:
            return dt.datetime.fromisoformat
        if form in {UNIX, UNIX_MS}:
            scale = 1000 if form == UNIX_MS else 1

            def since_1970(text: str) -> dt.datetime:
                if not _WHOLE.fullmatch(text):
                    raise ValueError(text)
                return dt.datetime.fromtimestamp(int(text) // scale, tz=dt.UTC)

            return since_1970
        return lambda text: dt.datetime.strptime(text, form)  # noqa: DTZ007 - gets the mapping's zone afterwards

    def _wrong(self, number: int, column: str, text: str, why: str) -> BrokenFile:
        place = self._place.get(column)
        where = f"column “{self._names[place]}”" if place is not None else COLUMNS[column].lower()
        shown = "".join(character if character.isprintable() else "�" for character in text[:60])
        return BrokenFile(f"Line {number}, {where}: “{shown}” {why}.")


def open_lines(file: IO[bytes], form: Format) -> tuple[LineReader, Iterator[tuple[int, Cells]]]:
    """Return the reader of a file and its rows below the header. Raises `BrokenFile`, also while the rows are read."""
    found = rows(file, form.layout)
    for number, cells in found:
        if form.header_row == 0:
            # A row of a sheet ends with its last cell that is filled.
            width = MOST_COLUMNS if form.kind == XLSX else len(cells)
            return LineReader(form, unnamed_columns(width)), chain([(number, cells)], found)
        if number == form.header_row:
            return LineReader(form, column_names(cells)), found
    raise BrokenFile("The file has no transactions, or no header row where the mapping says. Map its columns again.")
