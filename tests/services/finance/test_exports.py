"""Files: every format says the same, nothing in them is computed, and the audit log knows each by its digest."""

import csv
import hashlib
import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from openpyxl import load_workbook
from pytest_django import Settings

from finance.exports import movements
from finance.exports.columns import LIABILITY, MOVEMENTS, REVENUE, ReportName
from finance.exports.formats import Format
from finance.exports.making import NotExportable, Wanted, make
from finance.models import Export, ExportState
from finance.reports import Dimension, revenue
from finance.services import exporting
from lootbox.core.ids import Prefix, public_id
from operators.audit import By
from operators.models import AuditEntry, Player
from operators.services import NewOperator
from tests.api.test_ledger import read_on
from tests.factories.operators import PlayerFactory
from tests.factories.wallet import MovementFactory
from tests.services.finance.test_reports import DAY, ask
from tests.services.finance.trading import Trading
from wallet.models import WalletCall
from wallet.numbering import number_movements

BY = By("fin", "for the books")
HOSTILE = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\uff1d1+1",
    "\uff0b1",
    "\uff0d1",
    "\uff20x",
    'a"b,c',
    "Kästchen 🎁",
    "'quoted",
    "back\\slash",
]


@pytest.fixture(autouse=True)
def own_directory(settings: Settings, tmp_path: Any) -> None:
    """Keep files of tests in a directory of their own."""
    settings.LOOTBOX_EXPORTS = tmp_path / "exports"


def wanted(acme: NewOperator, report: ReportName, format_: Format, **more: Any) -> Wanted:
    """Return a wish for yesterday to tomorrow."""
    today = timezone.now().date()
    days = {"first": today - DAY, "last": today + DAY}
    return Wanted(report=report, format=format_, operators=[acme.operator], **days | more)


def text_of(wish: Wanted) -> str:
    return b"".join(make(wish, at=timezone.now())).decode()


def table(wish: Wanted) -> list[list[Any]]:
    """Return the cells of a file, heading first, numbers as numbers wherever the format knows them."""
    content = b"".join(make(wish, at=timezone.now()))
    if wish.format is Format.CSV:
        return list(csv.reader(io.StringIO(content.decode(), newline="")))
    if wish.format is Format.JSONL:
        rows = [json.loads(line) for line in content.decode().splitlines()]
        return [list(rows[0]), *(list(row.values()) for row in rows)]
    return [list(row) for row in load_workbook(io.BytesIO(content), read_only=True).active.iter_rows(values_only=True)]  # type: ignore[union-attr]


@pytest.fixture
def hostile(acme: NewOperator) -> NewOperator:
    """Return Acme with movements of players and references that are meant to be run by a spreadsheet."""
    for name in HOSTILE:
        player = PlayerFactory.create(operator=acme.operator, external_id=name)
        MovementFactory.create(operator=acme.operator, player=player, provider_txn_ref=name)
    number_movements()
    return acme


