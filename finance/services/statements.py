"""A casino's statement: taken in, mapped once per operator, matched with our wallet calls, matched again later."""

import csv
import datetime as dt
import hashlib
import io
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import IO, Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q

from finance.days import period
from finance.matching import comparing
from finance.matching.errors import BrokenFile
from finance.matching.files import LARGEST_FILE, Cells, Layout, rows, sniff
from finance.matching.formats import BY_COLUMN, REVERSED, SIGNED, UNITS, Format, column_names, unnamed_columns
from finance.matching.guessing import SAMPLE, guess
from finance.matching.lines import Line, LineReader, open_lines
from finance.models import Statement, StatementFormat, StatementPart, StatementState
from lootbox.core import db
from lootbox.core.ids import new_id
from operators import audit
from operators.audit import By
from operators.models import Operator
from wallet.models import CallType, WalletCall
from wallet.numbering import number_movements

Clock = Callable[[], dt.datetime]
# Told how many lines were read, and of the file what share in percent.
Watch = Callable[[int, int], None]

# What is read at once in the request that uploads it; more waits for a worker.
SMALL: Final = 1024 * 1024
MOST_DAYS: Final = 400
MOST_ATTEMPTS: Final = 3
_PART: Final = 1024 * 1024
_IN_MEMORY: Final = 8 * 1024 * 1024
_LEASE: Final = dt.timedelta(minutes=10)
_TOLD_EVERY: Final = 5000


class NotPossible(Exception):
    """What was asked can't be done with the statement now; the message says why."""


@dataclass(frozen=True)
class Sample:
    """The beginning of a file: how it is laid out, and its first rows by line number."""

    layout: Layout
    rows: Sequence[tuple[int, Cells]]

    def names(self, header_row: int) -> list[str]:
        """Return the columns' names when this row is the header, 0 for none."""
        header = next((cells for number, cells in self.rows if number == header_row), None)
        if header is not None:
            return column_names(header)
        return unnamed_columns(max((len(cells) for _, cells in self.rows), default=0))


def receive(
    *,
    operator: Operator,
    chunks: Iterable[bytes],
    file_name: str,
    first_day: dt.date,
    last_day: dt.date,
    tolerance_minor: int,
    by: By,
    at: dt.datetime,
) -> Statement:
    """Keep a file and return its statement: waiting to be matched where the operator's mapping fits it, else to be mapped.

    Days are the operator's, both included; the tolerance is minor units of whatever currency a line is in. Raises
    `NotPossible`, `BrokenFile`; then nothing is kept.
    """
    if not 2000 <= first_day.year <= last_day.year <= 2199 or first_day > last_day or (last_day - first_day).days >= MOST_DAYS:
        raise NotPossible(f"Choose a first and a last day, in order, of at most {MOST_DAYS} days.")
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
        size, digest = _spool(chunks, file)
        layout = sniff(file)
        stored = StatementFormat.objects.filter(operator=operator).first()
        form = _fitting(Format.from_json(stored.mapping), file, layout) if stored else None
        covered = period(first_day, last_day, operator.time_zone)
        statement = Statement(
            id=new_id(),
            operator=operator,
            first_day=first_day,
            last_day=last_day,
            time_zone=operator.time_zone,
            starts_at=covered.start,
            ends_at=covered.end,
            tolerance_minor=tolerance_minor,
            file_name=_printable(file_name),
            file_size=size,
            sha256=digest,
            mapping=form.as_json() if form else None,
            uploaded_by=by.actor,
            uploaded_at=at,
            state=StatementState.WAITING if form else StatementState.UNMAPPED,
        )
        with transaction.atomic():
            statement.save(force_insert=True)
            file.seek(0)
            for number, content in enumerate(iter(lambda: file.read(_PART), b"")):
                StatementPart.objects.create(statement=statement, number=number, content=zlib.compress(content, 1))
            _tell(
                statement, "statement.upload", by, at, {"sha256": digest, "file": statement.file_name, "days": _days(statement)}
            )
    return statement


def sample(*, statement: Statement) -> Sample:
    """Return the beginning of a statement's file. Raises `BrokenFile`."""
    with opened(statement=statement) as file:
        layout = sniff(file)
        return Sample(layout, list(islice(rows(file, layout), SAMPLE)))


def suggest(*, statement: Statement, begins: Sample) -> Format:
    """Return the mapping to begin with: the statement's own or its operator's, else what the file looks like."""
    stored = StatementFormat.objects.filter(operator=statement.operator_id).first()
    operator = statement.operator
    if (known := statement.mapping or (stored.mapping if stored else None)) is not None:
        form = Format.from_json(known)
        if form.kind == begins.layout.kind and not form.missing(begins.names(form.header_row)):
            return form
    guessed = guess(begins.rows, begins.layout, currency=operator.base_currency, time_zone=operator.time_zone)
    return _as_our_calls_say(operator, guessed, begins)


