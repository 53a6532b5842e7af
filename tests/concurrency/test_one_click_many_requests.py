"""Fifty duplicates of one click, and what would happen without the guard."""

from collections import Counter
from collections.abc import Callable

import pytest
from django.db import connection

from operators.services import NewOperator
from purchases import statements
from purchases.models import Draw, Round
from tests.api.test_prepay_and_cancel import cancel, open_held
from tests.api.test_purchase import buy, order
from tests.casino_wallet import Casino
from tests.concurrency.together import together
from tests.faulty_server import late
from tests.invariants import assert_books_agree, assert_rounds_sound
from tests.signed import Answer, SignedClient

DUPLICATES = 50


class TestFiftyDuplicates:
    def test_are_one_debit_and_one_draw(
        self, acme: NewOperator, s2s: SignedClient, boxes: dict[str, int], casino: Casino
    ) -> None:
        request = order(boxes["sure-item"])
        casino.play(late(casino.wallet.answer, seconds=0.2))
        answers = together(*[lambda: s2s.post("/api/s2s/purchase", request)] * DUPLICATES)
        assert {answer.code for answer in answers} <= {None, "ACTION_IN_PROGRESS"}
        settled = [answer for answer in answers if answer.code is None]
        assert len({answer.body["round"]["publicId"] for answer in settled}) == 1
        assert [movement.asked for movement in casino.wallet.movements.values()] == [1]
        assert Draw.objects.count() == 1
        assert_books_agree(acme.operator, casino.wallet)

    def test_would_be_many_debits_without_the_unique_action(
        self, s2s: SignedClient, boxes: dict[str, int], casino: Casino, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The control: if this fails, the test above can't see the race."""
        buy(s2s, boxes["sure-item"])  # the player exists, as in the test above after the first request
        request = order(boxes["sure-item"])
        guard = "ON CONFLICT (player_id, client_action_id) DO NOTHING"
        assert guard in statements.CLAIM
        monkeypatch.setattr(statements, "CLAIM", statements.CLAIM.replace(guard, ""))
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE purchases_action DROP CONSTRAINT action_client_id_unique")
        try:
            together(*[lambda: s2s.post("/api/s2s/purchase", request)] * 10)
            assert len(casino.wallet.movements) > 2
        finally:
            with connection.cursor() as cursor:
                cursor.execute("TRUNCATE purchases_action CASCADE")
                cursor.execute(
                    "ALTER TABLE purchases_action ADD CONSTRAINT action_client_id_unique UNIQUE (player_id, client_action_id)"
                )


class TestOnePlayersManyRounds:
    def test_take_nonces_in_a_row(self, acme: NewOperator, s2s: SignedClient, boxes: dict[str, int], casino: Casino) -> None:
        answers = together(*[lambda: buy(s2s, boxes["harbour"])] * 40)
        assert {answer.status for answer in answers} == {200}
        assert set(Round.objects.values_list("nonce", flat=True)) == set(range(40))
        assert_rounds_sound()
        assert_books_agree(acme.operator, casino.wallet)


class TestOpeningAgainstCancelling:
    def test_has_exactly_one_winner(self, acme: NewOperator, s2s: SignedClient, boxes: dict[str, int], casino: Casino) -> None:
        held = [buy(s2s, boxes["harbour"], mode="prepay").body["round"]["publicId"] for _ in range(20)]
        for public_id in held:
            opened, cancelled = together(*_rivals(s2s, public_id))
            outcome = Counter(answer.code for answer in (opened, cancelled))
            assert outcome[None] == 1, outcome
        assert_rounds_sound()
        assert_books_agree(acme.operator, casino.wallet)


def _rivals(s2s: SignedClient, public_id: str) -> list[Callable[[], Answer]]:
    return [lambda: open_held(s2s, public_id), lambda: cancel(s2s, public_id)]
