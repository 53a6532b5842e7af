"""A casino's file as rows of cells, CSV or XLSX, with limits on everything that a hostile file may blow up."""

import codecs
import csv
import datetime as dt
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, Final

from finance.matching.errors import BrokenFile
from finance.matching.workbooks import MOST_COLUMNS, refuse_other_archives, sheet_rows
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
LONGEST_LINE: Final = 100_000
MOST_LINES: Final = 2_000_000
_HEAD: Final = 64 * 1024
_BLOCK: Final = 1024 * 1024
_OTHER_KINDS: Final = {
    b"\xd0\xcf\x11\xe0": (
        "This is an old Excel file (.xls), or one with a password. Save it as .xlsx or CSV without one and upload that."
    ),
    b"%PDF": "This is a PDF. Ask the casino for the same statement as CSV or XLSX.",
    b"\x1f\x8b": "This file is compressed. Unpack it and upload what is inside.",
    b"{\\rtf": "This is a text document. Ask the casino for the statement as CSV or XLSX.",
}

Cells = Sequence[Any]


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
        refuse_other_archives(file)
        return Layout(XLSX)
    encoding = _encoding(file, head)
    text = head.decode(encoding, errors="replace")
    lines = text.splitlines()
    return Layout(CSV, encoding, _delimiter(lines[:-1] if len(lines) > 1 and len(head) == _HEAD else lines))


def rows(file: IO[bytes], layout: Layout) -> Iterator[tuple[int, Cells]]:
    """Yield each row that is not empty with its line number, from 1. Raises `BrokenFile`."""
    file.seek(0)
    found = sheet_rows(file) if layout.kind == XLSX else _csv_rows(file, layout)
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
