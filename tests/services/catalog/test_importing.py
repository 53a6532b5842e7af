"""The catalogue as code: `import_boxes` of the interface."""

import copy
import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.importing import ImportResult, import_boxes
from catalog.models import Attribute, Box, BoxVersion, Item, Prize
from lootbox.core.errors import ApiError
from lootbox.core.money import MAX_MINOR
from operators.models import Operator
from tests.factories.catalog import HARBOUR, ItemFactory
from tests.factories.operators import OperatorFactory

AT = dt.datetime(2026, 6, 3, 12, 0, 5, tzinfo=dt.UTC)

pytestmark = pytest.mark.django_db

Change = Callable[[Any], object]


@pytest.fixture
def operator() -> Operator:
    """Return an operator in two languages."""
    return OperatorFactory.create(locales=["en", "sv"])


@pytest.fixture
def file() -> Any:
    """Return the interface's file, to be changed."""
    return copy.deepcopy(dict(HARBOUR))


def load(operator: Operator, file: Any) -> ImportResult:
    """Import a file."""
    return import_boxes(operator=operator, document=file, at=AT)


class TestTheInterfacesFile:
    def test_becomes_items_attributes_and_a_published_box(self, operator: Operator, file: Any) -> None:
        result = load(operator, file)

        item = Item.objects.get()
        assert (item.sku, item.name, item.type, item.value_minor) == ("compass", {"en": "Brass Compass"}, "physical", 480)
        assert (item.currency, item.cashback_minor, item.shippable, item.image_url) == ("EUR", 120, True, "")
        attribute = Attribute.objects.get()
        assert (attribute.name, attribute.type, attribute.default) == ("is_new", "boolean", False)
        box = Box.objects.get()
        assert (box.slug, box.name, box.active, box.attributes) == ("harbour", {"en": "Harbour Crate"}, True, {"is_new": True})
        version = BoxVersion.objects.get()
        assert (version.box, version.number, version.price_minor, version.total_weight) == (box, 1, 500, 100)
        assert (version.house_edge_bps, version.published_at) == (440, AT)
        prizes = Prize.objects.values_list("kind", "item", "item_type", "value_minor", "weight", "bonus_code", "bonus_payload")
        assert list(prizes) == [
            ("item", item.pk, "physical", 480, 90, "", None),
            ("cash", None, "", 500, 9, "", None),
            ("bonus", None, "", 100, 1, "FS10", {"spins": 10}),
        ]
        assert [(row.sku, row.item_id) for row in result.items] == [("compass", item.pk)]
        assert [(row.slug, row.box_id, row.box_version_id, row.version_number) for row in result.boxes] == [
            ("harbour", box.pk, version.pk, 1)
        ]

    def test_changes_nothing_the_second_time(self, operator: Operator, file: Any) -> None:
        first = load(operator, file)
        with CaptureQueriesContext(connection) as queries:
            second = load(operator, file)
        assert [query["sql"] for query in queries if not query["sql"].startswith(("SELECT", "SAVEPOINT", "RELEASE"))] == []
        assert second.items == first.items
        assert [(box.box_version_id, box.published) for box in second.boxes] == [(first.boxes[0].box_version_id, False)]

    def test_reads_what_may_be_left_out(self, operator: Operator, file: Any) -> None:
        del file["attributes"], file["boxes"][0]["attributes"], file["boxes"][0]["active"]
        del file["items"][0]["imageUrl"], file["items"][0]["cashbackMinor"]
        load(operator, file)
        box, item = Box.objects.get(), Item.objects.get()
        assert (box.active, box.attributes, item.cashback_minor, item.image_url) == (True, {}, None, "")


