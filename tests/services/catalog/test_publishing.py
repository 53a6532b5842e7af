"""Publishing: contract sections 4 and 9."""

import contextlib
import datetime as dt
import hashlib
import json
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import IntegrityError, connection, models, transaction

from catalog import services
from catalog.models import Box, BoxVersion, Prize, PrizeKind
from catalog.services import PrizeLine
from catalog.signals import box_published
from lootbox.core.errors import ApiError
from lootbox.core.money import MAX_MINOR
from operators.models import Operator
from tests.factories.catalog import BoxFactory, BoxVersionFactory, ItemFactory, bonus_line, cash_line
from tests.factories.operators import OperatorFactory

AT = dt.datetime(2026, 6, 3, 12, 0, 5, tzinfo=dt.UTC)
LATER = AT + dt.timedelta(hours=1)


def edge(price_minor: int, *table: tuple[int, int]) -> int:
    """Return the house edge of (weight, value) pairs."""
    return services.house_edge_bps(price_minor=price_minor, prizes=[cash_line(value, weight=weight) for weight, value in table])


class TestHouseEdge:
    def test_is_what_the_house_keeps_on_average(self) -> None:
        assert edge(500, (90, 480), (9, 500), (1, 100)) == 440

    def test_is_everything_when_nothing_is_won(self) -> None:
        assert edge(500, (1, 0)) == 10_000

    def test_is_below_zero_when_the_prizes_are_worth_more(self) -> None:
        assert edge(100, (1, 250)) == -15_000

    @pytest.mark.parametrize(("won", "expected"), [(99_999, 0), (99_995, 1), (99_994, 1), (100_005, 0), (100_006, -1)])
    def test_is_rounded_half_up(self, won: int, expected: int) -> None:
        assert edge(100_000, (1, won)) == expected

    def test_is_exact_where_a_float_is_not(self) -> None:
        assert edge(MAX_MINOR, (MAX_MINOR - 1, MAX_MINOR), (1, 0)) == 0


@pytest.mark.django_db
class TestPublish:
    def test_keeps_the_snapshot_of_the_contract(self) -> None:
        box = BoxFactory.create()
        item = ItemFactory.create(operator=box.operator, name={"en": "Brass Compass"}, value_minor=320)
        prizes = [services.item_line(item=item, weight=90), cash_line(500, weight=9), bonus_line(weight=1)]

        version = services.publish(box=box, price_minor=500, prizes=prizes, at=AT)

        snapshot = bytes(version.snapshot)
        assert json.loads(snapshot) == {
            "algorithmKey": "hmac_sha256_v1",
            "boxId": box.pk,
            "currency": "EUR",
            "priceMinor": 500,
            "totalWeight": 100,
            "versionNumber": 1,
            "prizes": [
                {"index": 0, "itemId": item.pk, "kind": "item", "name": "Brass Compass", "valueMinor": 320, "weight": 90},
                {"index": 1, "itemId": None, "kind": "cash", "name": "500 cents", "valueMinor": 500, "weight": 9},
                {"index": 2, "itemId": None, "kind": "bonus", "name": "10 free spins", "valueMinor": 100, "weight": 1},
            ],
        }
        start = f'{{"algorithmKey":"hmac_sha256_v1","boxId":{box.pk},"currency":"EUR","priceMinor":500,"prizes":[{{"index":0,'
        assert snapshot.startswith(start.encode())
        assert version.snapshot_hash == hashlib.sha256(snapshot).hexdigest()
        assert (version.number, version.total_weight, version.currency) == (1, 100, "EUR")
        assert (version.published_at, version.superseded_at) == (AT, None)

    def test_escapes_nothing_in_the_snapshot_that_need_not_be(self) -> None:
        line = PrizeLine(weight=1, kind=PrizeKind.CASH, name={"en": "5 € på fem"}, value_minor=500)
        assert '"name":"5 € på fem"'.encode() in bytes(BoxVersionFactory.create(prizes=[line]).snapshot)

    def test_keeps_what_the_snapshot_leaves_out(self) -> None:
        version = BoxVersionFactory.create(prizes=[bonus_line("FS99")])
        assert version.prizes.values_list("bonus_code", "bonus_payload", "name").get() == (
            "FS99",
            {"spins": 10},
            {"en": "10 free spins"},
        )

    def test_supersedes_the_version_before(self) -> None:
        first = BoxVersionFactory.create(at=AT)
        second = BoxVersionFactory.create(box=first.box, price_minor=600, at=LATER)
        first.refresh_from_db()
        assert (first.number, first.superseded_at) == (1, LATER)
        assert (second.number, second.superseded_at) == (2, None)

    def test_numbers_each_box_by_itself(self) -> None:
        operator = OperatorFactory.create()
        assert [BoxVersionFactory.create(box__operator=operator).number for _ in range(2)] == [1, 1]

    def test_tells_the_layers_above(self) -> None:
        with heard() as published:
            version = BoxVersionFactory.create(at=AT)
        assert published == [(version, AT)]

    def test_is_undone_by_a_receiver_that_fails(self) -> None:
        box = BoxFactory.create()
        with pytest.raises(ZeroDivisionError), heard(ZeroDivisionError()):
            BoxVersionFactory.create(box=box)
        assert not box.versions.exists()

    def test_moves_the_operators_version_on(self) -> None:
        box = BoxFactory.create()
        before = Operator.objects.get().version
        BoxVersionFactory.create(box=box)
        assert Operator.objects.get().version > before

    @pytest.mark.parametrize(
        ("price_minor", "prizes", "path"),
        [
            (0, [cash_line()], "priceMinor"),
            (MAX_MINOR + 1, [cash_line()], "priceMinor"),
            (500, [], "prizes"),
            (500, [cash_line(), cash_line(weight=0)], "prizes[1].weight"),
            (500, [cash_line(-1)], "prizes[0].valueMinor"),
            (500, [cash_line(MAX_MINOR + 1)], "prizes[0].valueMinor"),
            (500, [cash_line(weight=MAX_MINOR), cash_line()], "prizes"),
            (1, [cash_line(MAX_MINOR)], "priceMinor"),
            (500, [PrizeLine(weight=1, kind=PrizeKind.CASH, name={"sv": "fem"}, value_minor=1)], "prizes[0].name"),
        ],
    )
    def test_refuses_a_table_that_can_not_be_played(self, price_minor: int, prizes: Sequence[PrizeLine], path: str) -> None:
        box = BoxFactory.create()
        with pytest.raises(ApiError) as refusal:
            services.publish(box=box, price_minor=price_minor, prizes=prizes, at=AT)
        assert refusal.value.code == "VALIDATION_FAILED"
        assert list(refusal.value.fields or {}) == [path]
        assert not box.versions.exists()

    def test_refuses_an_item_valued_in_another_currency(self) -> None:
        box = BoxFactory.create()
        line = services.item_line(item=ItemFactory.create(operator=box.operator, currency="SEK"), weight=1)
        with pytest.raises(ApiError) as refusal:
            services.publish(box=box, price_minor=500, prizes=[line], at=AT)
        assert list(refusal.value.fields or {}) == ["prizes[0].item"]