class TestMovements:
    @pytest.mark.parametrize("block", [1, 1500, movements.BLOCK])
    def test_say_in_every_format_what_the_feed_says(
        self, trading: Trading, monkeypatch: pytest.MonkeyPatch, block: int
    ) -> None:
        monkeypatch.setattr(movements, "STRETCH", 3)
        monkeypatch.setattr(movements, "BLOCK", block)
        feed = [{"operator": "acme"} | row for row in read_on(trading.s2s)]
        as_json = text_of(wanted(trading.acme, ReportName.MOVEMENTS, Format.JSONL))
        assert [json.loads(line) for line in as_json.splitlines()] == feed
        as_csv = table(wanted(trading.acme, ReportName.MOVEMENTS, Format.CSV))
        assert as_csv[0] == [column.name for column in MOVEMENTS] == list(feed[0])
        assert as_csv[1:] == [["" if value is None else str(value) for value in row.values()] for row in feed]
        as_xlsx = table(wanted(trading.acme, ReportName.MOVEMENTS, Format.XLSX))
        assert as_xlsx[1:] == [list(row.values()) for row in feed]

    def test_are_all_of_the_ledger_unless_days_or_a_currency_are_named(self, trading: Trading) -> None:
        everything = wanted(trading.acme, ReportName.MOVEMENTS, Format.CSV, first=None, last=None)
        count = WalletCall.objects.count()
        assert len(table(everything)) == count + 1
        swedish = wanted(trading.acme, ReportName.MOVEMENTS, Format.JSONL, currency="SEK")
        assert [json.loads(line)["amountMinor"] for line in text_of(swedish).splitlines()] == [-5750]
        today = timezone.now().date()
        assert (
            len(table(wanted(trading.acme, ReportName.MOVEMENTS, Format.CSV, first=today - 3 * DAY, last=today - 2 * DAY))) == 1
        )

    def test_end_where_the_ledger_ended_when_they_were_begun(self, hostile: NewOperator) -> None:
        file = make(wanted(hostile, ReportName.MOVEMENTS, Format.CSV), at=timezone.now())
        MovementFactory.create(operator=hostile.operator)
        number_movements()
        assert b"".join(file).count(b"txn_") == len(HOSTILE) == file.rows == file.rows_expected
        assert file.totals == {"EUR": {"amountMinor": 100 * len(HOSTILE)}}

    def test_can_not_be_taken_for_formulas(self, hostile: NewOperator) -> None:
        rows = table(wanted(hostile, ReportName.MOVEMENTS, Format.CSV))[1:]
        names = [column.name for column in MOVEMENTS]
        for column in ("playerExternalId", "providerTxnRef"):
            shown = [row[names.index(column)] for row in rows]
            assert shown == [f"'{name}" for name in HOSTILE[:8]] + HOSTILE[8:]
        amounts = [row[names.index("amountMinor")] for row in rows]
        assert amounts == ["100"] * len(HOSTILE)

    @pytest.mark.parametrize("format_", [Format.CSV, Format.JSONL])
    def test_take_no_text_for_an_id_of_ours(self, acme: NewOperator, format_: Format) -> None:
        name = "\x7f" + "0123456789abcdef" * 2
        MovementFactory.create(operator=acme.operator, player=PlayerFactory.create(operator=acme.operator, external_id=name))
        number_movements()
        heading, row = table(wanted(acme, ReportName.MOVEMENTS, format_))
        assert row[heading.index("playerExternalId")] == name.replace("\x7f", " ")
        assert row[heading.index("id")] == public_id(Prefix.LEDGER, WalletCall.objects.get().pk)

    def test_keep_their_texts_exactly_in_json_and_as_texts_in_a_workbook(self, hostile: NewOperator) -> None:
        lines = text_of(wanted(hostile, ReportName.MOVEMENTS, Format.JSONL)).splitlines()
        assert [json.loads(line)["playerExternalId"] for line in lines] == HOSTILE
        content = b"".join(make(wanted(hostile, ReportName.MOVEMENTS, Format.XLSX), at=timezone.now()))
        sheet: Any = load_workbook(io.BytesIO(content)).active
        place = [column.name for column in MOVEMENTS].index("playerExternalId") + 1
        cells = [sheet.cell(row=row, column=place) for row in range(2, len(HOSTILE) + 2)]
        assert [(cell.value, cell.data_type) for cell in cells] == [(name, "s") for name in HOSTILE]


class TestReports:
    @pytest.mark.parametrize("format_", Format)
    def test_add_up_to_what_the_page_shows(self, trading: Trading, format_: Format) -> None:
        by = frozenset({Dimension.BOX, Dimension.DAY})
        heading, *rows = table(wanted(trading.acme, ReportName.REVENUE, format_, by=by))
        assert heading == [column.name for column in REVENUE]
        shown = revenue(ask(trading.acme.operator, by=tuple(by)))
        assert len(rows) == len(shown.rows)
        for (currency, _), figures in shown.totals.items():
            mine = [row for row in rows if row[heading.index("currency")] == currency]
            assert sum(int(row[heading.index("turnoverMinor")]) for row in mine) == figures.turnover
            assert sum(int(row[heading.index("baseGrossRevenueMinor")]) for row in mine) == figures.base_gross_revenue

    def test_tell_what_is_owed(self, trading: Trading) -> None:
        heading, *rows = table(wanted(trading.acme, ReportName.LIABILITY, Format.CSV))
        assert heading == [column.name for column in LIABILITY]
        assert [row[1:6] for row in rows] == [
            ["held_box", "up to a day", "EUR", "1", "500"],
            ["unclaimed_item", "up to a day", "EUR", "1", "480"],
        ]

    def test_need_days(self, acme: NewOperator) -> None:
        with pytest.raises(NotExportable):
            make(wanted(acme, ReportName.REVENUE, Format.CSV, first=None, last=None), at=timezone.now())


