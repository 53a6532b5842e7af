"""Handing exports out: at once as a stream, or made in the background and kept for download; each digest in the audit log."""

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet

from finance.exports.formats import Format
from finance.exports.making import File, NotExportable, Wanted, make, rows_of
from finance.models import Export, ExportState
from lootbox.core.ids import new_id
from operators import audit
from operators.audit import By

logger = structlog.get_logger(__name__)

Clock = Callable[[], dt.datetime]
# Longer than a stretch of the ledger, or closing a workbook, may take. A worker that dies is missed after this time.
LEASE: Final = dt.timedelta(minutes=5)
MOST_ATTEMPTS: Final = 3


def is_large(wanted: Wanted) -> bool:
    """Return whether a file is better made in the background."""
    return rows_of(wanted) > int(settings.LOOTBOX_EXPORTS_AT_ONCE_ROWS)


def stream(wanted: Wanted, *, by: By, clock: Clock) -> Iterator[bytes]:
    """Return the file's bytes as they are made; when it ends, however it does, the audit log keeps what it is known by.

    Raises `NotExportable` before the first byte.
    """
    if wanted.format is Format.XLSX and is_large(wanted):
        raise NotExportable("format", "A workbook of so many rows can't be sent while it is made. Take CSV or JSON Lines.")
    file = make(wanted, at=clock())
    return _watched(file, wanted, by, clock)


def _watched(file: File, wanted: Wanted, by: By, clock: Clock) -> Iterator[bytes]:
    ended = False
    try:
        yield from file
        ended = True
    finally:
        with transaction.atomic():
            note(file, wanted, by=by, action="export.made" if ended else "export.broken_off", at=clock())


def note(file: File, wanted: Wanted, *, by: By, action: str, at: dt.datetime) -> None:
    """Write into the audit log what a file held and is known by, in the caller's transaction."""
    audit.record(
        by=by,
        action=action,
        operator=wanted.operators[0] if len(wanted.operators) == 1 else None,
        subject=wanted.filename,
        at=at,
        after=wanted.as_json() | file.known_by(),
    )


def request(wanted: Wanted, *, by: By, at: dt.datetime) -> Export:
    """Return an export that waits to be made in the background. Raises `NotExportable`."""
    if len(wanted.operators) != 1:
        raise NotExportable("operator", "Choose one operator for a file that is made in the background.")
    file = make(wanted, at=at)
    return Export.objects.create(
        id=new_id(),
        operator=wanted.operators[0],
        report=wanted.report,
        format=wanted.format,
        filters=wanted.as_json(),
        requested_by=by.actor,
        requested_at=at,
        rows_expected=file.rows_expected,
    )


def make_next(*, clock: Clock) -> bool:
    """Make the export that has waited longest, or whose worker died, and return whether there was one."""
    export = _claim(clock())
    if export is None:
        return False
    log = logger.bind(export=str(export.pk), report=export.report, operator=export.operator.slug)
    try:
        _write(export, clock)
        log.info("export_made", rows=export.rows)
    except Exception as error:
        # Whatever it was, the person who waits is told, and the next export is not kept waiting.
        log.exception("export_failed")
        _own(export).update(state=ExportState.FAILED, problem=str(error)[:500], leased_until=None, finished_at=clock())
    return True


def delete_old(*, at: dt.datetime) -> int:
    """Delete the files whose time is up, and return how many there were. What they were known by stays."""
    old = list(Export.objects.filter(state=ExportState.READY, kept_until__lte=at))
    for export in old:
        location(export).unlink(missing_ok=True)
        Export.objects.filter(pk=export.pk).update(state=ExportState.GONE)
    return len(old)


def location(export: Export) -> Path:
    """Return where the file lies, or will lie."""
    return Path(settings.LOOTBOX_EXPORTS) / f"{export.pk}.{export.format}"


def wanted_of(export: Export) -> Wanted:
    """Return what was asked for."""
    return Wanted.from_json(export.filters, operators=[export.operator])


def _claim(at: dt.datetime) -> Export | None:
    due = Q(state=ExportState.WAITING) | Q(state=ExportState.RUNNING, leased_until__lte=at)
    with transaction.atomic():
        waiting = Export.objects.select_for_update(of=("self",), skip_locked=True).select_related("operator")
        export = waiting.filter(due).order_by("requested_at").first()
        if export is None:
            return None
        if export.attempts >= MOST_ATTEMPTS:
            Export.objects.filter(pk=export.pk).update(
                state=ExportState.FAILED,
                problem=f"Its worker died {MOST_ATTEMPTS} times. Ask for it again, or for fewer days.",
                leased_until=None,
                finished_at=at,
            )
            return None
        Export.objects.filter(pk=export.pk).update(
            state=ExportState.RUNNING, attempts=F("attempts") + 1, rows=0, leased_until=at + LEASE
        )
        export.refresh_from_db()
        return export


def _write(export: Export, clock: Clock) -> None:
    file = make(wanted_of(export), at=export.requested_at)
    file.progress = lambda rows: _go_on(export, rows, clock())
    place = location(export)
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = place.with_suffix(f".{export.attempts}.part")
    try:
        with part.open("wb") as target:
            for chunk in file:
                target.write(chunk)
        part.replace(place)
    finally:
        part.unlink(missing_ok=True)
    at = clock()
    with transaction.atomic():
        _go_on(export, file.rows, at)
        Export.objects.filter(pk=export.pk).update(
            state=ExportState.READY,
            leased_until=None,
            size=file.size,
            sha256=file.sha256,
            totals=file.totals,
            finished_at=at,
            kept_until=at + dt.timedelta(days=settings.LOOTBOX_EXPORTS_KEPT_DAYS),
        )
        note(file, wanted_of(export), by=By(export.requested_by, f"export {export.pk}"), action="export.made", at=at)


class LeaseLost(Exception):
    """Another worker took the export over, because this one was taken for dead."""


def _go_on(export: Export, rows: int, at: dt.datetime) -> None:
    export.rows = rows
    if not _own(export).update(rows=rows, leased_until=at + LEASE):
        raise LeaseLost("Another worker makes this export.")


def _own(export: Export) -> QuerySet[Export]:
    return Export.objects.filter(pk=export.pk, state=ExportState.RUNNING, attempts=export.attempts)


def record_download(export: Export, *, by: By, at: dt.datetime) -> None:
    """Write into the audit log that somebody took a file that had been made."""
    with transaction.atomic():
        audit.record(
            by=by,
            action="export.downloaded",
            operator=export.operator,
            subject=wanted_of(export).filename,
            at=at,
            after={"export": str(export.pk), "sha256": export.sha256, "rows": export.rows},
        )
