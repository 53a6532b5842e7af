"""Making a file: what is wanted, the stream of its bytes, and what it is known by in the end."""

import datetime as dt
import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from finance import reports
from finance.days import Zone, first_instant, period
from finance.exports import columns, movements
from finance.exports.columns import ReportName
from finance.exports.formats import XLSX_ROWS, Format, Sheet, Value, csv_lines, json_lines
from finance.liability import liability
from finance.reports import Dimension, Selection
from lootbox.core.errors import ApiError, ErrorCode
from operators.models import Operator

CHUNK: Final = 64 * 1024
# After so many rows somebody who waits for a workbook sees how far it is.
SHEET_ROWS: Final = 1000


class NotExportable(ApiError):
    """An export can't be made as it is wanted; the message says what to do."""

    def __init__(self, field: str, message: str) -> None:
        """Refuse with a message about a field of what was asked for."""
        super().__init__(ErrorCode.VALIDATION_FAILED, message, fields={field: message})


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a file is to hold: a report over days, both included. Movements may be without days: the whole ledger."""

    report: ReportName
    format: Format
    operators: Sequence[Operator]
    first: dt.date | None = None
    last: dt.date | None = None
    zone: Zone = Zone.UTC
    by: frozenset[Dimension] = frozenset()
    currency: str | None = None
    funding: str | None = None

    @property
    def filename(self) -> str:
        """Return what to call the file."""
        whose = self.operators[0].slug if len(self.operators) == 1 else "all"
        days = f"-{self.first}-{self.last}" if self.first else ""
        return f"{self.report}-{whose}{days}.{self.format}"

    def as_json(self) -> dict[str, Any]:
        """Return it, but for the operators, as `wanted` reads it."""
        return {
            "report": self.report.value,
            "format": self.format.value,
            "from": self.first.isoformat() if self.first else None,
            "to": self.last.isoformat() if self.last else None,
            "timeZone": self.zone.value,
            "by": [one.value for one in Dimension if one in self.by],
            "currency": self.currency,
            "funding": self.funding,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], *, operators: Sequence[Operator]) -> Self:
        """Return what `as_json` wrote down."""
        return cls(
            report=ReportName(value["report"]),
            format=Format(value["format"]),
            operators=operators,
            first=dt.date.fromisoformat(value["from"]) if value["from"] else None,
            last=dt.date.fromisoformat(value["to"]) if value["to"] else None,
            zone=Zone(value["timeZone"]),
            by=frozenset(Dimension(name) for name in value["by"]),
            currency=value["currency"],
            funding=value["funding"],
        )


@dataclass
class File:
    """A file that is being made: iterate over it for its bytes, in chunks of 64 KiB or more. What it is known by grows with it.

    `totals` maps currencies to what the rows add up to. `progress` is called with the rows made so far.
    """

    chunks: Iterator[tuple[int, bytes]]
    rows_expected: int
    totals: Mapping[str, Mapping[str, int]]
    rows: int = 0
    size: int = 0
    progress: Callable[[int], object] | None = None
    _digest: Any = field(default_factory=hashlib.sha256)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bytes."""
        waiting: list[bytes] = []
        length = 0
        for rows, text in self.chunks:
            self.rows += rows
            if rows and self.progress is not None:
                self.progress(self.rows)
            waiting.append(text)
            length += len(text)
            if length >= CHUNK:
                yield self._known(b"".join(waiting))
                waiting, length = [], 0
        if waiting:
            yield self._known(b"".join(waiting))

    def _known(self, chunk: bytes) -> bytes:
        self._digest.update(chunk)
        self.size += len(chunk)
        return chunk

    @property
    def sha256(self) -> str:
        """Return the digest of what was given out so far."""
        return str(self._digest.hexdigest())

    def known_by(self) -> dict[str, Any]:
        """Return what the audit log keeps of it."""
        return {"rows": self.rows, "bytes": self.size, "sha256": self.sha256, "totals": self.totals}


def make(wanted: Wanted, *, at: dt.datetime) -> File:
    """Return the file, of which nothing is made before it is iterated over. `at` is when, for what is owed now.

    Raises `NotExportable`.
    """
    if wanted.report is not ReportName.MOVEMENTS and (wanted.first is None or wanted.last is None):
        raise NotExportable("from", "Say from which day to which.")
    if wanted.first and wanted.last and wanted.last < wanted.first:
        raise NotExportable("to", "The last day is before the first one.")
    match wanted.report:
        case ReportName.MOVEMENTS:
            return _movements(wanted)
        case ReportName.REVENUE:
            return _revenue(wanted)
        case ReportName.LIABILITY:
            return _liability(wanted, at)


