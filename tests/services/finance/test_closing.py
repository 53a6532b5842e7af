"""Closing days: what is frozen adds up, is in one close only, can be proved, and does not change behind anybody's back."""

import datetime as dt
import hashlib
import io
import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection

from finance import closing, covered, reports
from finance.days import Zone
from finance.models import ClosedDay, CloseState
from finance.reports import Selection
from operators.audit import By
from operators.models import AuditEntry
from operators.services import NewOperator
from tests.services.finance.books import DAY, NOON, Books
from wallet.models import CallState, WalletCall
from wallet.numbering import number_movements

pytestmark = pytest.mark.django_db(transaction=True)

FATIMA: Final = By("fatima", "end of day")
NEXT: Final = DAY + dt.timedelta(days=1)
ONE: Final = dt.timedelta(days=1)
MORNING: Final = dt.datetime(2026, 3, 5, 8, tzinfo=dt.UTC)


@pytest.fixture
def books(acme: NewOperator) -> Iterator[Books]:
    """Return Acme's books, complete in the end, as the schedule makes them."""
    yield Books(acme.operator)
    number_movements()


def close(books: Books, day: dt.date = DAY, *, at: dt.datetime = MORNING, **more: Any) -> ClosedDay:
    """Return the day, closed by Fatima."""
    return closing.close(operator=books.operator, day=day, by=FATIMA, at=at, **more)


def moved(closed: ClosedDay) -> int:
    """Return what the movements of a close did to players, in cents."""
    return sum(row["amountMinor"] for row in closed.totals["ledger"])


def reopen(closed: ClosedDay) -> None:
    """Re-open a close by two people."""
    closing.reopen(closed=closed, by=By("fatima", "a mistake", confirmed_by="omar"), at=MORNING)


class TestClosing:
    def test_freezes_the_days_movements_and_nothing_else(self, books: Books) -> None:
        books.calls(6)
        books.calls(3, at=NOON + ONE)
        closed = close(books, at=MORNING + ONE)
        assert (closed.movements, closed.late, moved(closed)) == (6, 0, -1000)
        following = close(books, NEXT, at=MORNING + ONE)
        assert (following.movements, following.late, moved(following)) == (3, 0, -500)
        assert (following.previous, following.previous_hash) == (closed, closed.hash)
        assert [entry.action for entry in AuditEntry.objects.filter(actor="fatima")] == ["day.close"] * 2

    def test_posts_what_comes_late_to_the_next_day_with_a_reference_back(self, books: Books) -> None:
        books.calls(1)
        first = close(books)
        # Moved before midnight and written down only after the close; asked for the day before and answered today.
        books.call(at=NOON + dt.timedelta(hours=11))
        books.call(at=NOON, resolved_after=dt.timedelta(hours=20), credit=True)
        books.calls(1, at=NOON + ONE)
        second = close(books, NEXT, at=MORNING + ONE)
        assert (first.movements, second.movements, second.late) == (1, 3, 2)
        assert [found[1:] for found in closing.late_postings(closed=second, most=10)] == [(DAY, first), (DAY, first)]
        assert closing.close_after(closed=first) == second
        assert first.rows_hash == ClosedDay.objects.get(pk=first.pk).rows_hash
        assert closing.verify(operator=books.operator) == (2, second.hash)

    def test_covers_each_movement_once_wherever_midnight_falls(self, books: Books) -> None:
        books.operator.time_zone = "America/New_York"
        books.operator.save()
        for hours in range(0, 72, 3):
            books.call(at=NOON + dt.timedelta(hours=hours))
        days = [DAY + place * ONE for place in range(4)]
        closes = [close(books, day, at=NOON + 5 * ONE) for day in days]
        assert [closed.movements for closed in closes] == [6, 8, 8, 2]
        assert sum(map(moved, closes)) == -500 * 24

    def test_agrees_with_the_report(self, books: Books) -> None:
        books.calls(3)
        closed = close(books)
        report = reports.revenue(Selection(operators=[books.operator], first=DAY, last=DAY, zone=Zone.OPERATOR))
        assert closed.totals["revenue"] == [] == list(report.rows)
        assert closing.drift(closed=closed) == []

    @pytest.mark.parametrize(
        ("day", "at", "says"),
        [
            (DAY, NOON, "not over yet"),
            (NEXT, MORNING + ONE, "comes after 2026-03-04, which is not closed yet"),
            (DAY - ONE, MORNING, "is closed already"),
        ],
    )
    def test_keeps_to_the_order_of_days(self, books: Books, day: dt.date, at: dt.datetime, says: str) -> None:
        books.calls(1)
        with pytest.raises(closing.NotClosable, match=says):
            close(books, day, at=at)
        assert not ClosedDay.objects.exists()

    def test_is_done_once(self, books: Books) -> None:
        books.calls(1)
        close(books)
        with pytest.raises(closing.NotClosable, match="The next day to close is 2026-03-05"):
            close(books)
        assert ClosedDay.objects.count() == 1

    def test_wants_unresolved_money_to_be_accepted(self, books: Books) -> None:
        books.calls(1)
        call = books.call(state=CallState.UNKNOWN)
        with pytest.raises(closing.NotClosable, match="The fate of 1 wallet call of the day"):
            close(books)
        assert not ClosedDay.objects.exists()
        closed = close(books, despite_unresolved=True)
        assert closed.unresolved == [{"currency": "EUR", "type": "wallet.debit", "calls": 1, "amountMinor": 500}]
        WalletCall.objects.filter(pk=call.pk).update(state="accepted", resolved_at=NOON + ONE, next_attempt_at=None)
        assert close(books, NEXT, at=MORNING + ONE).late == 1

    def test_sees_no_other_operators_money(self, books: Books, stranger: NewOperator) -> None:
        Books(stranger.operator).calls(2)
        books.calls(1)
        assert close(books).movements == 1


