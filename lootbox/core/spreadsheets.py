"""What spreadsheets would do to a text."""

from typing import Final

# A spreadsheet takes a text that begins so for a formula, whatever the file says; the last four are full-width signs.
FORMULA_STARTS: Final = "=+-@\t\r\n\0\uff1d\uff0b\uff0d\uff20"


def defused(text: str) -> str:
    """Return a text so that no spreadsheet computes it."""
    return f"'{text}" if text and text[0] in FORMULA_STARTS else text
