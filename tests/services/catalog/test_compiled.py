"""Published versions as the draw needs them."""

from bisect import bisect_right
from collections.abc import Sequence

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from catalog import compiled as module
from catalog import services
from catalog.compiled import CompiledPrize, CompiledVersion, compiled
from catalog.models import Prize, PrizeKind
from operators.models import Operator
from tests.factories.catalog import BoxFactory, BoxVersionFactory, ItemFactory, bonus_line, cash_line
from tests.factories.operators import OperatorFactory

pytestmark = pytest.mark.django_db


def by_hand(weights: Sequence[int], roll: int) -> int:
    """Return the prize for a roll as contract section 9 words it: the first whose cumulative weight exceeds the roll."""
    return next(index for index in range(len(weights)) if sum(weights[: index + 1]) > roll)


class TestCompiled:
    def test_holds_what_was_published(self) -> None:
        box = BoxFactory.create()
        item = ItemFactory.create(operator=box.operator, name={"en": "Compass", "sv": "Kompass"}, type="digital")
        lines = [services.item_line(item=item, weight=90), cash_line(500, weight=9), bonus_line()]
        version = BoxVersionFactory.create(box=box, prizes=lines)
        Operator.objects.update(locales=["sv"], default_locale="sv")
        ids = list(Prize.objects.values_list("pk", flat=True))
        assert compiled(operator_id=box.operator_id, version_ids=[version.pk]) == {
            version.pk: CompiledVersion(
                id=version.pk,
                operator_id=box.operator_id,
                box_id=box.pk,
                number=1,
                price_minor=500,
                currency="EUR",
                snapshot_hash=version.snapshot_hash,
                total_weight=100,
                cumulative=(90, 99, 100),
                prizes=(
                    CompiledPrize(ids[0], 0, PrizeKind.ITEM, item.pk, "digital", "EUR", "Compass", 480, 90, "", None),
                    CompiledPrize(ids[1], 1, PrizeKind.CASH, None, None, None, "500 cents", 500, 9, "", None),
                    CompiledPrize(ids[2], 2, PrizeKind.BONUS, None, None, None, "10 free spins", 100, 1, "FS10", {"spins": 10}),
                ),
            )
        }

    def test_leaves_out_what_is_not_the_operators(self) -> None:
        version, theirs = BoxVersionFactory.create(), BoxVersionFactory.create()
        ids = [version.pk, theirs.pk, 999_999_999]
        for operator_id, own in ((version.operator_id, version.pk), (theirs.operator_id, theirs.pk)):
            assert list(compiled(operator_id=operator_id, version_ids=ids)) == [own]

    def test_asks_the_database_once_for_all_that_is_missing(self) -> None:
        operator = OperatorFactory.create()
        ids = [BoxVersionFactory.create(box__operator=operator).pk for _ in range(3)]
        with CaptureQueriesContext(connection) as queries:
            assert compiled(operator_id=operator.pk, version_ids=ids).keys() == set(ids)
            assert compiled(operator_id=operator.pk, version_ids=ids[:2]).keys() == set(ids[:2])
        assert len(queries) == 2

    def test_keeps_what_was_asked_for_most_recently(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "KEPT", 2)
        operator = OperatorFactory.create()
        first, second, third = (BoxVersionFactory.create(box__operator=operator).pk for _ in range(3))
        for version_id in (first, second, first, third):
            compiled(operator_id=operator.pk, version_ids=[version_id])
        with CaptureQueriesContext(connection) as queries:
            compiled(operator_id=operator.pk, version_ids=[first, third])
        assert len(queries) == 0


class TestCumulativeWeights:
    @given(weights=st.lists(st.integers(1, 40), min_size=1, max_size=12))
    def test_give_every_roll_the_prize_of_the_contract(self, weights: list[int]) -> None:
        version = BoxVersionFactory.create(prizes=[cash_line(weight=weight) for weight in weights])
        table = compiled(operator_id=version.operator_id, version_ids=[version.pk])[version.pk]
        assert table.total_weight == sum(weights)
        assert [prize.weight for prize in table.prizes] == weights
        picked = [bisect_right(table.cumulative, roll) for roll in range(table.total_weight)]
        assert picked == [by_hand(weights, roll) for roll in range(table.total_weight)]
