"""The first lines of a file as a mapping reads them, for a person to confirm it."""

from dataclasses import dataclass
from itertools import islice

from finance.matching.errors import BrokenFile
from finance.matching.files import as_text
from finance.matching.formats import UNSIGNED, Format
from finance.matching.lines import open_lines
from finance.models import Statement
from finance.services import statements
from lootbox.core.wording import money

LINES = 10


@dataclass(frozen=True)
class PreviewLine:
    """One line: its cells, and what the mapping makes of it or why it can't."""

    number: int
    cells: list[str]
    key: str = ""
    player: str = ""
    moved: str = ""
    at: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Preview:
    """The first lines, or why there are none."""

    lines: list[PreviewLine]
    problem: str = ""


def preview(*, statement: Statement, form: Format) -> Preview:
    """Return the first ten lines of the statement's file as the mapping reads them."""
    lines: list[PreviewLine] = []
    try:
        with statements.opened(statement=statement) as file:
            reader, found = open_lines(file, form)
            for number, cells in islice(found, LINES):
                shown = [as_text(cell)[:60] for cell in cells]
                while shown and not shown[-1]:
                    shown.pop()
                try:
                    line = reader.read(number, cells)
                except BrokenFile as broken:
                    lines.append(PreviewLine(number, shown, problem=str(broken)))
                    continue
                if line is None:
                    lines.append(PreviewLine(number, shown, problem="Left out: its status does not count."))
                    continue
                sign = "" if form.sign == UNSIGNED or line.moved_minor < 0 else "+"
                lines.append(
                    PreviewLine(
                        number,
                        shown,
                        line.key or line.reference,
                        line.player,
                        f"{sign}{money(line.moved_minor, line.currency)}",
                        f"{line.at:%Y-%m-%d %H:%M:%S} UTC" if line.at else "",
                    )
                )
    except BrokenFile as broken:
        return Preview(lines, str(broken))
    return Preview(lines)
