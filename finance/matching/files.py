"""A casino's file as rows of cells, CSV or XLSX, with limits on everything that a hostile file may blow up."""

import codecs
import csv
import datetime as dt
import io
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, Final
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from openpyxl import load_workbook

from lootbox.core.uploads import LARGEST_UPLOAD

CSV, XLSX = "csv", "xlsx"
ENCODINGS: Final = {
    "utf-8-sig": "UTF-8",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16 (little-endian, no mark)",
    "utf-16-be": "UTF-16 (big-endian, no mark)",
    "latin-1": "Latin-1 (Western European)",
}
DELIMITERS: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}

LARGEST_FILE: Final = LARGEST_UPLOAD
LARGEST_UNPACKED: Final = 400 * 1024 * 1024
# Its texts lie in memory while it is read.
LARGEST_SHARED_STRINGS: Final = 150 * 1024 * 1024
LONGEST_LINE: Final = 100_000
MOST_COLUMNS: Final = 100
MOST_LINES: Final = 2_000_000
MOST_ROWS_OF_EXCEL: Final = 1_048_576
_HEAD: Final = 64 * 1024
_BLOCK: Final = 1024 * 1024
_OTHER_KINDS: Final = {
    b"\xd0\xcf\x11\xe0": "This is an old Excel file (.xls). Save it as .xlsx or CSV and upload that.",
    b"%PDF": "This is a PDF. Ask the casino for the same statement as CSV or XLSX.",
    b"\x1f\x8b": "This file is compressed. Unpack it and upload what is inside.",
    b"{\\rtf": "This is a text document. Ask the casino for the statement as CSV or XLSX.",
}
# What openpyxl and what it rests on raise at a file that is not what it says.
_BROKEN_XLSX: Final = (
    zipfile.BadZipFile, zlib.error, ParseError, DefusedXmlException, KeyError, ValueError, TypeError, AttributeError,
    IndexError, EOFError, OSError, NotImplementedError, RuntimeError,
)  # fmt: skip

Cells = Sequence[Any]


class BrokenFile(Exception):
    """The file can't be read; the message says where, and what to do."""


@dataclass(frozen=True)
class Layout:
    """How a file is to be read. Encoding and delimiter are of a CSV file only."""

    kind: str
    encoding: str = ""
    delimiter: str = ""


def sniff(file: IO[bytes]) -> Layout:
    """Return what the file looks like. Raises `BrokenFile` for what is no table at all."""
    file.seek(0)
    head = file.read(_HEAD)
    for mark, advice in _OTHER_KINDS.items():
        if head.startswith(mark):
            raise BrokenFile(advice)
    if not head.strip():
        raise BrokenFile("The file is empty. Export the statement again.")
    if head.startswith(b"PK\x03\x04"):
        _refuse_bomb(file)
        return Layout(XLSX)
    encoding = _encoding(file, head)
    text = head.decode(encoding, errors="replace")
    lines = text.splitlines()
    return Layout(CSV, encoding, _delimiter(lines[:-1] if len(lines) > 1 and len(head) == _HEAD else lines))


def rows(file: IO[bytes], layout: Layout) -> Iterator[tuple[int, Cells]]:
    """Yield each row that is not empty with its line number, from 1. Raises `BrokenFile`."""
    file.seek(0)
    found = _xlsx_rows(file) if layout.kind == XLSX else _csv_rows(file, layout)
    count = 0
    for number, cells in found:
        if any(cell is not None and cell != "" for cell in cells):
            count += 1
            if count > MOST_LINES:
                raise BrokenFile(f"The file has more than {MOST_LINES:,} lines. Split it by days and upload each part.")
            yield number, cells


def as_text(cell: object) -> str:
    """Return a cell as text. A number of a spreadsheet gets the 15 digits that it shows, never what a float makes of them."""
    if isinstance(cell, str):
        return cell.strip()
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float):
        return format(cell, ".15g")
    if isinstance(cell, dt.datetime):
        # A spreadsheet's day is a fraction; microseconds are what is left of its rounding.
        rounded = (cell + dt.timedelta(microseconds=500)).replace(microsecond=0) if cell.microsecond else cell
        return rounded.isoformat(sep=" ")
    return str(cell)