class TestAChangedFile:
    @pytest.mark.parametrize(
        "change",
        [
            lambda file: file["boxes"][0].update(priceMinor=600),
            lambda file: file["boxes"][0]["prizes"][0].update(weight=91),
            lambda file: file["boxes"][0]["prizes"].reverse(),
            lambda file: file["boxes"][0]["prizes"].pop(),
            lambda file: file["items"][0].update(valueMinor=481),
            lambda file: file["items"][0].update(name="Silver Compass"),
            lambda file: file["items"][0].update(name={"en": "Brass Compass", "sv": "Mässingskompass"}),
            lambda file: file["items"][0].update(type="digital"),
            lambda file: file["boxes"][0]["prizes"][2]["bonus"].update(code="FS11"),
            lambda file: file["boxes"][0]["prizes"][2]["bonus"].update(payload={"spins": 11}),
        ],
    )
    def test_publishes_when_a_version_would_differ(self, operator: Operator, file: Any, change: Change) -> None:
        load(operator, file)
        change(file)
        result = load(operator, file)
        assert [(box.version_number, box.published) for box in result.boxes] == [(2, True)]
        assert load(operator, file).boxes[0].published is False

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            (lambda file: file["boxes"][0].update(name={"en": "Crate", "sv": "Låda"}), {"name": {"en": "Crate", "sv": "Låda"}}),
            (lambda file: file["boxes"][0].update(active=False), {"active": False}),
            (lambda file: file["boxes"][0].update(refundable=False), {"refundable": False}),
            (lambda file: file["boxes"][0].update(attributes={"is_new": False}), {"attributes": {"is_new": False}}),
            (
                lambda file: file["boxes"][0].update(image={"default": "/a.png", "webp": "/a.webp", "alt": "A crate"}),
                {"image_url": "/a.png", "image_webp_url": "/a.webp", "image_alt": {"en": "A crate"}},
            ),
        ],
    )
    def test_changes_a_boxs_looks_without_publishing(
        self, operator: Operator, file: Any, change: Change, expected: dict[str, Any]
    ) -> None:
        load(operator, file)
        change(file)
        assert load(operator, file).boxes[0].version_number == 1
        assert Box.objects.values(*expected).get() == expected

    def test_changes_an_item_without_publishing_when_its_value_and_name_stay(self, operator: Operator, file: Any) -> None:
        load(operator, file)
        file["items"][0].update(cashbackMinor=None, shippable=False, imageUrl="https://cdn.example/compass.png")
        assert load(operator, file).boxes[0].version_number == 1
        item = Item.objects.get()
        assert (item.cashback_minor, item.shippable, item.image_url) == (None, False, "https://cdn.example/compass.png")

    def test_leaves_alone_what_is_not_in_it(self, operator: Operator, file: Any) -> None:
        load(operator, file)
        Box.objects.update(active=False, image_url="/kept.png")
        file["boxes"].append({**file["boxes"][0], "slug": "second"})
        file["items"].append({**file["items"][0], "sku": "map"})
        load(operator, file)
        del file["attributes"], file["boxes"][0]["active"], file["items"][1]
        result = load(operator, {"items": [{**file["items"][0], "valueMinor": 999}], "boxes": [file["boxes"][1]]})
        assert [(box.slug, box.version_number) for box in result.boxes] == [("second", 2)]
        assert Item.objects.get(sku="map").value_minor == 480
        first = Box.objects.get(slug="harbour")
        assert (first.image_url, first.attributes) == ("/kept.png", {"is_new": True})
        assert first.versions.get(superseded_at=None).prizes.get(kind="item").value_minor == 480

    def test_keeps_a_box_switched_off_unless_it_says_otherwise(self, operator: Operator, file: Any) -> None:
        load(operator, file)
        Box.objects.update(active=False)
        del file["boxes"][0]["active"]
        load(operator, file)
        assert Box.objects.get().active is False

    def test_sets_one_attribute_and_keeps_the_others(self, operator: Operator, file: Any) -> None:
        file["attributes"].append({"name": "rating", "type": "number"})
        load(operator, file)
        file["boxes"][0]["attributes"] = {"rating": 4.5}
        load(operator, file)
        assert Box.objects.get().attributes == {"is_new": True, "rating": 4.5}

    def test_may_use_what_an_earlier_file_made(self, operator: Operator, file: Any) -> None:
        load(operator, file)
        result = load(operator, {"boxes": [{**file["boxes"][0], "slug": "second"}]})
        assert Prize.objects.get(version=result.boxes[0].box_version_id, kind="item").item == Item.objects.get()


