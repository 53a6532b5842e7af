"""Closing a day: its totals are frozen with a hash of what they cover, each chained to the close before it.

What a close covers is worked out in one snapshot, and never changes: movements are numbered after their commit and frozen by
then. A movement that gets its number after its day was closed is in the next close, with the day that it is of.
"""

import dataclasses
import datetime as dt
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from django.db import IntegrityError, connection, transaction
from django.db.models import Max, Min, QuerySet

from finance import reports
from finance.covered import Covered, Progress, late, rows_hash, sums
from finance.days import Period, Zone, day_of, period
from finance.models import ClosedDay, CloseState
from finance.reports import Figures, Selection
from lootbox.core import db
from lootbox.core.strict_json import canonical
from operators import audit
from operators.audit import By
from operators.models import Operator
from wallet.models import CallState, WalletCall
from wallet.numbering import number_movements

FIRST_HASH: Final = "0" * 64
_UNRESOLVED: Final = (CallState.PENDING, CallState.UNKNOWN)


class NotClosable(Exception):
    """The day can't be closed, or re-opened, now; the message says why and what to do."""


class MoneyOpen(NotClosable):
    """The fate of some of the day's money is not known yet, and nobody has said that it comes late."""


class BrokenClose(Exception):
    """A close is not what was frozen; the message says which."""


@dataclass(frozen=True)
class Worked:
    """What closing a day freezes, worked out but not written down."""

    operator: Operator
    day: dt.date
    time_zone: str
    starts_at: dt.datetime
    ends_at: dt.datetime
    previous: ClosedDay | None
    last_sequence: int
    movements: int
    late: int
    totals: dict[str, Any]
    unresolved: list[dict[str, Any]]


def next_day(*, operator: Operator) -> dt.date | None:
    """Return the day to close next: after the newest closed one, else that of the first movement; None without any."""
    newest = newest_close(operator=operator)
    if newest is not None:
        return newest.day + dt.timedelta(days=1)
    first = _numbered(operator).aggregate(first=Min("resolved_at"))["first"]
    return day_of(first, operator.time_zone) if first else None


def newest_close(*, operator: Operator) -> ClosedDay | None:
    """Return the operator's newest day that is closed."""
    return ClosedDay.objects.filter(operator=operator, state=CloseState.CLOSED).order_by("-day").first()


def work_out(*, operator: Operator, day: dt.date, at: dt.datetime) -> Worked:
    """Return what closing the day at `at` would freeze. Raises `NotClosable` for a day that is not next, or not over."""
    number_movements(operator_id=operator.pk)
    covered = period(day, day, operator.time_zone)
    if at < covered.end:
        raise NotClosable(f"{day} is not over yet in {operator.time_zone}. Close it from {covered.end:%Y-%m-%d %H:%M} UTC on.")
    with _snapshot():
        previous = newest_close(operator=operator)
        due = next_day(operator=operator)
        if due is not None and day != due:
            already = "is closed already" if day < due else f"comes after {due}, which is not closed yet"
            raise NotClosable(f"{day} {already}. The next day to close is {due}.")
        last_sequence = _numbered(operator).aggregate(last=Max("ledger_sequence"))["last"] or 0
        figures = sums(_covered(operator.pk, covered, last_sequence, previous))
        revenue = _revenue(operator, day)
        unresolved = _open_money(operator, covered.end)
    if previous is None or previous.ends_at == covered.start:
        _compare(figures, revenue)
    return Worked(
        operator, day, operator.time_zone, covered.start, covered.end, previous, last_sequence,
        sum(row["movements"] for row in figures), sum(row["late"] for row in figures),
        {"ledger": figures, "revenue": revenue}, unresolved,
    )  # fmt: skip


def close(
    *,
    operator: Operator,
    day: dt.date,
    by: By,
    at: dt.datetime,
    despite_unresolved: bool = False,
    progress: Progress = lambda _done, _of: None,
) -> ClosedDay:
    """Close the day and return what was frozen, with an audit entry in the same transaction.

    Money of the day whose fate is not known has to be accepted by `despite_unresolved`; it comes in late. `progress` is told of
    the movements as they are hashed. Raises `NotClosable`.
    """
    worked = work_out(operator=operator, day=day, at=at)
    if worked.unresolved and not despite_unresolved:
        count = sum(row["calls"] for row in worked.unresolved)
        calls = "1 wallet call" if count == 1 else f"{count:,} wallet calls"
        raise MoneyOpen(f"The fate of {calls} of the day is not known yet. Resolve that first, or say that it comes late.")
    frozen = ClosedDay(
        **{field.name: getattr(worked, field.name) for field in dataclasses.fields(Worked)},
        previous_hash=worked.previous.hash if worked.previous else FIRST_HASH,
        closed_at=at,
        closed_by=by.actor,
        reason=by.reason,
    )
    frozen.rows_hash = rows_hash(_of(frozen), progress=progress)
    frozen.hash = _hash(frozen)
    try:
        with transaction.atomic():
            frozen.save(force_insert=True)
            after = {"hash": frozen.hash, "movements": frozen.movements, "unresolved": frozen.unresolved}
            audit.record(by=by, action="day.close", operator=operator, subject=_subject(frozen), after=after, at=at)
    except IntegrityError as error:
        if "closed_day" not in str(error):
            raise
        raise NotClosable(f"Somebody else has just closed {day}. Reload the page.") from error
    return frozen