def rows_of(wanted: Wanted) -> int:
    """Return how many rows the file will have, as far as that decides how it is made: reports are always small."""
    return sum(one.rows for one in _extents(wanted)) if wanted.report is ReportName.MOVEMENTS else 0


def owed_at(wanted: Wanted, operator: Operator, at: dt.datetime) -> dt.datetime:
    """Return the moment that liability is of: the end of the last day, or now while that is to come."""
    assert wanted.last is not None
    return min(at, first_instant(wanted.last + dt.timedelta(days=1), wanted.zone.of(operator)))


def selection(wanted: Wanted) -> Selection:
    """Return what the page of the same report asks for."""
    assert wanted.first is not None
    assert wanted.last is not None
    return Selection(
        operators=wanted.operators,
        first=wanted.first,
        last=wanted.last,
        zone=wanted.zone,
        by=wanted.by,
        currency=wanted.currency,
        funding=wanted.funding,
    )


def _revenue(wanted: Wanted) -> File:
    report = reports.revenue(selection(wanted))
    totals = {
        currency: {
            "turnoverMinor": figures.turnover,
            "payoutMinor": figures.payout,
            "grossRevenueMinor": figures.gross_revenue,
            "freeCostMinor": figures.free_cost,
            "cashbackMinor": figures.cashback,
            "refundsMinor": figures.refunds,
            "shippingMinor": figures.shipping,
        }
        for (currency, _), figures in report.totals.items()
    }
    return _small(wanted.format, columns.REVENUE, report.rows, totals)


def _liability(wanted: Wanted, at: dt.datetime) -> File:
    rows = [
        row
        for operator in wanted.operators
        for row in liability(operators=[operator], at=owed_at(wanted, operator, at))
        if wanted.currency in (None, row.currency)
    ]
    totals: dict[str, dict[str, int]] = {}
    for row in rows:
        of = totals.setdefault(row.currency, {"amountMinor": 0})
        of["amountMinor"] += row.amount
    return _small(wanted.format, columns.LIABILITY, rows, totals)


def _small(
    format_: Format, of: Sequence[columns.Column], found: Sequence[Any], totals: Mapping[str, Mapping[str, int]]
) -> File:
    names = [column.name for column in of]
    rows = [columns.values(of, row) for row in found]
    match format_:
        case Format.CSV:
            chunks = _counted(csv_lines([names, *rows]), header=True)
        case Format.JSONL:
            chunks = _counted(json_lines(names, rows), header=False)
        case Format.XLSX:
            chunks = _workbook(names, [rows])
    return File(chunks, rows_expected=len(rows), totals=totals)


def _movements(wanted: Wanted) -> File:
    extents = _extents(wanted)
    rows = sum(one.rows for one in extents)
    totals: dict[str, dict[str, int]] = {}
    for one in extents:
        for currency, moved in one.sums.items():
            of = totals.setdefault(currency, {"amountMinor": 0})
            of["amountMinor"] += moved
    names = [column.name for column in columns.MOVEMENTS]
    match wanted.format:
        case Format.CSV:
            chunks = _headed(names, movements.copied(extents, Format.CSV))
        case Format.JSONL:
            chunks = movements.copied(extents, Format.JSONL)
        case Format.XLSX:
            if rows > XLSX_ROWS:
                message = f"A sheet holds {XLSX_ROWS:,} rows, and this has {rows:,}. Take CSV or JSON Lines."
                raise NotExportable("format", message)
            chunks = _workbook(names, movements.fetched(extents))
    return File(chunks, rows_expected=rows, totals=totals)


def _extents(wanted: Wanted) -> list[movements.Extent]:
    found = []
    for operator in wanted.operators:
        start, end = movements.BEGINNING, movements.END
        if wanted.first is not None and wanted.last is not None:
            start, end = period(wanted.first, wanted.last, wanted.zone.of(operator))
        found.append(movements.extent(operator=operator, start=start, end=end, currency=wanted.currency))
    return found


def _headed(names: Sequence[str], chunks: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    yield 0, b"".join(csv_lines([names]))
    yield from chunks


def _counted(lines: Iterator[bytes], *, header: bool) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(lines):
        yield int(number > 0 or not header), line


def _workbook(names: Sequence[str], batches: Iterable[Sequence[Sequence[Value]]]) -> Iterator[tuple[int, bytes]]:
    sheet = Sheet(names)
    for batch in batches:
        for begin in range(0, len(batch), SHEET_ROWS):
            rows = batch[begin : begin + SHEET_ROWS]
            sheet.add(rows)
            yield len(rows), b""
    with tempfile.TemporaryFile() as file:
        sheet.save(file)
        file.seek(0)
        while chunk := file.read(CHUNK):
            yield 0, chunk
