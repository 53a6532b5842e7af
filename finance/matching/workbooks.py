"""The first sheet of an XLSX file as rows of values, read as a stream.

openpyxl gives the same values in five times as long, and keeps whatever a file has between two rows as a tree. Here one block,
one row of at most `MOST_COLUMNS` cells and the shared strings are in memory, whatever the file says of itself. No part of it
may have a document type, so none declares entities.
"""

import posixpath
import zlib
from collections.abc import Iterator
from datetime import datetime
from typing import IO, Any, Final
from xml.parsers import expat
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

from openpyxl.styles.numbers import builtin_format_code, is_date_format, is_timedelta_format
from openpyxl.utils.cell import column_index_from_string, get_column_letter
from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900, from_excel, from_ISO8601

from finance.matching.errors import BrokenFile

LARGEST_UNPACKED: Final = 400 * 1024 * 1024
# Its texts lie in memory while the sheet is read.
LARGEST_STRINGS: Final = 150 * 1024 * 1024
LARGEST_OTHER_PART: Final = 16 * 1024 * 1024
MOST_MEMBERS: Final = 10_000
MOST_ROWS: Final = 1_048_576
MOST_COLUMNS: Final = 100
# Of one cell, and of one tag or comment, which the parser keeps until it ends, and begins anew with every block.
LONGEST_TEXT: Final = 1024 * 1024
# The parser remembers every name, and every element that is open. Real files have a few dozen.
MOST_NAMES: Final = 5_000
DEEPEST: Final = 200
_BLOCK: Final = 64 * 1024
_NAMESPACES: Final = (
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
    "http://purl.oclc.org/ooxml/spreadsheetml/main",  # of the standard's strict form
)
_TAGS: Final = {f"{space} {tag}": tag for space in _NAMESPACES for tag in ("row", "c", "v", "is", "si", "t", "rPh")}
_COLUMNS: Final = {get_column_letter(place): place for place in range(1, MOST_COLUMNS + 1)}
_TRUE: Final = {"1", "true"}
# What is raised at a file that is not what it says.
_BROKEN: Final = (
    BadZipFile, zlib.error, expat.ExpatError, ValueError, LookupError, EOFError, OSError, NotImplementedError, RuntimeError,
    OverflowError,
)  # fmt: skip


def refuse_other_archives(file: IO[bytes]) -> None:
    """Raise `BrokenFile` for what is no workbook, or takes too much room, without reading its sheets."""
    try:
        with ZipFile(file) as archive:
            _Book(archive)
    except _BROKEN as error:
        raise BrokenFile(
            "The file is packed as an XLSX file is, and it is none. Export it again; if it is an archive, unpack it."
        ) from error


def sheet_rows(file: IO[bytes]) -> Iterator[tuple[int, list[Any]]]:
    """Yield number and values of each row, as wide as it is filled. Of a formula it is the value that was saved with it.

    Raises `BrokenFile`.
    """
    number = 0
    try:
        with ZipFile(file) as archive:
            book = _Book(archive)
            sheet = _Sheet(book.strings(), book.dates(), book.epoch)
            for _ in _parsed(archive, book.sheet, sheet):
                for number, cells in sheet.rows:
                    yield number, cells
                sheet.rows.clear()
    except _BROKEN as error:
        where = f"after line {number}" if number else "at its beginning"
        raise BrokenFile(f"The XLSX file is damaged {where}. Export it again, or export it as CSV.") from error


class _Part:
    """What hears of a part of the archive while it is parsed."""

    def __init__(self) -> None:
        """Begin outside of everything."""
        self.text: list[str] = []  # since the element that was begun last
        self.depth = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Hear of an element's beginning. Names are a namespace, a blank, and the name in it."""
        raise NotImplementedError

    def end(self, name: str) -> None:
        """Hear of its end."""
        raise NotImplementedError

    def held(self) -> int:
        """Return how many characters of one text are in memory."""
        return sum(map(len, self.text))