class TestTheHashOfMovements:
    def test_is_of_a_line_of_json_each_whatever_they_are_called(self, books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(covered, "STRETCH", 2)
        for player, key in (("\\\"'<&>", "plain"), ("\u2028 \u00e9\U0001f600", 'q"\\'), ("u_1", "\x7f\x01"), ("[1,null]", "5")):
            books.call(player=player, key=key, credit=True)
        books.call(at=NOON.replace(microsecond=7), currency="JPY")
        told: list[tuple[int, int]] = []
        closed = close(books, progress=lambda done, of: told.append((done, of)))
        lines = []
        for call in WalletCall.objects.select_related("player").order_by("ledger_sequence"):
            assert call.resolved_at is not None
            of = [call.ledger_sequence, str(call.id), call.type, call.reason, call.idempotency_key, call.amount_minor]
            of += [call.currency, call.base_amount_minor, call.base_currency, call.player.external_id, None, None, None]
            of += [
                call.provider_txn_ref,
                *(moment.isoformat(timespec="microseconds") for moment in (call.created_at, call.resolved_at)),
            ]
            lines.append(json.dumps(of, ensure_ascii=False, separators=(",", ":")) + "\n")
        assert closed.rows_hash == hashlib.sha256("".join(lines).encode()).hexdigest()
        assert told == [(2, 5), (4, 5), (5, 5)]


class TestReopening:
    def test_lets_the_day_be_closed_anew_and_keeps_what_was(self, books: Books) -> None:
        books.calls(1)
        first = close(books)
        books.call(at=NOON + dt.timedelta(hours=11))
        reopen(first)
        again = close(books)
        assert (again.movements, again.late, again.previous_hash) == (2, 0, first.previous_hash)
        assert ClosedDay.objects.get(pk=first.pk).state == CloseState.REOPENED
        assert closing.verify(operator=books.operator) == (2, again.hash)

    def test_takes_two_people_and_the_newest_day(self, books: Books) -> None:
        books.calls(1)
        first, second = close(books), close(books, NEXT, at=MORNING + ONE)
        with pytest.raises(closing.NotClosable, match="two people"):
            closing.reopen(closed=second, by=FATIMA, at=MORNING)
        with pytest.raises(closing.NotClosable, match="Only the newest"):
            reopen(first)
        assert not ClosedDay.objects.filter(state=CloseState.REOPENED).exists()
        reopen(second)
        with pytest.raises(closing.NotClosable, match="re-opened already"):
            reopen(ClosedDay.objects.get(pk=second.pk))


class TestAClose:
    @pytest.mark.parametrize("change", ["SET movements = 9", "SET hash = 'x'", "SET day = day + 1", "SET state = 'reopened'"])
    def test_can_not_be_changed_in_the_database(self, books: Books, change: str) -> None:
        books.calls(1)
        closed = close(books)
        with pytest.raises(IntegrityError), connection.cursor() as cursor:
            cursor.execute(f"UPDATE finance_closedday {change}")
        with pytest.raises(IntegrityError):
            closed.delete()

    @pytest.mark.parametrize(
        ("tamper", "says"),
        [
            ("UPDATE finance_closedday SET reason = 'another'", "not what was written"),
            ("UPDATE finance_closedday SET totals = totals || '{\"revenue\": [1]}'", "not what was written"),
            ("UPDATE finance_closedday SET rows_hash = repeat('0', 64)", "The movements of 2026-03-04"),
            ("UPDATE wallet_walletcall SET amount_minor = 501 WHERE ledger_sequence = 1", "The movements of 2026-03-04"),
        ],
    )
    def test_that_was_tampered_with_is_found(self, books: Books, tamper: str, says: str) -> None:
        books.calls(3)
        close(books)
        with connection.cursor() as cursor:
            # As somebody with the database's own rights may.
            cursor.execute("SET session_replication_role = replica")
            cursor.execute(tamper)
            cursor.execute("SET session_replication_role = DEFAULT")
        with pytest.raises(closing.BrokenClose, match=says):
            closing.verify(operator=books.operator)


class TestTheCommands:
    def run(self, *arguments: str) -> dict[str, Any]:
        """Return what a command printed."""
        out = io.StringIO()
        call_command(*arguments, "--json", stdout=out)
        answer: dict[str, Any] = json.loads(out.getvalue())
        return answer

    def test_close_and_verify(self, books: Books) -> None:
        books.calls(2)
        closed = self.run("close_day", "acme", str(DAY), "--reason", "night shift")
        assert (closed["movements"], ClosedDay.objects.get().reason) == (2, "night shift")
        assert self.run("verify_closes", "acme", "--holds", closed["hash"]) == {"closes": 1, "newestHash": closed["hash"]}

    def test_say_what_to_do_otherwise(self, books: Books) -> None:
        books.calls(1)
        with pytest.raises(CommandError, match="The next day to close is 2026-03-04"):
            self.run("close_day", "acme", str(NEXT))
        with pytest.raises(CommandError, match="No close has that hash"):
            self.run("verify_closes", "acme", "--holds", "0" * 64)
        assert not ClosedDay.objects.exists()