def confirm(*, statement: Statement, form: Format, by: By, at: dt.datetime) -> None:
    """Keep the mapping as the operator's, and have the statement matched by it. Raises `NotPossible`."""
    with transaction.atomic():
        ready = Statement.objects.filter(pk=statement.pk).exclude(state=StatementState.RUNNING)
        if not ready.update(mapping=form.as_json(), **_anew()):
            raise NotPossible("The statement is being matched right now. Wait until that is done.")
        StatementFormat.objects.update_or_create(
            operator=statement.operator, defaults={"mapping": form.as_json(), "confirmed_by": by.actor, "confirmed_at": at}
        )
        _tell(statement, "statement.map", by, at, form.as_json())
    statement.refresh_from_db()


def read_as(*, statement: Statement, form: Format) -> None:
    """Have this one statement matched by a mapping that nobody confirmed, and that its operator's others do not take over."""
    Statement.objects.filter(pk=statement.pk, state=StatementState.UNMAPPED).update(mapping=form.as_json(), **_anew())
    statement.refresh_from_db()


def again(*, statement: Statement, by: By, at: dt.datetime) -> None:
    """Have a statement matched once more, as after calls were resolved. Raises `NotPossible`."""
    with transaction.atomic():
        done = Statement.objects.filter(pk=statement.pk, state__in=[StatementState.MATCHED, StatementState.FAILED])
        if statement.mapping is None or not done.update(**_anew()):
            raise NotPossible("Only a statement that was matched, or could not be, can be matched again.")
        _tell(statement, "statement.again", by, at, {"result": statement.result.get("counts", {})})
    statement.refresh_from_db()


def due(*, at: dt.datetime) -> list[UUID]:
    """Return the statements that wait for a worker, or whose worker died, the oldest first."""
    unfinished = Q(state=StatementState.WAITING) | Q(state=StatementState.RUNNING, leased_until__lt=at)
    return list(Statement.objects.filter(unfinished).order_by("uploaded_at").values_list("pk", flat=True))


def run(*, statement_id: UUID, clock: Clock, watch: Watch | None = None) -> Statement | None:
    """Read and match a statement that waits, and return it as it is then: matched, or failed with its problem.

    None when it does not wait, or somebody else has it. A file that can't be read leaves no differences, not even earlier ones.
    """
    began = clock()
    free = Q(state=StatementState.WAITING) | Q(state=StatementState.RUNNING, leased_until__lt=began)
    taken = Statement.objects.filter(free, pk=statement_id).update(
        state=StatementState.RUNNING,
        leased_until=began + _LEASE,
        attempts=F("attempts") + 1,
        lines_read=0,
        progress=0,
        problem="",
    )
    if not taken:
        return None
    statement = Statement.objects.select_related("operator").get(pk=statement_id)
    if statement.attempts > MOST_ATTEMPTS:
        return _fail(
            statement, f"Matching broke off {MOST_ATTEMPTS} times. Split the file by days, and tell the platform's people."
        )
    try:
        with tempfile.TemporaryFile() as lines:
            _read(statement, lines, clock, watch)
            number_movements(operator_id=statement.operator_id)
            with db.phase():
                # Whoever takes the statement over meanwhile waits here, and then finds it done.
                own = Statement.objects.select_for_update().filter(pk=statement.pk, attempts=statement.attempts)
                if not own.exists():
                    return None
                at = clock()
                result = comparing.compare(statement=statement, lines=lines, at=at)
                own.update(
                    state=StatementState.MATCHED,
                    leased_until=None,
                    progress=100,
                    lines_read=result.lines,
                    result=result.as_json(),
                    matched_at=at,
                    seconds=round((clock() - began).total_seconds(), 2),
                )
    except BrokenFile as broken:
        return _fail(statement, str(broken))
    statement.refresh_from_db()
    return statement


def discard(*, statement: Statement) -> None:
    """Forget a statement whose file could not be read, as if it had never been uploaded."""
    Statement.objects.filter(pk=statement.pk, state=StatementState.FAILED).delete()


def file_of(*, statement: Statement) -> Iterable[bytes]:
    """Yield the statement's file exactly as it was uploaded."""
    for content in statement.parts.order_by("number").values_list("content", flat=True).iterator(chunk_size=4):
        yield zlib.decompress(bytes(content))


