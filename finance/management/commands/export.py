import datetime as dt
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction
from django.utils import timezone
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from finance.days import Zone
from finance.exports.columns import ReportName
from finance.exports.formats import Format
from finance.exports.making import NotExportable, Wanted, make
from finance.reports import Dimension
from finance.services import exporting
from lootbox.core.commands import PlainCommand
from operators.audit import COMMAND_LINE
from operators.models import Operator
from wallet.numbering import number_movements


class Command(PlainCommand):
    """Write a report, or the raw movements, into a file."""

    help = (
        "Write a report of an operator into a file, with its digest in the audit log. docs/finance.md says what each column "
        "means. Example: export movements --operator demo --from 2026-06-01 --to 2026-06-30 --format csv --out june.csv"
    )

    def add_own_arguments(self, parser: CommandParser) -> None:
        """Add what is wanted, of whom, and where to."""
        parser.add_argument("report", choices=[name.value for name in ReportName])
        parser.add_argument("--operator", required=True, metavar="SLUG")
        parser.add_argument("--from", dest="first", type=_day, metavar="DAY", help="Movements without days: the whole ledger.")
        parser.add_argument("--to", dest="last", type=_day, metavar="DAY", help="The last day, included.")
        parser.add_argument("--time-zone", choices=[zone.value for zone in Zone], default="utc", help="Whose days are meant.")
        parser.add_argument(
            "--by", default="day", metavar="LIST", help=f"For revenue, a comma list of: {', '.join(Dimension)}."
        )
        parser.add_argument("--currency", metavar="CODE")
        parser.add_argument("--format", choices=[name.value for name in Format], default="csv")
        parser.add_argument("--out", type=Path, required=True, metavar="FILE")

    def act(self, **options: Any) -> dict[str, Any]:
        """Return what the file is known by."""
        operator = Operator.objects.filter(slug=options["operator"]).first()
        if operator is None:
            raise CommandError(f"There is no operator {options['operator']}. Look at the list in the administration.")
        by = {name for name in options["by"].split(",") if name}
        if not by <= set(Dimension):
            raise CommandError(f"--by takes a comma list of: {', '.join(Dimension)}.")
        if (options["first"] is None) != (options["last"] is None):
            raise CommandError("Give both --from and --to, or neither.")
        wanted = Wanted(
            report=ReportName(options["report"]),
            format=Format(options["format"]),
            operators=[operator],
            first=options["first"],
            last=options["last"],
            zone=Zone(options["time_zone"]),
            by=frozenset(Dimension(name) for name in by) if options["report"] == ReportName.REVENUE else frozenset(),
            currency=options["currency"],
        )
        number_movements(operator_id=operator.pk)
        try:
            file = make(wanted, at=timezone.now())
        except NotExportable as error:
            raise CommandError(str(error)) from error
        with self._progress() as progress:
            task = progress.add_task(wanted.filename, total=file.rows_expected)
            file.progress = lambda rows: progress.update(task, completed=rows)
            try:
                with options["out"].open("wb") as target:
                    target.writelines(file)
            except OSError as error:
                raise CommandError(f"{options['out']} can't be written: {error.strerror}.") from error
        with transaction.atomic():
            exporting.note(file, wanted, by=COMMAND_LINE, action="export.made", at=timezone.now())
        return {"file": str(options["out"]), **file.known_by()}

    def _progress(self) -> Progress:
        """Return the progress as people see it: on stderr, and only where that is a terminal."""
        shown = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        console = Console(stderr=True)
        return Progress(*shown, console=console, disable=not console.is_terminal)


def _day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)
