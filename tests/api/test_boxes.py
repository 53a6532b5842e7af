"""`GET /api/s2s/boxes` and what is below it: contract section 4."""

import copy
import json
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.importing import ImportResult, import_boxes
from catalog.models import Attribute, Box, Item, PinnedRate
from operators.models import Operator
from operators.services import NewOperator
from tests.conftest import make_operator
from tests.factories.catalog import HARBOUR, BoxFactory, BoxVersionFactory, ExchangeRateFactory
from tests.signed import Answer, SignedClient

BOXES = "/api/s2s/boxes"
IMAGE = {"default": "/harbour.png", "webp": "/harbour.webp", "alt": {"en": "A crate", "sv": "En låda"}}


@pytest.fixture
def acme(db: None) -> NewOperator:
    """Return the operator that these tests are about. No money moves here, so a rollback does."""
    return make_operator()


@pytest.fixture
def stranger(db: None) -> NewOperator:
    """Return another operator."""
    return make_operator("stranger")


def load(made: NewOperator, file: Any) -> ImportResult:
    """Import a catalogue file, as the command does."""
    return import_boxes(operator=made.operator, document=file, at=timezone.now())


def shelf(*boxes: dict[str, Any], attributes: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """Return a file of cash boxes; each says what it has beside the usual."""
    prizes = [{"weight": 1, "cash": {"name": "4 euro", "valueMinor": 400}}]
    usual = {"priceMinor": 500, "prizes": prizes}
    return {"attributes": attributes or [], "boxes": [{**usual, "name": box["slug"].title(), **box} for box in boxes]}


def listed(s2s: SignedClient, **parameters: Any) -> Answer:
    """Ask for boxes; `filter_x` stands for `filter[x]`."""
    query = {f"filter[{name[7:]}]" if name.startswith("filter_") else name: value for name, value in parameters.items()}
    return s2s.get(f"{BOXES}?{urlencode(query)}")


def slugs(s2s: SignedClient, **parameters: Any) -> list[str]:
    """Return the slugs that a list names."""
    answer = listed(s2s, **parameters)
    assert answer.status == 200, answer.body
    return [box["slug"] for box in answer.body["boxes"]]


def refused(s2s: SignedClient, name: str, value: str) -> bool:
    """Return whether a list with this parameter is refused, and the refusal names the parameter."""
    answer = s2s.get(f"{BOXES}?{urlencode({name: value})}")
    shown = name if name.isprintable() else ascii(name)
    return answer.code == "VALIDATION_FAILED" and answer.status == 422 and list(answer.body["error"]["fields"]) == [shown]


@pytest.fixture
def harbour(acme: NewOperator) -> ImportResult:
    """Return the interface's file as imported for Acme, which speaks two languages."""
    Operator.objects.update(locales=["en", "sv"], currencies=["EUR", "SEK", "JPY", "KWD"])
    file = copy.deepcopy(dict(HARBOUR))
    file["boxes"][0] |= {"name": {"en": "Harbour Crate", "sv": "Hamnlåda"}, "image": IMAGE}
    file["items"][0] |= {"name": {"en": "Brass Compass", "sv": "Mässingskompass"}, "imageUrl": "/compass.png"}
    return load(acme, file)


@pytest.fixture
def shelves(acme: NewOperator) -> ImportResult:
    """Return five boxes that differ in all that can be asked for."""
    attributes: list[dict[str, Any]] = [
        {"name": "is_new", "type": "boolean", "default": False},
        {"name": "rating", "type": "number"},
        {"name": "theme", "type": "text", "default": "sea"},
    ]
    file = shelf(
        {"slug": "anchor", "priceMinor": 900, "attributes": {"is_new": True, "rating": 10}},
        {"slug": "buoy", "name": "buoy", "priceMinor": 100, "attributes": {"rating": 9}},
        {"slug": "capstan", "priceMinor": 500, "attributes": {"rating": 9.5, "theme": "land"}},
        {"slug": "dory", "priceMinor": 300, "attributes": {"is_new": True, "theme": "air"}},
        {"slug": "ebb", "active": False},
        attributes=attributes,
    )
    result = load(acme, file)
    BoxFactory.create(operator=acme.operator, slug="draft", name={"en": "Draft"})
    return result


class TestTheList:
    def test_shows_a_box_as_the_contract_says(self, s2s: SignedClient, harbour: ImportResult) -> None:
        box = harbour.boxes[0]
        answer = s2s.get(BOXES)
        assert (answer.status, answer.body) == (
            200,
            {
                "boxes": [
                    {
                        "boxId": box.box_id,
                        "boxVersionId": box.box_version_id,
                        "name": "Harbour Crate",
                        "slug": "harbour",
                        "isActive": True,
                        "isPublished": True,
                        "versionNumber": 1,
                        "priceMinor": 500,
                        "currency": "EUR",
                        "houseEdgeBps": 440,
                        "image": {"alt": "A crate", "webp": "/harbour.webp", "default": "/harbour.png"},
                        "customAttributes": {"is_new": True},
                    }
                ],
                "pagination": {"page": 1, "perPage": 100, "total": 1, "lastPage": 1},
            },
        )

    def test_is_empty_for_an_operator_without_boxes(self, s2s: SignedClient) -> None:
        answer = s2s.get(BOXES)
        assert answer.body == {"boxes": [], "pagination": {"page": 1, "perPage": 100, "total": 0, "lastPage": 1}}

    def test_shows_active_boxes_with_a_version_by_name(self, s2s: SignedClient, shelves: ImportResult) -> None:
        assert slugs(s2s) == ["anchor", "buoy", "capstan", "dory"]

    def test_fills_in_what_a_box_does_not_have(self, s2s: SignedClient, shelves: ImportResult) -> None:
        (draft,) = listed(s2s, filter_slug="draft").body["boxes"]
        assert draft["customAttributes"] == {"is_new": False, "theme": "sea"}
        assert draft["image"] == {"alt": None, "webp": None, "default": None}
        assert draft["isPublished"] is False
        assert {draft[name] for name in ("boxVersionId", "versionNumber", "priceMinor", "houseEdgeBps")} == {None}

    def test_calls_a_picture_without_words_by_the_boxs_name(self, s2s: SignedClient, harbour: ImportResult) -> None:
        Box.objects.update(image_alt={}, image_webp_url="")
        (box,) = s2s.get(BOXES).body["boxes"]
        assert box["image"] == {"alt": "Harbour Crate", "webp": None, "default": "/harbour.png"}

    def test_is_in_the_language_asked_for(self, s2s: SignedClient, harbour: ImportResult) -> None:
        (box,) = listed(s2s, locale="sv").body["boxes"]
        assert (box["name"], box["image"]["alt"]) == ("Hamnlåda", "En låda")

    def test_falls_back_to_the_default_language(self, s2s: SignedClient, shelves: ImportResult) -> None:
        Operator.objects.update(locales=["en", "sv"])
        assert listed(s2s, locale="sv", filter_slug="anchor").body["boxes"][0]["name"] == "Anchor"

    def test_never_shows_anothers_box(
        self, s2s: SignedClient, stranger_s2s: SignedClient, harbour: ImportResult, stranger: NewOperator
    ) -> None:
        theirs = load(stranger, shelf({"slug": "theirs"})).boxes[0]
        assert slugs(s2s) == ["harbour"]
        assert slugs(s2s, ids=theirs.box_id) == []
        assert slugs(stranger_s2s) == ["theirs"]


class TestAFilter:
    @pytest.mark.parametrize(
        ("parameters", "expected"),
        [
            ({"filter_name": "Anchor"}, ["anchor"]),
            ({"filter_name": "Anchor,Dory"}, ["anchor", "dory"]),
            ({"filter_name": "Anc"}, []),
            ({"filter_slug": "ebb,draft"}, ["draft", "ebb"]),
            ({"filter_isActive": "false"}, ["ebb"]),
            ({"filter_isActive": "true,false", "filter_meta.is_new": "true"}, ["anchor", "dory"]),
            ({"filter_isActive": "true", "filter_meta.is_new": "false"}, ["buoy", "capstan", "draft"]),
            ({"filter_meta.rating": "9,10.0"}, ["anchor", "buoy"]),
            ({"filter_meta.rating": "9.5"}, ["capstan"]),
            ({"filter_meta.theme": "land,air"}, ["capstan", "dory"]),
            ({"filter_meta.theme": "sea", "filter_meta.is_new": "true"}, ["anchor"]),
        ],
    )
    def test_keeps_what_has_one_of_its_values(
        self, s2s: SignedClient, shelves: ImportResult, parameters: dict[str, str], expected: list[str]
    ) -> None:
        assert slugs(s2s, **parameters) == expected

    def test_by_ids_gives_exactly_these_whatever_their_state(self, s2s: SignedClient, shelves: ImportResult) -> None:
        ids = {box.slug: box.box_id for box in shelves.boxes}
        assert slugs(s2s, ids=f"{ids['ebb']},{ids['anchor']},{ids['ebb']},999999999") == ["anchor", "ebb"]
        assert slugs(s2s, ids=f"{ids['ebb']},{ids['anchor']}", filter_isActive="true") == ["anchor"]

    def test_is_on_the_name_in_the_language_asked_for(self, s2s: SignedClient, harbour: ImportResult) -> None:
        assert slugs(s2s, locale="sv", filter_name="Hamnlåda") == ["harbour"]
        assert slugs(s2s, filter_name="Hamnlåda") == []

    def test_that_nobody_knows_is_refused(self, s2s: SignedClient, shelves: ImportResult) -> None:
        for name in ("price", "meta.unknown", "meta.", "", "operator_id", "a\nb"):
            assert refused(s2s, f"filter[{name}]", "x")
        assert refused(s2s, "filter", "x")
        assert refused(s2s, "filter[slug", "x")

    def test_with_a_wrong_value_is_refused(self, s2s: SignedClient, shelves: ImportResult) -> None:
        for name, values in {
            "filter[isActive]": ["1", "True", "true,", ""],
            "filter[meta.is_new]": ["yes"],
            "filter[meta.rating]": ["nine", "1e3", "9,", "\u0663", "NaN", "9" * 17],
            "filter[name]": ["", "nul\x00", "x" * 2001],
        }.items():
            for value in values:
                assert refused(s2s, name, value), (name, value)

    def test_by_malformed_ids_is_refused(self, s2s: SignedClient, shelves: ImportResult) -> None:
        for ids in ("", "0", "-1", "1,,2", "1.0", "one", "1 ", "9" * 30, ",".join(map(str, range(1, 202)))):
            assert refused(s2s, "ids", ids), ids


class TestASort:
    @pytest.mark.parametrize(
        ("sort", "expected"),
        [
            ("name", ["anchor", "buoy", "capstan", "dory"]),
            ("-name", ["dory", "capstan", "buoy", "anchor"]),
            ("price", ["buoy", "dory", "capstan", "anchor"]),
            ("-price", ["anchor", "capstan", "dory", "buoy"]),
            ("meta.rating", ["buoy", "capstan", "anchor", "dory"]),
            ("-meta.rating", ["anchor", "capstan", "buoy", "dory"]),
            ("meta.is_new", ["buoy", "capstan", "anchor", "dory"]),
            ("meta.theme", ["dory", "capstan", "anchor", "buoy"]),
        ],
    )
    def test_orders_by_value_and_then_by_age(
        self, s2s: SignedClient, shelves: ImportResult, sort: str, expected: list[str]
    ) -> None:
        assert slugs(s2s, sort=sort) == expected

    def test_puts_a_box_without_a_price_last(self, s2s: SignedClient, shelves: ImportResult) -> None:
        for sort in ("price", "-price"):
            assert slugs(s2s, sort=sort, filter_slug="draft,anchor,buoy")[-1] == "draft"

    def test_that_nobody_knows_is_refused(self, s2s: SignedClient, shelves: ImportResult) -> None:
        for sort in ("", "-", "slug", "--name", "name,price", "meta.unknown", "meta.", "Name", "name\x00"):
            assert refused(s2s, "sort", sort), sort


class TestAPage:
    def test_holds_as_many_as_asked_for(self, s2s: SignedClient, shelves: ImportResult) -> None:
        answer = listed(s2s, perPage=3, page=2)
        assert [box["slug"] for box in answer.body["boxes"]] == ["dory"]
        assert answer.body["pagination"] == {"page": 2, "perPage": 3, "total": 4, "lastPage": 2}

    def test_may_be_sized_by_limit(self, s2s: SignedClient, shelves: ImportResult) -> None:
        assert listed(s2s, limit=3).body["pagination"]["perPage"] == 3
        assert listed(s2s, limit=3, perPage=2).body["pagination"]["perPage"] == 2

    def test_beyond_the_last_is_the_last(self, s2s: SignedClient, shelves: ImportResult) -> None:
        answer = listed(s2s, perPage=3, page=99)
        assert [box["slug"] for box in answer.body["boxes"]] == ["dory"]
        assert answer.body["pagination"]["page"] == 2

    def test_larger_than_the_largest_is_the_largest(self, s2s: SignedClient, shelves: ImportResult) -> None:
        assert listed(s2s, perPage=201).body["pagination"]["perPage"] == 200

    @pytest.mark.parametrize("name", ["page", "perPage", "limit"])
    def test_that_is_malformed_is_refused(self, s2s: SignedClient, name: str) -> None:
        for value in ("0", "-1", "1.0", "one", "", "\uff11", "+1", " 1"):
            assert refused(s2s, name, value), value


class TestTheDetail:
    def test_shows_the_prize_table_as_the_contract_says(self, s2s: SignedClient, harbour: ImportResult) -> None:
        box = harbour.boxes[0]
        answer = s2s.get(f"{BOXES}/{box.box_id}")
        item = Item.objects.get()
        assert (answer.status, answer.body) == (
            200,
            {
                "box": {
                    "boxId": box.box_id,
                    "boxVersionId": box.box_version_id,
                    "versionNumber": 1,
                    "name": "Harbour Crate",
                    "priceMinor": 500,
                    "currency": "EUR",
                    "houseEdgeBps": 440,
                    "snapshotUrl": f"/fairness/box-version/{box.box_version_id}/snapshot",
                    "customAttributes": {"is_new": True},
                    "prizes": [
                        {
                            "itemId": item.pk,
                            "kind": "item",
                            "name": "Brass Compass",
                            "valueMinor": 480,
                            "currency": "EUR",
                            "imageUrl": "/compass.png",
                            "odds": 0.9,
                        },
                        {
                            "itemId": None,
                            "kind": "cash",
                            "name": "5 euro",
                            "valueMinor": 500,
                            "currency": "EUR",
                            "imageUrl": None,
                            "odds": 0.09,
                        },
                        {
                            "itemId": None,
                            "kind": "bonus",
                            "name": "10 free spins",
                            "valueMinor": 100,
                            "currency": "EUR",
                            "imageUrl": None,
                            "odds": 0.01,
                        },
                    ],
                }
            },
        )

    def test_is_in_the_language_asked_for_as_far_as_it_was_published(self, s2s: SignedClient, harbour: ImportResult) -> None:
        box = s2s.get(f"{BOXES}/{harbour.boxes[0].box_id}?locale=sv").body["box"]
        assert [box["name"], *(prize["name"] for prize in box["prizes"])] == [
            "Hamnlåda",
            "Mässingskompass",
            "5 euro",
            "10 free spins",
        ]

    def test_shows_prizes_as_they_were_published(self, s2s: SignedClient, harbour: ImportResult) -> None:
        Item.objects.update(name={"en": "Silver Compass"}, value_minor=999, image_url="/silver.png")
        prize = s2s.get(f"{BOXES}/{harbour.boxes[0].box_id}").body["box"]["prizes"][0]
        assert (prize["name"], prize["valueMinor"], prize["imageUrl"]) == ("Brass Compass", 480, "/silver.png")

    def test_shows_an_inactive_box(self, s2s: SignedClient, harbour: ImportResult) -> None:
        Box.objects.update(active=False)
        assert s2s.get(f"{BOXES}/{harbour.boxes[0].box_id}").status == 200


class TestTheVersion:
    def test_is_what_can_be_bought(self, s2s: SignedClient, harbour: ImportResult) -> None:
        box = harbour.boxes[0]
        answer = s2s.get(f"{BOXES}/{box.box_id}/version")
        assert (answer.status, answer.body) == (
            200,
            {
                "boxId": box.box_id,
                "boxVersionId": box.box_version_id,
                "versionNumber": 1,
                "priceMinor": 500,
                "currency": "EUR",
            },
        )

    def test_moves_on_with_a_publication(self, s2s: SignedClient, harbour: ImportResult) -> None:
        version = BoxVersionFactory.create(box=Box.objects.get(), price_minor=600)
        answer = s2s.get(f"{BOXES}/{harbour.boxes[0].box_id}/version")
        assert (answer.body["boxVersionId"], answer.body["versionNumber"], answer.body["priceMinor"]) == (version.pk, 2, 600)


@pytest.mark.parametrize("below", ["", "/version"])
class TestABoxThatIsNotThere:
    def test_is_unknown(self, s2s: SignedClient, below: str) -> None:
        for box_id in ("0", "999999999", "9" * 40):
            answer = s2s.get(f"{BOXES}/{box_id}{below}")
            assert (answer.status, answer.code) == (404, "UNKNOWN_BOX")

    def test_is_nowhere_when_its_id_is_none(self, s2s: SignedClient, below: str) -> None:
        for box_id in ("-1", "1.0", "abc", "%00", "\u0661"):
            assert s2s.get(f"{BOXES}/{box_id}{below}").status == 404

    def test_is_unknown_before_its_first_version(self, s2s: SignedClient, shelves: ImportResult, below: str) -> None:
        draft = Box.objects.get(slug="draft")
        assert s2s.get(f"{BOXES}/{draft.pk}{below}").code == "UNKNOWN_BOX"

    def test_is_another_operators(
        self, stranger_s2s: SignedClient, s2s: SignedClient, harbour: ImportResult, below: str
    ) -> None:
        path = f"{BOXES}/{harbour.boxes[0].box_id}{below}"
        assert s2s.get(path).status == 200
        theirs, none = stranger_s2s.get(path), stranger_s2s.get(f"{BOXES}/999999999{below}")
        for answer in (theirs, none):
            del answer.body["error"]["requestId"]
        assert (theirs.status, theirs.body) == (none.status, none.body) == (404, none.body)

    def test_pins_no_rate(self, s2s: SignedClient, harbour: ImportResult, below: str) -> None:
        ExchangeRateFactory.create()
        assert s2s.get(f"{BOXES}/999999999{below}?currency=SEK").code == "UNKNOWN_BOX"
        assert not PinnedRate.objects.exists()


class TestALanguage:
    @pytest.mark.parametrize("below", ["", "/{}", "/{}/version"])
    def test_that_is_not_the_operators_is_refused(self, s2s: SignedClient, harbour: ImportResult, below: str) -> None:
        for locale in ("de", "SV", "en-GB", "../en"):
            answer = s2s.get(f"{BOXES}{below.format(harbour.boxes[0].box_id)}?{urlencode({'locale': locale})}")
            assert (answer.status, answer.code) == (422, "UNSUPPORTED_LOCALE")

    def test_that_is_malformed_is_refused(self, s2s: SignedClient) -> None:
        for locale in ("", "en\x00", "e" * 36):
            assert refused(s2s, "locale", locale), locale


class TestAnotherCurrency:
    @pytest.mark.parametrize(
        ("currency", "rate", "amounts"),
        [("SEK", "11.2345", (5617, 5393)), ("JPY", "161.35", (807, 774)), ("KWD", "0.3301", (1651, 1584))],
    )
    def test_converts_each_amount_half_up(
        self, s2s: SignedClient, harbour: ImportResult, currency: str, rate: str, amounts: tuple[int, int]
    ) -> None:
        ExchangeRateFactory.create(quote=currency, rate=Decimal(rate))
        path = f"{BOXES}/{harbour.boxes[0].box_id}"
        box = s2s.get(f"{path}?currency={currency}").body["box"]
        prize = box["prizes"][0]
        assert (box["priceMinor"], prize["valueMinor"]) == amounts
        assert (box["currency"], prize["currency"]) == (currency, currency)
        for row in (listed(s2s, currency=currency).body["boxes"][0], s2s.get(f"{path}/version?currency={currency}").body):
            assert (row["priceMinor"], row["currency"]) == (amounts[0], currency)

    @pytest.mark.parametrize("below", ["", "/{}", "/{}/version"])
    def test_pins_the_rate_that_was_shown(self, s2s: SignedClient, harbour: ImportResult, below: str) -> None:
        path = f"{BOXES}{below.format(harbour.boxes[0].box_id)}?currency=SEK"
        for rate in ("11.2345", "11.3"):
            ExchangeRateFactory.create(rate=Decimal(rate))
            s2s.get(path)
            assert PinnedRate.objects.values_list("currency", "rate").get() == ("SEK", Decimal(rate))

    def test_writes_no_pin_that_is_there(self, s2s: SignedClient, harbour: ImportResult) -> None:
        ExchangeRateFactory.create()
        listed(s2s, currency="SEK")
        with CaptureQueriesContext(connection) as queries:
            listed(s2s, currency="SEK")
        assert {query["sql"].split()[0] for query in queries} == {"SELECT"}

    def test_pins_nothing_in_the_base_currency(self, s2s: SignedClient, harbour: ImportResult) -> None:
        assert listed(s2s, currency="EUR").body["boxes"][0]["priceMinor"] == 500
        assert not PinnedRate.objects.exists()

    def test_that_is_not_the_operators_is_refused(self, s2s: SignedClient, harbour: ImportResult) -> None:
        for currency in ("USD", "sek", "XXX", "E", "SEK "):
            answer = listed(s2s, currency=currency)
            assert (answer.status, answer.code) == (422, "UNSUPPORTED_CURRENCY")

    def test_without_a_rate_is_refused(self, s2s: SignedClient, harbour: ImportResult) -> None:
        assert listed(s2s, currency="SEK").code == "UNSUPPORTED_CURRENCY"
        assert not PinnedRate.objects.exists()

    def test_that_is_malformed_is_refused(self, s2s: SignedClient) -> None:
        assert refused(s2s, "currency", "")


class TestAnUnchangedAnswer:
    @pytest.mark.parametrize("below", ["", "/{}", "/{}/version"])
    def test_is_304_without_a_body(self, s2s: SignedClient, harbour: ImportResult, below: str) -> None:
        path = f"{BOXES}{below.format(harbour.boxes[0].box_id)}"
        first = s2s.get(path)
        again = s2s.get(path, If_None_Match=first.headers["ETag"])
        assert (again.status, again.body, again.headers["ETag"]) == (304, {}, first.headers["ETag"])
        assert s2s.get(path, If_None_Match='"another"').body == first.body

    @pytest.mark.parametrize(
        "change",
        [
            lambda: Box.objects.update(name={"en": "Crate"}),
            lambda: Box.objects.update(attributes={"is_new": False}),
            lambda: Attribute.objects.create(operator=Operator.objects.get(), name="rating", type="number", default=3),
            lambda: Attribute.objects.all().delete(),
            lambda: Item.objects.update(image_url="/other.png"),
            lambda: BoxVersionFactory.create(box=Box.objects.get()),
            lambda: Operator.objects.update(locales=["sv"], default_locale="sv"),
        ],
    )
    def test_changes_the_moment_anything_shown_does(self, s2s: SignedClient, harbour: ImportResult, change: Any) -> None:
        path = f"{BOXES}/{harbour.boxes[0].box_id}"
        first = s2s.get(path)
        change()
        again = s2s.get(path, If_None_Match=first.headers["ETag"])
        assert again.status == 200
        assert again.body != first.body

    def test_changes_with_the_rate(self, s2s: SignedClient, harbour: ImportResult) -> None:
        ExchangeRateFactory.create()
        first = listed(s2s, currency="SEK")
        ExchangeRateFactory.create(rate=Decimal(12))
        again = s2s.get(f"{BOXES}?currency=SEK", If_None_Match=first.headers["ETag"])
        assert again.body["boxes"][0]["priceMinor"] == 6000

    def test_must_be_asked_for_anew_and_by_its_caller_only(self, s2s: SignedClient, harbour: ImportResult) -> None:
        assert s2s.get(BOXES).headers["Cache-Control"] == "private, no-cache"


class TestTheDatabase:
    def test_is_asked_only_whether_anything_changed(self, s2s: SignedClient, harbour: ImportResult) -> None:
        for path in (BOXES, f"{BOXES}/{harbour.boxes[0].box_id}", f"{BOXES}/{harbour.boxes[0].box_id}/version"):
            s2s.get(path)
            with CaptureQueriesContext(connection) as queries:
                s2s.get(path)
            assert [query["sql"].split()[:3] for query in queries] == [["SELECT", "version", "FROM"]]

    def test_is_asked_as_often_for_many_boxes_as_for_one(self, s2s: SignedClient, acme: NewOperator) -> None:
        counts = []
        for most in (1, 30):
            load(acme, shelf(*({"slug": f"box-{number}"} for number in range(most))))
            s2s.get("/api/s2s/health")
            with CaptureQueriesContext(connection) as queries:
                assert len(slugs(s2s)) == most
            counts.append(len(queries))
        assert counts[0] == counts[1]


class TestAnUnsignedCall:
    @pytest.mark.parametrize("below", ["", "/1", "/1/version"])
    def test_is_refused_first(self, harbour: ImportResult, below: str) -> None:
        response = Client().get(f"{BOXES}{below}?page=0")
        assert (response.status_code, json.loads(response.content)["error"]["code"]) == (401, "MISSING_HEADERS")


class TestAWrongMethod:
    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    def test_is_not_allowed(self, s2s: SignedClient, harbour: ImportResult, method: str) -> None:
        for below in ("", "/1", "/1/version"):
            answer = s2s.send(method, f"{BOXES}{below}", b"")
            assert (answer.status, answer.code) == (405, "METHOD_NOT_ALLOWED")