def _as_our_calls_say(operator: Operator, form: Format, begins: Sample) -> Format:
    """Return the mapping by whose unit and sign, or columns of debits and credits, most of its lines agree with our calls."""
    below = [(number, cells) for number, cells in begins.rows if number > form.header_row]
    if form.sign == BY_COLUMN:
        signed = [form, replace(form, debit=form.credit, credit=form.debit)]
    else:
        signed = [replace(form, sign=sign) for sign in dict.fromkeys((form.sign, SIGNED, REVERSED))]
    candidates = [replace(one, unit=unit) for unit in dict.fromkeys((form.unit, *UNITS)) for one in signed]
    read = [list(_readable(candidate, begins.names(form.header_row), below)) for candidate in candidates]
    keys = {line.key for lines in read for line in lines}
    known = WalletCall.objects.filter(operator=operator, idempotency_key__in=keys, type__in=[CallType.DEBIT, CallType.CREDIT])
    ours = {call.idempotency_key: -call.amount_minor if call.type == CallType.DEBIT else call.amount_minor for call in known}
    agreeing = [sum(ours.get(line.key) == line.moved_minor for line in lines) for lines in read]
    return candidates[agreeing.index(max(agreeing))]


def _readable(form: Format, names: Sequence[str], below: Sequence[tuple[int, Cells]]) -> Iterator[Line]:
    with suppress(BrokenFile):
        reader = LineReader(form, names)
        for number, cells in below:
            line = reader.read(number, cells)
            if line is not None:
                yield line


def _anew() -> dict[str, Any]:
    return {"state": StatementState.WAITING, "attempts": 0, "leased_until": None, "progress": 0, "problem": ""}


def _read(statement: Statement, lines: IO[bytes], clock: Clock, watch: Watch | None) -> None:
    """Write the statement's lines as COPY takes them. Raises `BrokenFile`."""
    form = Format.from_json(statement.mapping or {})
    mine = Statement.objects.filter(pk=statement.pk, attempts=statement.attempts)
    count = 0
    text = io.TextIOWrapper(lines, "utf-8", newline="")
    with opened(statement=statement) as file:
        reader, found = open_lines(file, form)
        writer = csv.writer(text)
        for count, (number, cells) in enumerate(found, 1):
            line = reader.read(number, cells)
            if line is not None:
                writer.writerow(line)
            if count % _TOLD_EVERY == 0:
                share = min(Statement.ALL_READ - 1, 100 * file.tell() // max(statement.file_size, 1))
                renewed = mine.update(lines_read=count, progress=share, leased_until=clock() + _LEASE)
                if watch is not None and renewed:
                    watch(count, share)
    mine.update(lines_read=count, progress=Statement.ALL_READ, leased_until=clock() + _LEASE)
    text.flush()
    text.detach()
    lines.seek(0)


def opened(*, statement: Statement) -> IO[bytes]:
    """Return the statement's file, to be read from its beginning and closed by the caller."""
    file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - the caller closes it
    for block in file_of(statement=statement):
        file.write(block)
    file.seek(0)
    return file


def _spool(chunks: Iterable[bytes], file: IO[bytes]) -> tuple[int, str]:
    size, digest = 0, hashlib.sha256()
    for chunk in chunks:
        size += len(chunk)
        if size > LARGEST_FILE:
            raise BrokenFile(f"The file is larger than {LARGEST_FILE // 2**20} MB. Split it by days and upload each part.")
        digest.update(chunk)
        file.write(chunk)
    return size, digest.hexdigest()


def _fitting(form: Format, file: IO[bytes], layout: Layout) -> Format | None:
    """Return the operator's mapping if this file is of its kind and has its columns; a CSV file may change its encoding."""
    if layout.kind != form.kind:
        return None
    fitting = Format.from_json(form.as_json() | {"encoding": layout.encoding})
    try:
        open_lines(file, fitting)
    except BrokenFile:
        return None
    return fitting


def _fail(statement: Statement, problem: str) -> Statement:
    with transaction.atomic():
        statement.differences.all().delete()
        Statement.objects.filter(pk=statement.pk, attempts=statement.attempts).update(
            state=StatementState.FAILED, leased_until=None, problem=problem, result={}, matched_at=None
        )
    statement.refresh_from_db()
    return statement


def _tell(statement: Statement, action: str, by: By, at: dt.datetime, after: dict[str, Any]) -> None:
    audit.record(by=by, action=action, operator=statement.operator, subject=str(statement.pk), after=after, at=at)


def _days(statement: Statement) -> str:
    return f"{statement.first_day}/{statement.last_day}"


def _printable(name: str) -> str:
    return "".join(character for character in name if character.isprintable())[-200:] or "statement"
