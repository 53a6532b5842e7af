import datetime as dt
from argparse import ArgumentTypeError
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from finance.exports.formats import Format
from finance.matching import listing
from finance.matching.errors import BrokenFile
from finance.models import Statement, StatementState
from finance.services import statements
from lootbox.core.commands import PlainCommand
from operators import selectors
from operators.audit import COMMAND_LINE
from operators.configuration import InvalidSetting


class Command(PlainCommand):
    """Match a casino's statement with our wallet calls."""

    help = (
        "Compare a casino's own transaction file, CSV or XLSX, with our wallet calls of the same days, and print what agrees "
        "and what differs. Columns are read as the operator's people mapped them; before that they are guessed. A file that "
        "can't be read is an error that names line and column, and leaves nothing behind."
    )

    def add_own_arguments(self, parser: CommandParser) -> None:
        """Add the file and the days that it is of."""
        parser.add_argument("slug", metavar="SLUG")
        parser.add_argument("file", metavar="FILE", type=Path)
        parser.add_argument(
            "--from", dest="first_day", type=_day, required=True, metavar="DAY", help="The first day, 2026-06-03."
        )
        parser.add_argument("--to", dest="last_day", type=_day, metavar="DAY", help="The last day (default: the first).")
        parser.add_argument("--tolerance", type=int, default=0, metavar="MINOR", help="Minor units that amounts may differ by.")
        parser.add_argument("--differences", type=Path, metavar="FILE", help="Write them there: .csv, .xlsx or .jsonl.")

    def act(self, **options: Any) -> dict[str, Any]:
        """Return counts, sums and how fast it went."""
        target: Path | None = options["differences"]
        if target is not None and target.suffix[1:] not in set(Format):
            raise CommandError("--differences takes a file that ends in .csv, .xlsx or .jsonl.")
        try:
            statement = statements.receive(
                operator=selectors.operator_by_slug(slug=options["slug"]),
                chunks=_chunks(options["file"]),
                file_name=options["file"].name,
                first_day=options["first_day"],
                last_day=options["last_day"] or options["first_day"],
                tolerance_minor=options["tolerance"],
                by=COMMAND_LINE,
                at=timezone.now(),
            )
            if statement.state == StatementState.UNMAPPED:
                begins = statements.sample(statement=statement)
                form = statements.suggest(statement=statement, begins=begins)
                statements.read_as(statement=statement, form=form)
        except (InvalidSetting, BrokenFile, statements.NotPossible, OSError) as refusal:
            raise CommandError(str(refusal)) from refusal
        statement = self._match(statement)
        if target is not None:
            with target.open("wb") as file:
                file.writelines(listing.export(statement, form=Format(target.suffix[1:])))
        seconds = float(statement.seconds or 0)
        return {
            "statement": str(statement.pk),
            "sha256": statement.sha256,
            "columns": {name: value for name, value in (statement.mapping or {}).items() if value},
            **statement.result,
            "seconds": seconds,
            "linesPerSecond": round(statement.lines_read / seconds) if seconds else None,
        }

    def _match(self, statement: Statement) -> Statement:
        console = Console(file=self.stderr, stderr=True)  # type: ignore[arg-type]
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[lines]:,} lines"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task("Reading", total=100, lines=0)

            def watch(lines: int, share: int) -> None:
                progress.update(task, completed=share, lines=lines)

            done = statements.run(statement_id=statement.pk, clock=timezone.now, watch=watch)
        if done is None:
            raise CommandError("Somebody else is matching this statement right now. Look at its page.")
        if done.state == StatementState.FAILED:
            statements.discard(statement=done)
            raise CommandError(done.problem)
        return done


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no day; write it as 2026-06-03") from None


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(1024 * 1024):
            yield chunk
