"""Workers that look for exports at the same moment, and what they would do without the lock."""

from typing import Any

import pytest
from django.db.models import QuerySet
from django.utils import timezone
from pytest_django import Settings

from finance.exports.columns import ReportName
from finance.exports.formats import Format
from finance.exports.making import Wanted
from finance.models import Export, ExportState
from finance.services import exporting
from operators.audit import By
from operators.models import AuditEntry
from operators.services import NewOperator
from tests.concurrency.together import together
from tests.factories.wallet import MovementFactory
from wallet.numbering import number_movements

WORKERS = 4


@pytest.fixture
def waiting(acme: NewOperator, settings: Settings, tmp_path: Any) -> list[Export]:
    """Return exports of Acme's ledger that wait for a worker."""
    settings.LOOTBOX_EXPORTS = tmp_path
    MovementFactory.create(operator=acme.operator)
    number_movements()
    wanted = Wanted(report=ReportName.MOVEMENTS, format=Format.CSV, operators=[acme.operator])
    by = By("fin", "for the books")
    return [exporting.request(wanted, by=by, at=timezone.now()) for _ in range(3 * WORKERS)]


def work() -> int:
    """Make exports as long as one waits, and return how many."""
    made = 0
    while exporting.make_next(clock=timezone.now):
        made += 1
    return made


class TestManyWorkers:
    def test_make_each_export_once(self, waiting: list[Export]) -> None:
        together(*[work] * WORKERS)
        assert list(Export.objects.values_list("state", "attempts")) == [(ExportState.READY, 1)] * len(waiting)
        assert AuditEntry.objects.filter(action="export.made").count() == len(waiting)

    def test_would_make_some_several_times_without_the_lock(
        self, waiting: list[Export], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The control: if this fails, the test above can't see the race."""
        monkeypatch.setattr(QuerySet, "select_for_update", lambda queryset, **_: queryset)
        together(*[work] * WORKERS)
        assert max(Export.objects.values_list("attempts", flat=True)) > 1
