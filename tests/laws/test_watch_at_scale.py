"""The RTP watch reads a month from days, and hours only at its ends, however many hours were counted."""

import datetime as dt
from collections.abc import Callable
from typing import Any, Final

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from finance import rtp, watch
from operators.services import NewOperator
from tests.conftest import HARBOUR, publish_boxes
from tests.plans import scans

NOW: Final = dt.datetime(2026, 3, 31, 17, 20, tzinfo=dt.UTC)
BOXES: Final = 20
HOURS: Final = 40 * 24
PRIZES: Final = len(HARBOUR["prizes"])
A_DAY: Final = BOXES * PRIZES * 24
FILL: Final = """
INSERT INTO finance_drawtally (operator_id, box_version_id, currency, funding, prize_id, hour, draws)
SELECT version.operator_id, version.id, 'EUR', 'player', prize.id, %(now)s - n * interval '1 hour', prize.weight
FROM generate_series(0, %(hours)s) n, catalog_boxversion version JOIN catalog_prize prize ON prize.version_id = version.id
"""
ADD_UP: Final = """
INSERT INTO finance_drawday (operator_id, box_version_id, currency, funding, prize_id, day, draws)
SELECT operator_id, box_version_id, currency, funding, prize_id, (hour AT TIME ZONE 'UTC')::date, sum(draws)
FROM finance_drawtally GROUP BY 1, 2, 3, 4, 5, 6
"""


@pytest.fixture
def counted(acme: NewOperator) -> None:
    """Have a month and more of draws counted, of many boxes."""
    for number in range(BOXES):
        publish_boxes(acme, HARBOUR | {"slug": f"harbour-{number}"})
    with connection.cursor() as cursor:
        cursor.execute(FILL, {"now": NOW.replace(minute=0), "hours": HOURS})
        cursor.execute(ADD_UP)
        cursor.execute("ANALYZE finance_drawtally")
        cursor.execute("ANALYZE finance_drawday")


def read_by(act: Callable[[], Any]) -> float:
    """Return how many counts the one statement read that `act` made of them; none by reading the hours whole."""
    with CaptureQueriesContext(connection) as captured:
        act()
    (sql,) = [query["sql"] for query in captured if "finance_drawtally" in query["sql"]]
    found = scans(sql, {"finance_drawtally", "finance_drawday"})
    assert not [scan for scan in found if (scan.kind, scan.table) == ("Seq Scan", "finance_drawtally")]
    return sum(scan.rows for scan in found)


@pytest.mark.usefixtures("counted")
class TestTheRtpWatch:
    def test_judges_a_month_by_days_and_a_few_hours(self) -> None:
        # The hours of a day choose the series; up to a day of hours at the month's start, up to two at its end, days between.
        assert read_by(lambda: watch.judge(at=NOW)) < 5.5 * A_DAY

    def test_lists_a_month_by_days_and_a_few_hours(self) -> None:
        assert read_by(lambda: rtp.watched(at=NOW, operator_ids=None)) < 6 * A_DAY

    def test_shows_one_box_by_days_and_a_few_hours(self) -> None:
        one = rtp.watched(at=NOW, operator_ids=None)[0]
        found = read_by(lambda: rtp.report(series=one.series, known=one.verdict.table, at=NOW))
        assert found < 5 * A_DAY / BOXES
