"""The audit log: written with what it tells of, never rewritten, verified by its chain."""

import csv
import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from operators import audit, services, staff
from operators.audit import By
from operators.configuration import InvalidSetting
from operators.models import AuditEntry
from operators.services import NewOperator
from tests.admin.cast import browser, page, person


def note(made: NewOperator | None, subject: str, reason: str = "why") -> AuditEntry:
    """Return a new entry."""
    with transaction.atomic():
        operator = made.operator if made else None
        return audit.record(by=By("ann", reason), action="test", operator=operator, subject=subject, at=timezone.now())


def verify(*arguments: str) -> dict[str, object]:
    """Return what the command prints."""
    out = io.StringIO()
    call_command("verify_audit", "--json", *arguments, stdout=out)
    answer: dict[str, object] = json.loads(out.getvalue())
    return answer


@pytest.mark.django_db(transaction=True)
class TestTheChain:
    def test_holds_as_it_was_written(self) -> None:
        note(None, "a")
        last = note(None, "b")
        assert verify() == {"entries": 2, "newestHash": last.hash}
        assert verify("--holds", last.hash) == verify()

    def test_is_insert_only_in_the_database(self) -> None:
        note(None, "a")
        for change in (lambda: AuditEntry.objects.update(actor="eve"), lambda: AuditEntry.objects.all().delete()):
            with pytest.raises(IntegrityError, match="only ever added"):
                change()
        assert AuditEntry.objects.get().actor == "ann"

    @pytest.mark.parametrize(
        ("tamper", "says"),
        [
            ("UPDATE operators_auditentry SET reason = 'other' WHERE sequence = 2", "Entry 2 is not what was written"),
            ("DELETE FROM operators_auditentry WHERE sequence = 2", "Entry 2 is missing"),
        ],
    )
    def test_breaks_where_somebody_got_past_the_database(self, tamper: str, says: str) -> None:
        for subject in "abc":
            note(None, subject)
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE operators_auditentry DISABLE TRIGGER frozen")
            cursor.execute(tamper)
            cursor.execute("ALTER TABLE operators_auditentry ENABLE TRIGGER frozen")
        with pytest.raises(CommandError, match=says):
            verify()

    def test_tells_of_an_end_that_was_cut_off_by_a_hash_kept_elsewhere(self) -> None:
        note(None, "a")
        with pytest.raises(CommandError, match="cut off"):
            verify("--holds", "f" * 64)

    def test_is_never_written_outside_the_transaction_that_acts(self) -> None:
        with pytest.raises(RuntimeError):
            audit.record(by=By("ann", "why"), action="test", operator=None, subject="a", at=timezone.now())


class TestTheExport:
    def test_holds_the_persons_own_operators_entries_and_no_formulas(self, acme: NewOperator, stranger: NewOperator) -> None:
        before = AuditEntry.objects.count()
        note(acme, "mine", "=HYPERLINK(1)")
        note(stranger, "theirs")
        olga = browser(person("olga", role=staff.AUDITOR, at=acme.operator))
        answer = olga.get(page("operators_auditentry_export"))
        text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
        rows = list(csv.DictReader(io.StringIO(text)))
        assert {row["operator"] for row in rows} == {"acme"}
        assert rows[-1]["reason"] == "'=HYPERLINK(1)"
        assert AuditEntry.objects.count() == before + 2

    def test_is_refused_to_who_may_only_support(self, acme: NewOperator) -> None:
        sue = browser(person("sue", role=staff.SUPPORT, at=acme.operator))
        assert sue.get(page("operators_auditentry_export")).status_code == 403


class TestSettingsAndKeys:
    def test_leave_an_entry_each_without_any_secret(self, acme: NewOperator) -> None:
        at = timezone.now()
        services.change_settings(operator=acme.operator, changes={"maxReels": "3"}, by=By("ann", "fewer"), at=timezone.now())
        key = services.create_key(operator=acme.operator, at=at, by=By("ann", "a second backend"))
        services.revoke_key(key_id=key.key_id, at=at)
        secret = services.rotate_outbound_secret(operator=acme.operator, at=at)
        entries = list(AuditEntry.objects.order_by("sequence"))[-4:]
        assert [entry.action for entry in entries] == [
            "operator.settings",
            "key.made",
            "key.revoked",
            "operator.secret_rotated",
        ]
        assert (entries[0].before, entries[0].after) == ({"max_reels": 10}, {"max_reels": 3})
        assert [entry.actor for entry in entries] == ["ann", "ann", "command line", "command line"]
        kept = json.dumps([[entry.before, entry.after] for entry in entries])
        assert key.secret not in kept
        assert secret not in kept

    def test_that_are_refused_leave_none(self, acme: NewOperator) -> None:
        before = AuditEntry.objects.count()
        with pytest.raises(InvalidSetting):
            services.change_settings(operator=acme.operator, changes={"currencies": "SEK"}, at=timezone.now())
        assert AuditEntry.objects.count() == before
