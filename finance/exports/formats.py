"""The formats: CSV and JSON Lines as bytes that go out as they are made, XLSX as a file that is finished before it goes."""

import csv
import enum
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any, Final

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell

from lootbox.core import strict_json
from lootbox.core.spreadsheets import defused

XLSX_ROWS: Final = 1_048_575
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")

Value = str | int | None


class Format(enum.StrEnum):
    """What a file can be."""

    CSV = "csv"
    XLSX = "xlsx"
    JSONL = "jsonl"

    @property
    def content_type(self) -> str:
        """Return what HTTP calls it."""
        return {
            Format.CSV: "text/csv; charset=utf-8",
            Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Format.JSONL: "application/x-ndjson",
        }[self]


def csv_lines(rows: Iterable[Sequence[Value]]) -> Iterator[bytes]:
    """Yield the lines of a CSV file (RFC 4180, but for the line's end) in UTF-8; nothing for None."""
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\n")
    for row in rows:
        writer.writerow([defused(value) if isinstance(value, str) else value for value in row])
        yield line.getvalue().encode()
        line.seek(0)
        line.truncate()


def json_lines(names: Sequence[str], rows: Iterable[Sequence[Value]]) -> Iterator[bytes]:
    """Yield one JSON object a line, exactly the values."""
    for row in rows:
        yield strict_json.compact(dict(zip(names, row, strict=True))) + b"\n"


class Sheet:
    """A workbook of one sheet, written row by row to a file of its own. Every text is a text, also one like a formula."""

    def __init__(self, names: Sequence[str]) -> None:
        """Begin with the heading."""
        self._book = Workbook(write_only=True)
        self._sheet: Any = self._book.create_sheet("LootBox")
        self._sheet.freeze_panes = "A2"
        self.add([names])

    def add(self, rows: Iterable[Sequence[Value]]) -> None:
        """Write rows."""
        for row in rows:
            self._sheet.append([_cell(self._sheet, value) for value in row])

    def save(self, target: IO[bytes]) -> None:
        """Write the workbook into a file and end with it."""
        self._book.save(target)


def _cell(sheet: Any, value: Value) -> Any:
    if not isinstance(value, str):
        return value
    cell = WriteOnlyCell(sheet, _NOT_IN_XML.sub("\ufffd", value))
    cell.data_type = "s"
    return cell