def _parsed(archive: ZipFile, member: str, part: _Part) -> Iterator[None]:
    """Have a member parsed block by block, and yield after each of them."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    prefixes = set()
    parser.StartDoctypeDeclHandler = _refuse_document_type
    parser.StartNamespaceDeclHandler = lambda prefix, _: prefixes.add(prefix)
    parser.StartElementHandler = part.start
    parser.EndElementHandler = part.end
    parser.CharacterDataHandler = part.text.append
    fed = 0
    with archive.open(member) as file:
        while block := file.read(_BLOCK):
            parser.Parse(block, False)
            fed += len(block)
            waiting = fed - parser.CurrentByteIndex
            names = len(parser.intern) + len(prefixes)
            if waiting > LONGEST_TEXT or part.held() > LONGEST_TEXT or names > MOST_NAMES or part.depth > DEEPEST:
                raise ValueError(
                    f"{member}: {waiting} bytes or {part.held()} characters of one, {names} names, {part.depth} deep"
                )
            yield
    parser.Parse(b"", True)
    yield


def _refuse_document_type(name: str, *_: Any) -> None:
    raise ValueError(f"a document type {name}")


class _Elements(_Part):
    """Keeps of each element its parent's name and its own, without namespace, and its attributes, until they are taken."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str, dict[str, str]]] = []
        self._open = [""]

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        self.text.clear()
        own = name.rpartition(" ")[2]
        self.found.append((self._open[-1], own, attributes))
        self._open.append(own)

    def end(self, name: str) -> None:  # noqa: ARG002
        self.depth -= 1
        self._open.pop()


class _Book:
    """Where in an archive the first sheet is, and what it rests on."""

    def __init__(self, archive: ZipFile) -> None:
        """Look at the archive. Raises `BrokenFile` where it takes too much room, and what a damaged file raises."""
        self._archive = archive
        self._sizes = {member.filename: member.file_size for member in archive.infolist()}
        # Python reads no more of a member than its header says, so a header that lies can't unpack more than this either.
        if sum(member.file_size for member in archive.infolist()) > LARGEST_UNPACKED or len(archive.infolist()) > MOST_MEMBERS:
            raise BrokenFile(
                f"Unpacked the file would take more than {LARGEST_UNPACKED // 2**20} MB. "
                "Export the statement as CSV, or split it by days."
            )
        if any(member.compress_type not in {ZIP_STORED, ZIP_DEFLATED} for member in archive.infolist()):
            raise BadZipFile("a compression that spreadsheets do not have, and that may take gigabytes")
        (workbook,) = (target for kind, _, target in self._relations("") if kind == "officeDocument")
        relations = {key: (kind, target) for kind, key, target in self._relations(workbook)}
        self.epoch = CALENDAR_WINDOWS_1900
        sheets = []
        for _, name, attributes in self._elements(workbook):
            if name == "workbookPr" and attributes.get("date1904") in _TRUE:
                self.epoch = CALENDAR_MAC_1904
            elif name == "sheet":
                kind, target = relations[next(value for key, value in attributes.items() if key.endswith(" id"))]
                sheets += [target] if kind == "worksheet" and target in self._sizes else []
        if not sheets:
            raise BrokenFile("The file has no sheet. Export the statement again.")
        self.sheet = sheets[0]
        by_kind = dict(relations.values())
        self._strings, self._styles = by_kind.get("sharedStrings", ""), by_kind.get("styles", "")
        if self._sizes.get(self._strings, 0) > LARGEST_STRINGS:
            raise BrokenFile(
                "The file holds too much text for a spreadsheet. Export the statement as CSV, or split it by days."
            )

    def strings(self) -> list[str]:
        """Return the texts that cells refer to by their place."""
        strings = _Strings()
        if self._strings in self._sizes:
            for _ in _parsed(self._archive, self._strings, strings):
                pass
        return strings.found

    def dates(self) -> dict[str, bool]:
        """Return the styles in which a number is a date or a time, and whether as a time that has passed."""
        formats: dict[int, str] = {}
        styles: list[int] = []
        for parent, name, attributes in self._elements(self._styles) if self._styles in self._sizes else ():
            if (parent, name) == ("numFmts", "numFmt"):
                formats[int(attributes["numFmtId"])] = attributes["formatCode"]
            elif (parent, name) == ("cellXfs", "xf"):
                styles.append(int(attributes.get("numFmtId", 0)))
        codes = {place: formats.get(style) or builtin_format_code(style) for place, style in enumerate(styles)}
        return {str(place): is_timedelta_format(code) for place, code in codes.items() if is_date_format(code)}

    def _relations(self, member: str) -> Iterator[tuple[str, str, str]]:
        """Yield kind, id and target of what a member, or the archive as a whole, refers to."""
        folder, name = posixpath.split(member)
        for _, element, attributes in self._elements(posixpath.join(folder, "_rels", f"{name}.rels")):
            if element == "Relationship" and attributes.get("TargetMode") != "External":
                target = posixpath.normpath(posixpath.join("/", folder, attributes["Target"])).lstrip("/")
                yield attributes["Type"].rpartition("/")[2], attributes["Id"], target

    def _elements(self, member: str) -> Iterator[tuple[str, str, dict[str, str]]]:
        if self._sizes[member] > LARGEST_OTHER_PART:
            raise ValueError(f"{member} has {self._sizes[member]} bytes")
        elements = _Elements()
        for _ in _parsed(self._archive, member, elements):
            yield from elements.found
            elements.found.clear()


