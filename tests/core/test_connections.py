"""A pool whose connections died while nobody looked."""

import psycopg
import pytest
from django.db import connection

from lootbox.core import db
from operators.models import Operator

pytestmark = pytest.mark.django_db(transaction=True)

OTHERS = "datname = current_database() AND application_name = 'lootbox' AND pid <> pg_backend_pid()"


def hang_up() -> int:
    """End every connection of this process's pool from outside, as a restart of PostgreSQL does; return how many."""
    db.rows("SELECT 1", {})
    connection.close()
    database = connection.settings_dict
    parameters = {"host": database["HOST"], "port": database["PORT"] or None, "user": database["USER"] or None}
    with psycopg.connect(dbname=database["NAME"], autocommit=True, **parameters) as other:
        ended = 0
        # What was told to end takes a moment to, and the pool may be putting another in the place of one that broke before.
        while found := other.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {OTHERS}").fetchall():  # noqa: S608
            ended += len(found)
    return ended


class TestConnectionsThatTheServerEnded:
    def test_cost_a_statement_nothing(self) -> None:
        assert hang_up() > 0
        assert db.rows("SELECT %(number)s", {"number": 3}) == [(3,)]

    def test_cost_a_query_nothing(self) -> None:
        assert hang_up() > 0
        assert Operator.objects.count() == 0

    def test_fail_a_statement_that_had_begun(self) -> None:
        with pytest.raises(Exception, match="terminating connection"):
            db.rows("SELECT pg_terminate_backend(pg_backend_pid())", {})
        assert db.rows("SELECT 1", {}) == [(1,)]


class TestAStatement:
    def test_after_which_something_is_to_be_done_waits_for_the_commit(self) -> None:
        done: list[str] = []
        db.after_commit(lambda: done.append("alone"))
        assert done == ["alone"]
        with db.phase():
            db.after_commit(lambda: done.append("in a phase"))
            assert done == ["alone"]
        assert done == ["alone", "in a phase"]
