"""Every kind of difference, planted into a statement that otherwise agrees, is found, explained, and nothing else is."""

import datetime as dt
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook

from finance.exports.formats import Format
from finance.matching import listing
from finance.matching.reasons import REASONS, said
from finance.models import Category, Difference, Statement, StatementState
from finance.services import statements
from operators.models import AuditEntry
from operators.services import NewOperator
from tests.conftest import make_operator
from tests.services.finance.books import (
    DAY,
    FATIMA,
    FORM,
    LATER,
    NOON,
    Booking,
    Books,
    as_csv,
    booked,
    match,
    receive,
    told,
)  # fmt: skip
from wallet.models import CallState, WalletCall
from wallet.numbering import number_movements

pytestmark = pytest.mark.django_db(transaction=True)

HOUR: Final = dt.timedelta(hours=1)
Fault = Callable[[Booking], tuple[list[Booking], list[tuple[str, str]]]]
# What a casino may do to a line of its books: the lines that it then writes, and what they have to be found as.
FAULTS: Final[dict[str, Fault]] = {
    "none": lambda line: ([line], []),
    "amount": lambda line: ([line.changed(amount_minor=line.amount_minor + 7)], [("amount", "amount")]),
    "sign": lambda line: ([line.changed(amount_minor=-line.amount_minor)], [("amount", "sign")]),
    "currency": lambda line: ([line.changed(currency="SEK")], [("amount", "currency")]),
    "player": lambda line: ([line.changed(player="u_2")], [("amount", "player")]),
    "lost": lambda _: ([], [("missing_theirs", "accepted")]),
    "twice": lambda line: ([line, line.changed(reference="again")], [("duplicate", "twice")]),
    "next day": lambda line: ([line.changed(at=line.at + 26 * HOUR)], [("timing", "other_side")]),
    "foreign": lambda line: ([line, line.changed(key=f"x{line.key}")], [("missing_ours", "foreign")]),
    "declined elsewhere": lambda line: ([line, line.changed(key="y", amount_minor=0)], []),
}


@pytest.fixture
def books(acme: NewOperator) -> Iterator[Books]:
    """Return Acme's books, complete in the end, as the schedule makes them."""
    yield Books(acme.operator)
    number_movements()


class TestAStatement:
    def test_that_agrees_matches_in_every_line(self, books: Books) -> None:
        done = books.upload(booked(books.calls(9)))
        assert (done.state, told(done)) == (StatementState.MATCHED, [])
        assert done.result["counts"] == dict.fromkeys(Category.values, 0) | {"matched": 9}
        assert done.result["sums"] == [
            {"category": "matched", "currency": "EUR", "lines": 9, "calls": 9, "theirsMinor": -1500, "oursMinor": -1500}
        ]

    @settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(faults=st.lists(st.sampled_from(sorted(FAULTS)), min_size=1, max_size=25))
    def test_differs_exactly_where_it_was_tampered_with(self, transactional_db: None, faults: list[str]) -> None:
        books = Books(make_operator(f"op-{uuid4().hex[:20]}").operator)
        lines: list[Booking] = []
        expected: list[tuple[str, str, str]] = []
        for line, fault in zip(booked(books.calls(len(faults))), faults, strict=True):
            written, found = FAULTS[fault](line)
            lines += [one.changed(key=f"{one.key}{len(lines)}") if one.key == "y" else one for one in written]
            named = f"x{line.key}" if fault == "foreign" else line.key
            expected += [(category, reason, named) for category, reason in found]
        done = books.upload(lines)
        assert told(done) == sorted(expected)
        result = done.result
        assert result["lines"] == len(lines)
        assert sum(row["lines"] for row in result["sums"]) == len(lines)
        # The file's total and ours, however they are split.
        theirs = sum(row["theirsMinor"] for row in result["sums"])
        ours = sum(row["oursMinor"] for row in result["sums"])
        assert theirs == sum(line.amount_minor for line in lines)
        assert ours == sum(line.amount_minor for line in booked(WalletCall.objects.filter(operator=books.operator)))

    def test_within_the_tolerance_matches(self, books: Books) -> None:
        lines = [line.changed(amount_minor=line.amount_minor + 2) for line in booked(books.calls(2))]
        assert told(books.upload(lines, tolerance_minor=2)) == []
        assert len(told(books.upload(lines, tolerance_minor=1))) == 2

    def test_never_sees_another_operators_calls(self, books: Books, stranger: NewOperator) -> None:
        theirs = Books(stranger.operator).calls(1)
        (difference,) = books.upload(booked(theirs)).differences.all()
        assert (difference.category, difference.reason) == ("missing_ours", "our_form")
        assert (difference.call_id, difference.round_id, difference.ours_minor) == (None, None, None)

    def test_without_keys_is_matched_by_the_wallets_reference(self, books: Books) -> None:
        lines = [line.changed(key="") for line in booked(books.calls(2))]
        done = books.upload([*lines, lines[0].changed(reference="w-unknown")])
        assert told(done) == [("missing_ours", "by_reference", "")]

    def test_is_found_twice_on_two_days(self, books: Books) -> None:
        (line,) = booked(books.calls(1))
        assert told(books.upload([line])) == []
        again = books.upload([line.changed(at=line.at + 24 * HOUR)], day=DAY + dt.timedelta(days=1))
        assert told(again) == [("duplicate", "twice_other_day", line.key)]


