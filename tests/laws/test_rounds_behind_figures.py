"""The rounds behind a figure are read a page at a time, however many were drawn in its days."""

import datetime as dt
from typing import Final

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.models import BoxVersion
from finance import behind
from finance.behind import Share
from finance.reports import Selection
from lootbox.core.pagination import Page, Position
from operators.models import Operator
from tests.conftest import HARBOUR, SURE_CASH, make_operator, publish_boxes
from tests.plans import scans

ROWS: Final = 20_000
TABLES: Final = ("purchases_round", "purchases_reel", "purchases_draw", "operators_player")
DAY: Final = dt.date(2026, 3, 4)
ID: Final = "(lpad(to_hex(1800000000000 + n), 12, '0') || lpad(to_hex(n), 20, '0'))::uuid"
# Every fifth round is of the rarer box.
VERSION: Final = "CASE WHEN n %% 5 = 0 THEN %(rarer)s ELSE %(usual)s END"
FILL: Final = (
    """INSERT INTO operators_player (id, operator_id, external_id, blocked, capped, created_at)
    SELECT n, %(operator)s, 'u_' || n, false, false, now() FROM generate_series(1, 1000) n""",
    """INSERT INTO purchases_round (id, operator_id, player_id, mode, funding, state, currency, bet_minor, base_currency,
        base_bet_minor, fx_rate, fx_source, fence, purchased_at, settled_at, payout_minor, base_payout_minor,
        credited_minor, seed_pair_id, nonce)
    SELECT ID, %(operator)s, n %% 1000 + 1, 'open', 'player', 'settled', 'EUR', 500, 'EUR', 500, 1, '', 1, at, at, 400, 400,
        0, 1, n
    FROM (SELECT n, timestamptz '2026-03-01Z' + n * interval '30 s' AS at FROM generate_series(1, %(rows)s) n) row""",
    """INSERT INTO purchases_reel (operator_id, round_id, position, reel_index, box_version_id, bet_minor, base_bet_minor)
    SELECT %(operator)s, ID, 1, 0, VERSION, 500, 500 FROM generate_series(1, %(rows)s) n""",
    """INSERT INTO purchases_draw (operator_id, round_id, reel_index, box_version_id, seed_pair_id, nonce, roll, prize_id,
        value_minor, base_value_minor)
    SELECT %(operator)s, ID, 0, VERSION, 1, n, 1, 1, 400, 400 FROM generate_series(1, %(rows)s) n""",
)


@pytest.fixture
def versions(db: None) -> list[BoxVersion]:
    """Return two boxes of an operator with a week of rounds, one of them drawn less often."""
    made = make_operator("busy")
    known = publish_boxes(made, HARBOUR, SURE_CASH)
    usual, rarer = (BoxVersion.objects.get(pk=known[slug]) for slug in ("harbour", "sure-cash"))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for said in FILL:
            statement = said.replace("VERSION", VERSION).replace("ID", ID)
            cursor.execute(statement, {"operator": made.operator.pk, "usual": usual.pk, "rarer": rarer.pk, "rows": ROWS})
        cursor.execute("SET LOCAL session_replication_role = origin")
        for table in TABLES:
            cursor.execute(f"ANALYZE {table}")
    return [usual, rarer]


def read_for(
    versions: list[BoxVersion], *, position: Position | None = None, version_id: int | None = None
) -> tuple[Page[Share], float]:
    """Return a page of the rounds of a day, and the most rows that one step of its statement read."""
    operator = Operator.objects.get(pk=versions[0].operator_id)
    selection = Selection(operators=[operator], first=DAY, last=DAY, currency="EUR", version_id=version_id)
    with CaptureQueriesContext(connection) as captured:
        page = behind.rounds(selection, position=position)
    [sql] = [query["sql"] for query in captured if "purchases_round" in query["sql"]]
    found = scans(sql, TABLES)
    assert not [scan for scan in found if scan.kind == "Seq Scan"]
    return page, max(scan.rows for scan in found)


class TestTheRoundsBehindAFigure:
    def test_are_read_a_page_at_a_time(self, versions: list[BoxVersion]) -> None:
        page, read = read_for(versions)
        assert len(page.rows) == behind.PAGE
        assert read <= 3 * behind.PAGE
        position = Position(page.rows[-1].settled_at - dt.timedelta(hours=9), page.rows[-1].round_id, backwards=False)
        page, read = read_for(versions, position=position)
        assert len(page.rows) == behind.PAGE
        assert read <= 3 * behind.PAGE

    def test_of_one_box_are_read_until_a_page_is_full(self, versions: list[BoxVersion]) -> None:
        page, read = read_for(versions, version_id=versions[1].pk)
        assert {row.names for row in page.rows} == {"sure-cash v1"}
        assert read <= 2 * 5 * behind.PAGE