@pytest.mark.django_db(transaction=True)
class TestTwoPublishersAtOnce:
    def test_get_two_numbers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert publish_twice(monkeypatch) == [1, 2]

    def test_would_get_the_same_number_without_the_lock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: the harness can see the race. If this fails, the test above shows nothing."""
        monkeypatch.setattr(models.QuerySet, "select_for_update", lambda rows, **_: rows)
        assert publish_twice(monkeypatch) == [1, IntegrityError]


@pytest.mark.django_db
class TestAPublishedVersion:
    def test_is_frozen(self) -> None:
        version = BoxVersionFactory.create()
        for change in (
            lambda: BoxVersion.objects.update(price_minor=1),
            lambda: BoxVersion.objects.all()._raw_delete("default"),
            lambda: Prize.objects.filter(version=version).update(weight=99),
            lambda: Prize.objects.filter(version=version).delete(),
        ):
            with pytest.raises(IntegrityError, match="frozen"), transaction.atomic():
                change()

    def test_is_superseded_once(self) -> None:
        version = BoxVersionFactory.create(at=AT)
        BoxVersionFactory.create(box=version.box)
        with pytest.raises(IntegrityError, match="frozen"), transaction.atomic():
            BoxVersion.objects.filter(pk=version.pk).update(superseded_at=None)


@contextlib.contextmanager
def heard(failure: Exception | None = None) -> Iterator[list[tuple[BoxVersion, dt.datetime]]]:
    """Gather what is published, or fail."""
    published: list[tuple[BoxVersion, dt.datetime]] = []

    def receive(*, version: BoxVersion, at: dt.datetime, **_: Any) -> None:
        if failure:
            raise failure
        published.append((version, at))

    box_published.connect(receive)
    try:
        yield published
    finally:
        box_published.disconnect(receive)


def publish_twice(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Publish a box from two threads that meet, where no lock keeps them apart, after numbering and before storing."""
    box = BoxFactory.create()
    meeting = threading.Barrier(2)
    draw_up = services.snapshot_of

    def meet(**arguments: Any) -> bytes:
        with contextlib.suppress(threading.BrokenBarrierError):
            meeting.wait(timeout=1)
        return draw_up(**arguments)

    def publish(box: Box) -> Any:
        try:
            return services.publish(box=box, price_minor=500, prizes=[cash_line()], at=AT).number
        except IntegrityError:
            return IntegrityError
        finally:
            connection.close()

    monkeypatch.setattr(services, "snapshot_of", meet)
    with ThreadPoolExecutor(2) as threads:
        return sorted(threads.map(publish, [box, box]), key=str)