class TestAroundMidnight:
    def test_a_line_of_the_next_day_is_timing_on_both(self, books: Books) -> None:
        (call,) = books.calls(1, at=NOON.replace(hour=23, minute=59))
        (line,) = booked([call])
        late = line.changed(at=line.at + dt.timedelta(minutes=3))
        tomorrow = books.upload([late], day=DAY + dt.timedelta(days=1))
        assert told(tomorrow) == [("timing", "other_side", line.key)]
        assert "Theirs is 3 min" in said(tomorrow.differences.get()).reason
        assert told(books.upload([])) == [("timing", "on_another", line.key)]

    def test_a_call_close_to_the_end_that_no_statement_has_may_still_come(self, books: Books) -> None:
        (call,) = books.calls(1, at=NOON.replace(hour=23, minute=59))
        assert told(books.upload([])) == [("timing", "near_edge", call.idempotency_key)]

    def test_a_whole_number_of_hours_apart_is_said_to_be_a_time_zone(self, books: Books) -> None:
        (line,) = booked(books.calls(1, at=NOON.replace(hour=1)))
        done = books.upload([line.changed(at=line.at - 2 * HOUR)])
        assert "time zone" in said(done.differences.get()).act

    def test_lines_and_calls_of_other_days_are_left_out(self, books: Books) -> None:
        lines = booked(books.calls(3, at=NOON - 48 * HOUR)) + booked(books.calls(2))
        done = books.upload(lines)
        assert (told(done), done.result["leftOut"], done.result["counts"]["matched"]) == ([], 3, 2)

    def test_days_begin_where_the_operator_is(self, books: Books) -> None:
        books.operator.time_zone = "Europe/Stockholm"
        books.operator.save()
        (line,) = booked(books.calls(1, at=dt.datetime(2026, 3, 3, 23, 30, tzinfo=dt.UTC)))
        done = books.upload([line])
        assert (told(done), done.result["counts"]["matched"]) == ([], 1)


