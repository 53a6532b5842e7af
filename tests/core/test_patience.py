"""A database that keeps money waiting: cut off in time, tried again where that helps, answered with 503."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection, connections

from lootbox.core import db, patience
from purchases import statements
from purchases.models import Round
from tests.api.test_purchase import buy, order
from tests.casino_wallet import Casino
from tests.signed import SignedClient
from wallet.models import WalletCall


@contextmanager
def locked(table: str) -> Iterator[None]:
    """Have another connection keep everybody out of a table."""
    with psycopg.connect(**connection.get_connection_params()) as other:
        other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


def limits() -> list[str]:
    """Return the limits of a connection that is taken now."""
    connections.close_all()
    names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
    return [db.rows(f"SHOW {name}", {})[0][0] for name in names]


class TestLimits:
    def test_hold_where_they_are_wanted_and_nowhere_else(self, transactional_db: None) -> None:
        for _ in range(2):
            assert limits() == ["0", "0", "0"]
            with patience.limited():
                assert limits() == ["1s", "3s", "5s"]

    def test_cost_no_round_trip_where_a_connection_has_them(self, transactional_db: None) -> None:
        with patience.limited():
            limits()
            connections.close_all()
            connection.ensure_connection()
            connection.queries_log.clear()
            connection.force_debug_cursor = True
            try:
                limits()
                assert len(connection.queries_log) == 3
            finally:
                connection.force_debug_cursor = False


class TestAStuckDatabase:
    def test_is_an_error_that_a_retry_may_overcome(
        self, s2s: SignedClient, boxes: dict[str, int], casino: Casino, settings: Any
    ) -> None:
        settings.LOOTBOX_LOCK_TIMEOUT_S = 0.05
        connections.close_all()  # a request takes its connection anew
        connections["default"].close_pool()  # type: ignore[attr-defined]
        request = order(boxes["sure-item"])
        with locked("purchases_round"):
            refused = s2s.post("/api/s2s/purchase", request)
        assert (refused.status, refused.code) == (503, "SERVICE_UNAVAILABLE")
        assert refused.body["error"]["retryable"] is True
        assert refused.body["error"]["moneyMoved"] == "unknown"
        assert refused.headers["Retry-After"] == "1"
        assert (casino.calls(), Round.objects.count()) == ([], 0)
        assert s2s.post("/api/s2s/purchase", request).status == 200


class TestContention:
    @pytest.mark.parametrize("times", [2, 3])
    @pytest.mark.parametrize("victim", patience.CONTENTION)
    def test_is_tried_again_twice(
        self, s2s: SignedClient, boxes: dict[str, int], monkeypatch: pytest.MonkeyPatch, victim: type[Exception], times: int
    ) -> None:
        sound = statements.settle
        undone = iter([victim()] * times)

        def settle(**kwargs: Any) -> bool:
            cause = next(undone, None)
            if cause is not None:
                raise OperationalError("undone") from cause
            return sound(**kwargs)

        monkeypatch.setattr(statements, "settle", settle)
        bought = buy(s2s, boxes["sure-item"])
        if times == 2:
            assert bought.status == 200
        else:
            assert (bought.status, bought.code) == (503, "SERVICE_UNAVAILABLE")
            assert Round.objects.get().state == "pending"
        # What became of the debit was kept, so the wallet is not asked again.
        assert WalletCall.objects.get().state == "accepted"
        assert WalletCall.objects.get().attempts == 1