class TestAStream:
    def test_leaves_its_digest_rows_and_totals_in_the_audit_log(self, trading: Trading) -> None:
        wish = wanted(trading.acme, ReportName.MOVEMENTS, Format.CSV)
        content = b"".join(exporting.stream(wish, by=BY, clock=timezone.now))
        entry = AuditEntry.objects.get(action="export.made")
        assert (entry.actor, entry.operator, entry.subject) == ("fin", trading.acme.operator, wish.filename)
        assert entry.after["sha256"] == hashlib.sha256(content).hexdigest()
        assert (entry.after["bytes"], entry.after["rows"]) == (len(content), WalletCall.objects.count())
        assert entry.after["totals"]["SEK"] == {"amountMinor": -5750}

    def test_that_somebody_broke_off_is_noted_as_such(self, hostile: NewOperator) -> None:
        chunks = exporting.stream(wanted(hostile, ReportName.MOVEMENTS, Format.CSV), by=BY, clock=timezone.now)
        next(iter(chunks))
        chunks.close()  # type: ignore[attr-defined]
        assert not AuditEntry.objects.filter(action="export.made").exists()
        assert AuditEntry.objects.filter(action="export.broken_off").exists()

    def test_goes_out_in_chunks_of_64_kib(self, acme: NewOperator) -> None:
        player = PlayerFactory.create(operator=acme.operator)
        WalletCall.objects.bulk_create(MovementFactory.build_batch(1500, operator=acme.operator, player=player))
        number_movements()
        monkey = pytest.MonkeyPatch()
        with monkey.context() as patch:
            patch.setattr(movements, "STRETCH", 100)
            chunks = list(exporting.stream(wanted(acme, ReportName.MOVEMENTS, Format.CSV), by=BY, clock=timezone.now))
        assert len(chunks) > 2
        assert all(64 * 1024 <= len(chunk) < 128 * 1024 for chunk in chunks[:-1])

    def test_refuses_a_large_workbook(self, hostile: NewOperator, settings: Settings) -> None:
        settings.LOOTBOX_EXPORTS_AT_ONCE_ROWS = 5
        with pytest.raises(NotExportable, match="CSV"):
            exporting.stream(wanted(hostile, ReportName.MOVEMENTS, Format.XLSX), by=BY, clock=timezone.now)