class TestACallThatIsNotDecided:
    def test_and_is_not_on_the_statement_waits(self, books: Books) -> None:
        call = books.call(state=CallState.UNKNOWN)
        assert told(books.upload([])) == [("timing", "unresolved", call.idempotency_key)]

    def test_and_is_on_the_statement_differs_until_it_is_resolved_and_matched_again(self, books: Books) -> None:
        call = books.call(state=CallState.UNKNOWN)
        done = books.upload(booked([call]))
        assert told(done) == [("state", "unknown", call.idempotency_key)]
        WalletCall.objects.filter(pk=call.pk).update(state="accepted", next_attempt_at=None, resolved_at=NOON)
        statements.again(statement=done, by=FATIMA, at=LATER)
        statements.run(statement_id=done.pk, clock=lambda: LATER)
        assert told(done) == []
        acts = AuditEntry.objects.filter(subject=str(done.pk)).values_list("action", flat=True)
        assert list(acts.order_by("sequence")) == ["statement.upload", "statement.map", "statement.again"]

    @pytest.mark.parametrize("state", [CallState.REFUSED, CallState.CLOSED])
    def test_or_was_refused_and_is_booked_differs(self, books: Books, state: CallState) -> None:
        call = books.call(state=state)
        assert told(books.upload(booked([call]))) == [("state", state.value, call.idempotency_key)]
        assert told(books.upload([])) == []

    def test_and_was_answered_days_later_is_told_until_a_statement_has_it(self, books: Books) -> None:
        call = books.call(resolved_after=46 * HOUR)
        late = DAY + dt.timedelta(days=2)
        assert told(books.upload([])) == [("timing", "late", call.idempotency_key)]
        assert told(books.upload([], day=late)) == [("timing", "late", call.idempotency_key)]
        assert told(books.upload(booked([call]), day=DAY)) == []


class TestARollback:
    def test_matches_where_both_lines_are_booked_or_neither(self, books: Books) -> None:
        debit = books.call(state=CallState.CLOSED)
        key = f"rollback:{debit.idempotency_key}"
        books.call(key=key, type_="wallet.rollback", at=NOON + HOUR)
        (line,) = booked([debit])
        back = line.changed(key=key, amount_minor=-line.amount_minor)
        assert told(books.upload([line, back])) == []
        assert told(books.upload([])) == []
        assert told(books.upload([line])) == [("state", "rollback_missing", line.key)]
        assert told(books.upload([back])) == [("state", "rollback_alone", key)]


class TestADifference:
    def test_of_a_key_of_ours_that_we_do_not_know_says_so(self, books: Books) -> None:
        (line,) = booked(books.calls(1))
        keys = ["check:1", "round:r_01JZZZZZZZZZZZZZZZZZZZZZZZ", "other-supplier-7", "cashback:inventory:99"]
        done = books.upload([line, *(line.changed(key=key, reference=key) for key in keys)])
        reasons = dict(done.differences.values_list("key", "reason"))
        assert reasons == dict(zip(keys, ["check", "our_form", "foreign", "our_form"], strict=True))

    def test_always_has_a_reason_and_an_act(self) -> None:
        assert all(reason.endswith(".") and act.endswith(".") for reason, act in REASONS.values())

    @pytest.mark.parametrize("form", Format)
    def test_is_exported_without_becoming_a_formula(self, books: Books, form: Format) -> None:
        (line,) = booked(books.calls(1))
        done = books.upload([line, line.changed(key="=HYPERLINK(1)", reference="+1")])
        content = b"".join(listing.export(done, form=form))
        if form is Format.CSV:
            assert b"'=HYPERLINK(1),'+1" in content
        elif form is Format.JSONL:
            assert b'"key":"=HYPERLINK(1)"' in content
        else:
            (_, row) = load_workbook(io.BytesIO(content)).active.rows  # type: ignore[union-attr]
            assert [cell.value for cell in row if cell.data_type == "f"] == []
            assert "=HYPERLINK(1)" in [cell.value for cell in row]

    def test_can_not_point_to_another_operators_statement(self, books: Books, stranger: NewOperator) -> None:
        done = books.upload([])
        with pytest.raises(IntegrityError, match="same_tenant"):
            Difference.objects.create(operator=stranger.operator, statement=done, category="amount", reason="amount", key="k")