def reopen(*, closed: ClosedDay, by: By, at: dt.datetime) -> None:
    """Re-open the newest closed day, with an audit entry, so that it can be closed anew. Raises `NotClosable`."""
    if not by.confirmed_by or by.confirmed_by == by.actor:
        raise NotClosable("Re-opening a day takes two people.")
    with transaction.atomic():
        if (why := refusal(closed=closed)) is not None:
            raise NotClosable(why)
        reopened = ClosedDay.objects.filter(pk=closed.pk, state=CloseState.CLOSED).update(
            state=CloseState.REOPENED,
            reopened_at=at,
            reopened_by=by.actor,
            reopened_confirmed_by=by.confirmed_by,
            reopened_reason=by.reason,
        )
        if not reopened:
            raise NotClosable("The day was re-opened already.")
        before = {"hash": closed.hash}
        audit.record(by=by, action="day.reopen", operator=closed.operator, subject=_subject(closed), before=before, at=at)


def refusal(*, closed: ClosedDay) -> str | None:
    """Return why a close can't be re-opened, None when it can."""
    if closed.state == CloseState.REOPENED:
        return "This close was re-opened already."
    newest = newest_close(operator=closed.operator)
    return None if newest == closed else f"Only the newest closed day can be re-opened, which is {newest}. Re-open that first."


def verify(*, operator: Operator, progress: Progress = lambda _done, _of: None) -> tuple[int, str]:
    """Return how many closes hold, and the newest hash: all are recomputed from the movements. Raises `BrokenClose`."""
    count, previous_hash = 0, FIRST_HASH
    standing: ClosedDay | None = None
    for closed in ClosedDay.objects.filter(operator=operator).select_related("previous").order_by("day", "id"):
        covered = _of(closed)
        if sums(covered) != closed.totals["ledger"] or rows_hash(covered, progress=progress) != closed.rows_hash:
            raise BrokenClose(
                f"The movements of {closed.day} are not what was closed at {closed.closed_at:%Y-%m-%d %H:%M} UTC."
            )
        if closed.hash != _hash(closed):
            raise BrokenClose(f"The close of {closed.day} is not what was written: its hash does not hold.")
        if closed.state == CloseState.CLOSED:
            if closed.previous != standing or closed.previous_hash != previous_hash:
                raise BrokenClose(f"The close of {closed.day} does not follow the one before it.")
            standing, previous_hash = closed, closed.hash
        count += 1
    return count, previous_hash


def has_hash(*, operator: Operator, wanted: str) -> bool:
    """Return whether one of the operator's closes has this hash."""
    return ClosedDay.objects.filter(operator=operator, hash=wanted).exists()


def close_after(*, closed: ClosedDay) -> ClosedDay | None:
    """Return the close that follows, where what came late is."""
    return ClosedDay.objects.filter(operator=closed.operator, previous=closed, state=CloseState.CLOSED).first()


def close_anew(*, closed: ClosedDay) -> ClosedDay | None:
    """Return the close that stands in the place of one that was re-opened, once there is one."""
    if closed.state == CloseState.CLOSED:
        return None
    return ClosedDay.objects.filter(operator=closed.operator, day=closed.day, state=CloseState.CLOSED).first()


def late_postings(*, closed: ClosedDay, most: int) -> list[tuple[WalletCall, dt.date, ClosedDay | None]]:
    """Return up to `most` movements of a close that were asked for on days before it, each with that day and its close."""
    ids = late(_of(closed), most=most) if closed.late else []
    calls = WalletCall.objects.filter(pk__in=ids).select_related("player").order_by("ledger_sequence")
    found = [(call, day_of(call.created_at, closed.time_zone)) for call in calls]
    of_days = ClosedDay.objects.filter(operator=closed.operator, state=CloseState.CLOSED, day__in={day for _, day in found})
    closes = {close.day: close for close in of_days}
    return [(call, day, closes.get(day)) for call, day in found]