class TestAnExportInTheBackground:
    def ask(self, acme: NewOperator, format_: Format = Format.CSV) -> Export:
        return exporting.request(wanted(acme, ReportName.MOVEMENTS, format_), by=BY, at=timezone.now())

    @pytest.mark.parametrize("format_", Format)
    def test_is_made_and_waits_for_download(self, hostile: NewOperator, format_: Format) -> None:
        export = self.ask(hostile, format_)
        assert (export.state, export.rows_expected) == (ExportState.WAITING, len(HOSTILE))
        assert exporting.make_next(clock=timezone.now)
        assert not exporting.make_next(clock=timezone.now)
        export.refresh_from_db()
        content = exporting.location(export).read_bytes()
        assert (export.state, export.rows, export.size) == (ExportState.READY, len(HOSTILE), len(content))
        assert export.sha256 == hashlib.sha256(content).hexdigest()
        assert AuditEntry.objects.get(action="export.made").after["sha256"] == export.sha256
        assert [path.name for path in exporting.location(export).parent.iterdir()] == [exporting.location(export).name]

    def test_whose_worker_died_is_made_by_the_next_one(self, hostile: NewOperator) -> None:
        export = self.ask(hostile)
        dead = exporting._claim(timezone.now())
        assert dead is not None
        assert not exporting.make_next(clock=timezone.now)
        later = timezone.now() + 2 * exporting.LEASE
        assert exporting.make_next(clock=lambda: later)
        export.refresh_from_db()
        assert (export.state, export.attempts) == (ExportState.READY, 2)
        with pytest.raises(exporting.LeaseLost):  # the dead one wakes up, and is not let
            exporting._go_on(dead, 1, later)

    def test_that_can_not_be_made_says_so(self, hostile: NewOperator) -> None:
        export = self.ask(hostile)
        for number in range(exporting.MOST_ATTEMPTS):
            assert exporting._claim(timezone.now() + 2 * number * exporting.LEASE) is not None
        assert not exporting.make_next(clock=lambda: timezone.now() + 9 * exporting.LEASE)
        export.refresh_from_db()
        assert (export.state, export.problem[:15]) == (ExportState.FAILED, "Its worker died")

    def test_that_fails_says_why_and_keeps_nobody_waiting(self, hostile: NewOperator, monkeypatch: pytest.MonkeyPatch) -> None:
        broken, fine = self.ask(hostile), self.ask(hostile, Format.JSONL)
        monkeypatch.setitem(movements._COPY, Format.CSV, "COPY nonsense TO STDOUT")
        while exporting.make_next(clock=timezone.now):
            pass
        for export in (broken, fine):
            export.refresh_from_db()
        assert (broken.state, fine.state) == (ExportState.FAILED, ExportState.READY)
        assert "nonsense" in broken.problem

    def test_is_deleted_when_its_time_is_up_but_still_known(self, hostile: NewOperator, settings: Settings) -> None:
        export = self.ask(hostile)
        exporting.make_next(clock=timezone.now)
        assert exporting.delete_old(at=timezone.now()) == 0
        assert exporting.delete_old(at=timezone.now() + 8 * DAY) == 1
        export.refresh_from_db()
        assert export.state == ExportState.GONE
        assert export.sha256
        assert not exporting.location(export).exists()


class TestTheCommand:
    def test_writes_a_file_and_says_what_it_is_known_by(self, trading: Trading, tmp_path: Any) -> None:
        out, said = tmp_path / "m.csv", io.StringIO()
        call_command("export", "movements", "--operator", "acme", "--out", str(out), "--json", stdout=said)
        known = json.loads(said.getvalue())
        assert known["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
        assert known["rows"] == WalletCall.objects.count()
        entry = AuditEntry.objects.get(action="export.made")
        assert (entry.actor, entry.after["sha256"]) == ("command line", known["sha256"])

    def test_splits_as_asked(self, trading: Trading, tmp_path: Any) -> None:
        out, today = tmp_path / "r.jsonl", timezone.now().date().isoformat()
        call_command(
            "export", "revenue", "--operator", "acme", "--from", today, "--to", today, "--by", "box,funding",
            "--format", "jsonl", "--out", str(out), stdout=io.StringIO(),
        )  # fmt: skip
        rows = [json.loads(line) for line in out.read_text().splitlines()]
        assert {"sure-item", "sure-cash", "sure-bonus", "harbour", None} == {row["box"] for row in rows}

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            (["movements", "--operator", "nobody"], "no operator nobody"),
            (["revenue", "--operator", "acme"], "which day"),
            (["revenue", "--operator", "acme", "--from", "2026-01-01"], "--to"),
            (["revenue", "--operator", "acme", "--by", "moon"], "--by"),
        ],
    )
    def test_says_what_to_do_and_writes_nothing(self, acme: NewOperator, tmp_path: Any, options: list[str], says: str) -> None:
        with pytest.raises(CommandError, match=says):
            call_command("export", *options, "--out", str(tmp_path / "x"))
        assert not (tmp_path / "x").exists()
        assert not AuditEntry.objects.filter(action="export.made").exists()
        assert Player.objects.count() == 0