class TestAStatementThatIsTakenTwice:
    def test_is_matched_by_one_worker(self, books: Books) -> None:
        done = books.upload(booked(books.calls(1)))
        statements.again(statement=done, by=FATIMA, at=LATER)
        assert statements.due(at=LATER) == [done.pk]
        Statement.objects.filter(pk=done.pk).update(state="running", leased_until=LATER + HOUR)
        assert statements.run(statement_id=done.pk, clock=lambda: LATER) is None
        # Its worker died.
        Statement.objects.filter(pk=done.pk).update(leased_until=LATER - HOUR)
        assert statements.due(at=LATER) == [done.pk]
        again = statements.run(statement_id=done.pk, clock=lambda: LATER)
        assert again is not None
        assert again.state == StatementState.MATCHED

    def test_can_not_be_matched_again_while_it_waits(self, books: Books) -> None:
        done = books.upload([])
        statements.again(statement=done, by=FATIMA, at=LATER)
        with pytest.raises(statements.NotPossible):
            statements.again(statement=done, by=FATIMA, at=LATER)


class TestMatchStatementTheCommand:
    def test_guesses_the_columns_and_prints_what_came_of_it(self, books: Books, tmp_path: Path) -> None:
        calls = books.calls(3)
        file, out = tmp_path / "their.csv", tmp_path / "differences.jsonl"
        file.write_bytes(as_csv(booked(calls)[:2]))
        answer = self.run("acme", str(file), "--from", str(DAY), "--differences", str(out))
        assert answer["counts"]["matched"] == 2
        assert answer["counts"]["missing_theirs"] == 1
        assert out.read_text().count(calls[2].idempotency_key) == 1

    def test_finds_in_our_calls_which_of_two_columns_takes_from_the_player(self, books: Books, tmp_path: Path) -> None:
        file = tmp_path / "their.csv"
        # The casino's own view: what it pays is its debit.
        lines = [(line.key, max(line.amount_minor, 0), max(-line.amount_minor, 0)) for line in booked(books.calls(3))]
        file.write_text("key,debit,credit\n" + "".join(f"{key},{debit},{credit}\n" for key, debit, credit in lines))
        answer = self.run("acme", str(file), "--from", str(DAY))
        assert (answer["counts"]["matched"], sum(answer["counts"].values())) == (3, 3)
        assert (answer["columns"]["debit"], answer["columns"]["credit"]) == ("credit", "debit")

    def test_leaves_nothing_of_a_file_that_it_can_not_read(self, books: Books, tmp_path: Path) -> None:
        file = tmp_path / "their.csv"
        file.write_bytes(as_csv(booked(books.calls(2))).replace(b"-500", b"1e999", 1))
        with pytest.raises(CommandError, match="Line 2, column “Amount”: “1e999” is no amount"):
            self.run("acme", str(file), "--from", str(DAY))
        assert not Statement.objects.exists()

    def run(self, *arguments: str) -> dict[str, Any]:
        """Return what the command printed."""
        out = io.StringIO()
        call_command("match_statement", *arguments, "--json", stdout=out, stderr=io.StringIO())
        answer: dict[str, Any] = json.loads(out.getvalue())
        return answer


def test_the_file_is_kept_as_it_came(books: Books) -> None:
    content = as_csv(booked(books.calls(2)))
    statement = receive(books.operator, content)
    assert b"".join(statements.file_of(statement=statement)) == content
    with connection.cursor() as cursor:
        cursor.execute("SELECT encode(sha256(%s::bytea), 'hex')", [content])
        assert cursor.fetchone() == (statement.sha256,)


def test_a_broken_file_takes_earlier_differences_along(books: Books) -> None:
    done = match(books.operator, as_csv([Booking("k", "r", "u_1", 1, "EUR", NOON)]))
    assert done.differences.count() == 1
    statements.confirm(statement=done, form=replace(FORM, time_format="unix"), by=FATIMA, at=LATER)
    failed = statements.run(statement_id=done.pk, clock=lambda: LATER)
    assert failed is not None
    assert (failed.state, failed.differences.count(), failed.result) == (StatementState.FAILED, 0, {})
    assert failed.problem.startswith("Line 2, column “Booked at”")