class _Texts(_Part):
    """Puts a text together from its runs, without hints for pronunciation."""

    def __init__(self) -> None:
        super().__init__()
        self._runs: list[str] = []
        self._aside = False

    def held(self) -> int:
        return super().held() + sum(map(len, self._runs))

    def _end_text(self) -> None:
        if self.text and not self._aside:
            self._runs += self.text


class _Strings(_Texts):
    """Keeps the shared strings."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:  # noqa: ARG002 - they have none that matter
        self.depth += 1
        self.text.clear()
        tag = _TAGS.get(name)
        if tag == "si":
            self._runs.clear()
        elif tag == "rPh":
            self._aside = True

    def end(self, name: str) -> None:
        self.depth -= 1
        tag = _TAGS.get(name)
        if tag == "t":
            self._end_text()
        elif tag == "si":
            self.found.append("".join(self._runs).replace("x005F_", ""))
        elif tag == "rPh":
            self._aside = False


class _Sheet(_Texts):
    """Keeps the rows of a sheet until they are taken."""

    def __init__(self, strings: list[str], dates: dict[str, bool], epoch: datetime) -> None:
        super().__init__()
        self.rows: list[tuple[int, list[Any]]] = []
        self._strings, self._dates, self._epoch = strings, dates, epoch
        self._number = self._place = 0
        self._cells: list[Any] = []
        self._kind = self._style = ""
        self._value: str | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        self.text.clear()
        tag = _TAGS.get(name)
        if tag == "c":
            reference = attributes.get("r")
            if reference is None:
                self._place += 1
            else:
                letters = reference.rstrip("0123456789")
                self._place = _COLUMNS.get(letters) or column_index_from_string(letters)
            self._kind = attributes.get("t", "n")
            self._style = attributes.get("s", "0")
            self._value = None
        elif tag == "is":
            self._runs.clear()
        elif tag == "row":
            self._start_row(attributes)
        elif tag == "rPh":
            self._aside = True

    def end(self, name: str) -> None:
        self.depth -= 1
        tag = _TAGS.get(name)
        if tag == "c":
            if self._value is not None and self._place <= MOST_COLUMNS:
                self._keep(self._value)
        elif tag == "v":
            if self._kind != "inlineStr":
                self._value = "".join(self.text) or None
        elif tag == "t":
            self._end_text()
        elif tag == "is":
            self._value = "".join(self._runs)
        elif tag == "row":
            self.rows.append((self._number, self._cells))
        elif tag == "rPh":
            self._aside = False

    def _start_row(self, attributes: dict[str, str]) -> None:
        number = int(float(attributes["r"])) if "r" in attributes else self._number + 1
        if not self._number < number <= MOST_ROWS:
            raise ValueError(f"row {number} after row {self._number}")
        self._number = number
        self._cells = []
        self._place = 0

    def _keep(self, text: str) -> None:
        """Put down what the cell's text stands for by its type and style."""
        kind = self._kind
        value: Any = text
        if kind == "n":
            value = float(text) if "." in text or "e" in text or "E" in text else int(text)
            if self._style in self._dates:
                value = self._date(value)
        elif kind == "s":
            place = int(text)
            if place < 0:
                raise IndexError(text)
            value = self._strings[place]
        elif kind == "b":
            value = bool(int(text))
        elif kind == "d":
            value = from_ISO8601(text)  # type: ignore[no-untyped-call]
        gap = self._place - len(self._cells) - 1
        if gap > 0:
            self._cells += [None] * gap
        elif gap < 0:
            self._cells[self._place - 1] = value
            return
        self._cells.append(value)

    def _date(self, number: float) -> Any:
        try:
            return from_excel(number, self._epoch, timedelta=self._dates[self._style])
        except (OverflowError, ValueError):
            return "#VALUE!"
