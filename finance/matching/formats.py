"""How an operator's statements are written: which column is what, and how amounts, signs and times are to be read."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from finance.matching.files import CSV, Cells, Layout, as_text

# What a column may stand for, and how the mapping's page names it.
COLUMNS: Final[Mapping[str, str]] = {
    "key": "Our idempotency key",
    "reference": "Their transaction id",
    "player": "Player",
    "amount": "Amount",
    "debit": "Debits, if in a column of their own",
    "credit": "Credits, if in a column of their own",
    "currency": "Currency",
    "type": "Type (debit or credit)",
    "status": "Status",
    "time": "Time",
}
MINOR, MAJOR = "minor", "major"
UNITS: Final = {MINOR: "minor units (500 is 5.00 EUR)", MAJOR: "whole units (5.00 is 5.00 EUR)"}
DECIMALS: Final = {".": "point (1,234.50)", ",": "comma (1.234,50)"}
SIGNED, REVERSED, BY_TYPE, BY_COLUMN, UNSIGNED = "signed", "reversed", "by_type", "by_column", "unsigned"
SIGNS: Final = {
    SIGNED: "below zero takes money from the player",
    REVERSED: "above zero takes money from the player",
    BY_TYPE: "the type says so",
    BY_COLUMN: "debits and credits have a column each",
    UNSIGNED: "nothing says so; compare amounts alone",
}
ISO, UNIX, UNIX_MS = "iso", "unix", "unix_ms"
TIMES: Final = {
    ISO: "2026-06-03 12:00:05 or 2026-06-03T12:00:05Z",
    UNIX: "seconds since 1970",
    UNIX_MS: "milliseconds since 1970",
    "%d.%m.%Y %H:%M:%S": "03.06.2026 12:00:05",
    "%d.%m.%Y %H:%M": "03.06.2026 12:00",
    "%d/%m/%Y %H:%M:%S": "03/06/2026 12:00:05, the day first",
    "%d/%m/%Y %H:%M": "03/06/2026 12:00, the day first",
    "%m/%d/%Y %H:%M:%S": "06/03/2026 12:00:05, the month first",
    "%m/%d/%Y %I:%M:%S %p": "06/03/2026 12:00:05 PM, the month first",
    "%Y%m%d%H%M%S": "20260603120005",
}


@dataclass(frozen=True, kw_only=True)
class Format:
    """A mapping. Columns are named as the header row names them; an empty name is a column that the file has not."""

    kind: str = CSV
    encoding: str = ""
    delimiter: str = ""
    header_row: int = 1
    key: str = ""
    reference: str = ""
    player: str = ""
    amount: str = ""
    debit: str = ""
    credit: str = ""
    currency: str = ""
    type: str = ""
    status: str = ""
    time: str = ""
    one_currency: str = ""
    unit: str = MAJOR
    decimal: str = "."
    sign: str = SIGNED
    debit_words: tuple[str, ...] = ()
    credit_words: tuple[str, ...] = ()
    booked_words: tuple[str, ...] = ()
    time_format: str = ISO
    time_zone: str = "UTC"

    @property
    def layout(self) -> Layout:
        """Return how its files are read."""
        return Layout(self.kind, self.encoding, self.delimiter)

    def as_json(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Format":
        """Return what was stored; what an older version did not know yet has its default."""
        known = {field.name for field in fields(cls)} & stored.keys()
        values: dict[str, Any] = {name: _tuple(stored[name]) for name in known}
        return cls(**values)

    def missing(self, names: Sequence[str]) -> list[str]:
        """Return the columns that the mapping wants and a file with these columns has not."""
        wanted = (getattr(self, column) for column in COLUMNS)
        return [name for name in wanted if name and name not in names]


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def column_names(header: Cells) -> list[str]:
    """Return a name for every column: its heading; one that comes again gets a number, one without heading its place."""
    names: list[str] = []
    for place, cell in enumerate(header, 1):
        name = as_text(cell)[:100] or f"column {place}"
        names.append(name if name not in names else f"{name} ({place})")
    return names


def unnamed_columns(width: int) -> list[str]:
    """Return the names of a file's columns that has no header row."""
    return [f"column {place}" for place in range(1, width + 1)]