def drift(*, closed: ClosedDay) -> list[dict[str, Any]]:
    """Return by currency how the day's report reads now where it is not what was frozen: what came in since, by measure."""
    frozen = {(row["currency"], row["baseCurrency"]): row for row in closed.totals["revenue"]}
    found = []
    for row in _revenue(closed.operator, closed.day):
        was = frozen.get((row["currency"], row["baseCurrency"]), {})
        changed = {
            name: row[name] - was.get(name, 0) for name in row if isinstance(row[name], int) and row[name] != was.get(name, 0)
        }
        if changed:
            found.append({"currency": row["currency"], "since": changed})
    return found


@contextmanager
def _snapshot() -> Iterator[None]:
    """Have all statements inside see one moment."""
    with db.phase():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _numbered(operator: Operator) -> QuerySet[WalletCall]:
    return WalletCall.objects.filter(operator=operator, ledger_sequence__isnull=False)


def _of(closed: ClosedDay) -> Covered:
    return _covered(closed.operator_id, Period(closed.starts_at, closed.ends_at), closed.last_sequence, closed.previous)


def _covered(operator_id: int, day: Period, upto: int, previous: ClosedDay | None) -> Covered:
    return Covered(
        operator_id=operator_id,
        starts_at=day.start,
        ends_at=day.end,
        upto=upto,
        after=previous.last_sequence if previous else 0,
        since=previous.ends_at if previous else None,
    )


def _moment(value: dt.datetime) -> str:
    return value.astimezone(dt.UTC).isoformat(timespec="microseconds")


def _revenue(operator: Operator, day: dt.date) -> list[dict[str, Any]]:
    """Return the report's figures of the day by currency."""
    report = reports.revenue(Selection(operators=[operator], first=day, last=day, zone=Zone.OPERATOR))
    names = [field.name for field in dataclasses.fields(Figures) if field.name != "expected"]
    return [
        {"currency": row.key.currency, "baseCurrency": row.key.base_currency}
        | {name: int(getattr(row.figures, name)) for name in names}
        for row in report.rows
    ]


def _compare(ledger: Sequence[dict[str, Any]], revenue: Sequence[dict[str, Any]]) -> None:
    """Raise `NotClosable` unless report and ledger say the same of what the ledger alone moves on the day."""
    for name, reason, sign in (("cashback", "cashback", 1), ("refunds", "refund", 1), ("shipping", "shipping", -1)):
        ours: dict[str, int] = {}
        theirs: dict[str, int] = {}
        for row in ledger:
            if row["reason"] == reason:
                own = row["amountMinor"] - row["earlierMinor"]
                ours[row["currency"]] = ours.get(row["currency"], 0) + sign * own
        for row in revenue:
            theirs[row["currency"]] = theirs.get(row["currency"], 0) + row[name]
        for currency in ours.keys() | theirs.keys():
            if ours.get(currency, 0) != theirs.get(currency, 0):
                raise NotClosable(
                    f"Ledger and report disagree on {name} in {currency}: {ours.get(currency, 0)} and "
                    f"{theirs.get(currency, 0)} minor units. Have the platform's people run manage.py check_invariants."
                )


def _open_money(operator: Operator, ends_at: dt.datetime) -> list[dict[str, Any]]:
    """Return calls of unknown fate that were asked for before the day's end, by currency and type."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    rows = WalletCall.objects.filter(operator=operator, state__in=_UNRESOLVED, created_at__lt=ends_at)
    for type_, currency, amount in rows.values_list("type", "currency", "amount_minor"):
        kept = found.setdefault((currency, type_), {"currency": currency, "type": type_, "calls": 0, "amountMinor": 0})
        kept["calls"] += 1
        kept["amountMinor"] += amount
    return [found[key] for key in sorted(found)]


def _hash(closed: ClosedDay) -> str:
    """Return the hash of all that a close says, and of the hash before it."""
    content = {
        "operator": closed.operator.slug,
        "day": closed.day.isoformat(),
        "timeZone": closed.time_zone,
        "startsAt": _moment(closed.starts_at),
        "endsAt": _moment(closed.ends_at),
        "lastSequence": closed.last_sequence,
        "movements": closed.movements,
        "late": closed.late,
        "totals": closed.totals,
        "unresolved": closed.unresolved,
        "rowsHash": closed.rows_hash,
        "previousHash": closed.previous_hash,
        "closedAt": _moment(closed.closed_at),
        "closedBy": closed.closed_by,
        "reason": closed.reason,
    }
    return hashlib.sha256(canonical(content)).hexdigest()


def _subject(closed: ClosedDay) -> str:
    return f"{closed.operator.slug} {closed.day}"
