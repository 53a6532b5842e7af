"""What a purchase may ask of PostgreSQL (docs/performance.md, goal P2): counted, never timed."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone

from lootbox.core.ids import Prefix, parse_public_id
from operators import services
from operators.services import NewOperator
from purchases import lately
from tests.api.test_purchase import order
from tests.casino_wallet import Casino
from tests.faulty_server import Peer, Received
from tests.signed import Answer, SignedClient

# Claim the round with its reels and debit, for the operator as it still is; settle it. Then record what was paid out.
PURCHASE = 2
WITH_PAYOUT = 3

# The transaction that wrote each row of a round last. A purchase's rows are written in the statement of their own commit.
WRITERS = """
SELECT xmin::text FROM purchases_action WHERE round_id = %(round)s
UNION SELECT xmin::text FROM purchases_round WHERE id = %(round)s
UNION SELECT xmin::text FROM purchases_reel WHERE round_id = %(round)s
UNION SELECT xmin::text FROM purchases_draw WHERE round_id = %(round)s
UNION SELECT xmin::text FROM vault_inventoryitem WHERE round_id = %(round)s
UNION SELECT xmin::text FROM wallet_walletcall WHERE round_id = %(round)s
UNION SELECT attempt.xmin::text FROM wallet_walletattempt attempt JOIN wallet_walletcall call ON call.id = attempt.call_id
    WHERE call.round_id = %(round)s
UNION SELECT xmin::text FROM webhooks_event WHERE subject = %(shown)s
"""


class Statements:
    """The statements that this thread sent, for use as an `execute_wrapper`."""

    def __init__(self) -> None:
        """Start with none."""
        self.sent: list[str] = []

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001
        """Note the statement, and that it commits by itself."""
        assert not connection.in_atomic_block, "a transaction around a statement costs two round trips more"
        self.sent.append(sql)
        return execute(sql, params, many, context)

    def __str__(self) -> str:
        """Return how many there were, and how each begins."""
        return "\n".join([f"{len(self.sent)} statements:", *(" ".join(sql.split())[:120] for sql in self.sent)])


@pytest.fixture
def regular(acme: NewOperator, boxes: dict[str, int], s2s: SignedClient) -> SignedClient:
    """Return the backend of a casino that allows 100 reels and whose player has bought every box before, as most have."""
    services.change_settings(operator=acme.operator, changes={"maxReels": "100"}, at=timezone.now())
    for version in boxes.values():
        assert s2s.post("/api/s2s/purchase", order(version)).status == 200
    return s2s


def reels(version: int, count: int) -> list[dict[str, int]]:
    """Return that many reels of one box."""
    return [{"reelIndex": index, "boxVersionId": version} for index in range(count)]


def counted(s2s: SignedClient, version: int, count: int = 1) -> tuple[Answer, Statements]:
    """Buy, and return the answer with the statements that it took."""
    statements = Statements()
    with connection.execute_wrapper(statements):
        bought = s2s.post("/api/s2s/purchase", order(version, reels=reels(version, count)))
    assert bought.status == 200
    return bought, statements


def commits(bought: Answer) -> int:
    """Return how many transactions wrote the round's rows."""
    shown = bought.body["round"]["publicId"]
    round_id = parse_public_id(Prefix.ROUND, shown)
    assert isinstance(round_id, UUID)
    with connection.cursor() as cursor:
        cursor.execute(WRITERS, {"round": round_id, "shown": shown})
        return len(cursor.fetchall())


class TestAPurchase:
    @pytest.mark.parametrize("count", [1, 100])
    def test_takes_two_statements_however_many_reels(self, regular: SignedClient, boxes: dict[str, int], count: int) -> None:
        bought, statements = counted(regular, boxes["sure-item"], count)
        assert len(bought.body["round"]["reels"]) == count
        assert len(statements.sent) == PURCHASE, str(statements)

    @pytest.mark.parametrize("count", [1, 100])
    def test_takes_one_more_to_record_a_payout(self, regular: SignedClient, boxes: dict[str, int], count: int) -> None:
        _, statements = counted(regular, boxes["sure-cash"], count)
        assert len(statements.sent) == WITH_PAYOUT, str(statements)

    def test_is_two_commits(self, regular: SignedClient, boxes: dict[str, int]) -> None:
        bought, _ = counted(regular, boxes["sure-item"])
        assert commits(bought) == 2

    def test_is_three_commits_with_a_payout(self, regular: SignedClient, boxes: dict[str, int]) -> None:
        bought, _ = counted(regular, boxes["sure-cash"])
        assert commits(bought) == 3

    def test_holds_no_connection_while_a_wallet_thinks(
        self, regular: SignedClient, boxes: dict[str, int], casino: Casino
    ) -> None:
        held = []

        def lent() -> int:
            pool: dict[str, int] = connection.pool.get_stats()  # type: ignore[attr-defined]  # the stubs know no pool
            return pool["pool_size"] - pool["pool_available"]

        def look(peer: Peer, request: Received) -> None:
            held.append(lent())
            casino.wallet.answer(peer, request)

        casino.play(look, look)
        connection.close()
        others = lent()  # a thread of a test before this one may have taken one with it
        assert regular.post("/api/s2s/purchase", order(boxes["sure-cash"])).status == 200
        assert held == [others, others], "both the debit and the payout are asked for with every connection back in the pool"


class TestARetry:
    @pytest.mark.parametrize(("where", "trips"), [("where the first call was", 1), ("elsewhere", 2)])
    def test_takes_no_more_statements_than_the_purchase(
        self, regular: SignedClient, boxes: dict[str, int], monkeypatch: pytest.MonkeyPatch, where: str, trips: int
    ) -> None:
        request = order(boxes["sure-item"])
        regular.post("/api/s2s/purchase", request)
        if where == "elsewhere":
            monkeypatch.setattr(lately, "is_retry", lambda _: False)
        statements = Statements()
        with connection.execute_wrapper(statements):
            again = regular.post("/api/s2s/purchase", request)
        assert again.headers["Idempotent-Replayed"] == "true"
        assert len(statements.sent) == trips, str(statements)


class TestABadSignature:
    def test_of_a_known_key_takes_no_statement(self, regular: SignedClient) -> None:
        statements = Statements()
        with connection.execute_wrapper(statements):
            refused = regular.post("/api/s2s/purchase", {}, X_Signature="0" * 64)
        assert refused.code == "INVALID_SIGNATURE"
        assert statements.sent == []