def put(*path: str | int, value: Any) -> Change:
    """Return the change that sets one place of the file."""

    def change(file: Any) -> None:
        for step in path[:-1]:
            file = file[step]
        file[path[-1]] = value

    return change


def drop(*path: str | int) -> Change:
    """Return the change that removes one place of the file."""

    def change(file: Any) -> None:
        for step in path[:-1]:
            file = file[step]
        del file[path[-1]]

    return change


PRIZE = ("boxes", 0, "prizes", 0)
CASH = ("boxes", 0, "prizes", 1, "cash")
BONUS = ("boxes", 0, "prizes", 2, "bonus")


class TestAMistake:
    @pytest.mark.parametrize(
        ("change", "place"),
        [
            (put("item", value=[]), "item"),
            (put("boxes", value={}), "boxes"),
            (put("boxes", 0, value="harbour"), "boxes[0]"),
            (put("items", 0, "casbackMinor", value=1), "items[0].casbackMinor"),
            (put("items", 0, "line\nbreak", value=1), "items[0].'line\\nbreak'"),
            (drop("items", 0, "sku"), "items[0].sku"),
            (put("items", 0, "sku", value="x" * 101), "items[0].sku"),
            (put("items", 0, "type", value="virtual"), "items[0].type"),
            (put("items", 0, "valueMinor", value=-1), "items[0].valueMinor"),
            (put("items", 0, "valueMinor", value=5.0), "items[0].valueMinor"),
            (put("items", 0, "valueMinor", value="5"), "items[0].valueMinor"),
            (put("items", 0, "valueMinor", value=True), "items[0].valueMinor"),
            (put("items", 0, "valueMinor", value=MAX_MINOR + 1), "items[0].valueMinor"),
            (put("items", 0, "cashbackMinor", value=-1), "items[0].cashbackMinor"),
            (put("items", 0, "shippable", value="yes"), "items[0].shippable"),
            (put("items", 0, "imageUrl", value="javascript:alert(1)"), "items[0].imageUrl"),
            (put("items", 0, "name", value=""), "items[0].name"),
            (put("items", 0, "name", value=5), "items[0].name"),
            (put("items", 0, "name", value="nul\x00"), "items[0].name"),
            (put("items", 0, "name", value="\ud800"), "items[0].name"),
            (put("items", 0, "name", value={"sv": "Kompass"}), "items[0].name"),
            (put("items", 0, "name", value={"en": "Compass", "de": "Kompass"}), "items[0].name"),
            (put("items", 0, "name", value={"en": "Compass", "sv": 5}), "items[0].name.sv"),
            (lambda file: file["items"].append(file["items"][0]), "items[1].sku"),
            (lambda file: file["boxes"].append(file["boxes"][0]), "boxes[1].slug"),
            (lambda file: file["attributes"].append(file["attributes"][0]), "attributes[1].name"),
            (put("attributes", 0, "name", value="is new"), "attributes[0].name"),
            (put("attributes", 0, "type", value="date"), "attributes[0].type"),
            (put("attributes", 0, "default", value="no"), "attributes[0].default"),
            (put("boxes", 0, "slug", value="harbour,crate"), "boxes[0].slug"),
            (put("boxes", 0, "priceMinor", value=0), "boxes[0].priceMinor"),
            (put("boxes", 0, "priceMinor", value=5.0), "boxes[0].priceMinor"),
            (put("boxes", 0, "active", value=None), "boxes[0].active"),
            (put("boxes", 0, "attributes", "is_old", value=True), "boxes[0].attributes.is_old"),
            (put("boxes", 0, "attributes", "is_new", value=1), "boxes[0].attributes.is_new"),
            (put("boxes", 0, "image", value={"webp": "/a.webp"}), "boxes[0].image.default"),
            (put("boxes", 0, "prizes", value=[]), "boxes[0].prizes"),
            (drop("boxes", 0, "prizes"), "boxes[0].prizes"),
            (put(*PRIZE, "weight", value=0), "boxes[0].prizes[0].weight"),
            (put(*PRIZE, "weight", value=0.5), "boxes[0].prizes[0].weight"),
            (put(*PRIZE, "weight", value=MAX_MINOR), "boxes[0].prizes"),
            (put(*PRIZE, "item", value="sextant"), "boxes[0].prizes[0].item"),
            (put(*PRIZE, "cash", value={"name": "5 euro", "valueMinor": 500}), "boxes[0].prizes[0]"),
            (drop(*PRIZE, "item"), "boxes[0].prizes[0]"),
            (put(*CASH, value=500), "boxes[0].prizes[1].cash"),
            (put(*CASH, "valueMinor", value=-1), "boxes[0].prizes[1].cash.valueMinor"),
            (put(*CASH, "valueMinor", value=MAX_MINOR), "boxes[0].priceMinor"),
            (drop(*BONUS, "code"), "boxes[0].prizes[2].bonus.code"),
            (put(*BONUS, "payload", value=[]), "boxes[0].prizes[2].bonus.payload"),
            (put(*BONUS, "payload", "a", value=["\x00"]), "boxes[0].prizes[2].bonus.payload.a[0]"),
            (put(*BONUS, "payload", "\x00", value=1), "boxes[0].prizes[2].bonus.payload"),
            (put(*BONUS, "payload", "n", value=1e300), "boxes[0].prizes[2].bonus.payload.n"),
        ],
    )
    def test_is_named_by_its_place_and_nothing_is_imported(
        self, operator: Operator, file: Any, change: Change, place: str
    ) -> None:
        change(file)
        assert refusal(operator, file)[0] == place

    @pytest.mark.parametrize("document", [None, [], "boxes", 5])
    def test_is_a_file_that_holds_no_object(self, operator: Operator, document: Any) -> None:
        assert refusal(operator, document) == ["the file"]

    def test_is_reported_with_all_the_others(self, operator: Operator, file: Any) -> None:
        file["items"][0]["valueMinor"] = -1
        file["boxes"][0]["prizes"][2]["weight"] = 0
        assert refusal(operator, file) == ["items[0].valueMinor", "boxes[0].prizes[2].weight"]

    def test_is_an_item_of_another_operator(self, operator: Operator, file: Any) -> None:
        ItemFactory.create(sku="sextant")
        file["boxes"][0]["prizes"][0]["item"] = "sextant"
        assert refusal(operator, file, items=1) == ["boxes[0].prizes[0].item"]

    def test_is_an_attribute_that_was_declared_otherwise(self, operator: Operator, file: Any) -> None:
        load(operator, {"attributes": [{"name": "is_new", "type": "text"}]})
        with pytest.raises(ApiError) as error:
            load(operator, file)
        assert list(error.value.fields or {}) == ["attributes[0].type", "boxes[0].attributes.is_new"]
        assert not Box.objects.exists()

    def test_leaves_what_was_there_untouched(self, operator: Operator, file: Any) -> None:
        load(operator, file)
        before = Operator.objects.get(pk=operator.pk).version
        file["items"][0]["valueMinor"] = 999
        file["boxes"].append({**file["boxes"][0], "slug": "second", "priceMinor": 0})
        with pytest.raises(ApiError):
            load(operator, file)
        assert (Item.objects.get().value_minor, Box.objects.count(), BoxVersion.objects.count()) == (480, 1, 1)
        assert Operator.objects.get(pk=operator.pk).version == before


class TestAnotherOperator:
    def test_may_have_the_same_slugs_and_skus(self, operator: Operator, file: Any) -> None:
        load(operator, file)
        result = load(OperatorFactory.create(), file)
        assert result.boxes[0].version_number == 1
        assert Box.objects.count() == 2


def refusal(operator: Operator, document: Any, *, items: int = 0) -> list[str]:
    """Return the places that an import is refused for, and check that it left nothing."""
    with pytest.raises(ApiError) as error:
        load(operator, document)
    assert error.value.code == "VALIDATION_FAILED"
    assert [model.objects.count() for model in (Attribute, Item, Box, BoxVersion, Prize)] == [0, items, 0, 0, 0]
    return list(error.value.fields or {})