def _encoding(file: IO[bytes], head: bytes) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    # Text of a Western language has a NUL in every second byte of UTF-16.
    if head[1::2].count(0) > len(head) // 5:
        return "utf-16-le"
    if head[0::2].count(0) > len(head) // 5:
        return "utf-16-be"
    decoder = codecs.getincrementaldecoder("utf-8")()
    file.seek(0)
    try:
        while block := file.read(_BLOCK):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8-sig"


def _delimiter(lines: Sequence[str]) -> str:
    sample = [line for line in lines if line.strip()][:30]

    def score(delimiter: str) -> tuple[int, int]:
        try:
            widths = Counter(len(row) for row in csv.reader(sample, delimiter=delimiter))
        except csv.Error:
            return 0, 0
        width, times = widths.most_common(1)[0] if widths else (1, 0)
        return (times, width) if width > 1 else (0, 0)

    return max(DELIMITERS, key=score)


def _csv_rows(file: IO[bytes], layout: Layout) -> Iterator[tuple[int, Cells]]:
    text = io.TextIOWrapper(file, layout.encoding, newline="")
    number = 0

    def lines() -> Iterator[str]:
        nonlocal number
        while line := text.readline(LONGEST_LINE + 1):
            number += 1
            if len(line) > LONGEST_LINE:
                raise BrokenFile(
                    f"Line {number} is longer than {LONGEST_LINE:,} characters. This is not a table of transactions."
                )
            yield line

    try:
        first = 1
        for cells in csv.reader(lines(), delimiter=layout.delimiter, strict=True):
            if len(cells) > MOST_COLUMNS:
                raise BrokenFile(f"Line {first} has more than {MOST_COLUMNS} columns. Choose the right delimiter.")
            yield first, cells
            first = number + 1
    except UnicodeDecodeError as error:
        raise BrokenFile(
            f"After line {number} the file is not {ENCODINGS[layout.encoding]} any more. "
            "Choose another encoding in the columns' mapping, or save the file as UTF-8."
        ) from error
    except csv.Error as error:
        raise BrokenFile(
            f"Line {first}: {error}. Look for a quotation mark that opens and never closes, or choose another delimiter."
        ) from error
    finally:
        if not file.closed:
            text.detach()  # the file stays open for who gave it


def _refuse_bomb(file: IO[bytes]) -> None:
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
    except _BROKEN_XLSX as error:
        raise BrokenFile("The file begins like an XLSX file and can't be unpacked. Export it again.") from error
    # Python reads no more of a member than its header says, so a header that lies can't unpack more than this either.
    if sum(member.file_size for member in members) > LARGEST_UNPACKED or len(members) > 10_000:
        raise BrokenFile(
            f"Unpacked the file would take more than {LARGEST_UNPACKED // 2**20} MB. "
            "Export the statement as CSV, or split it by days."
        )
    texts = sum(member.file_size for member in members if "sharedstrings" in member.filename.lower())
    if texts > LARGEST_SHARED_STRINGS:
        raise BrokenFile("The file holds too much text for a spreadsheet. Export the statement as CSV, or split it by days.")


def _xlsx_rows(file: IO[bytes]) -> Iterator[tuple[int, Cells]]:
    _refuse_bomb(file)
    number = 0
    try:
        # The values that formulas had when the file was saved, never the formulas.
        book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
        if not book.worksheets:
            raise BrokenFile("The file has no sheet. Export the statement again.")
        sheet = book.worksheets[0]
        found = sheet.iter_rows(values_only=True, max_col=MOST_COLUMNS, max_row=MOST_ROWS_OF_EXCEL)
        for number, cells in enumerate(found, 1):
            yield number, cells
    except _BROKEN_XLSX as error:
        where = f"after line {number}" if number else "at its beginning"
        raise BrokenFile(f"The XLSX file is damaged {where}. Export it again, or export it as CSV.") from error
