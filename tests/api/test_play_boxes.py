"""The catalogue in a session and for guests, contract sections 4 and 8."""

from decimal import Decimal

import pytest
from django.utils import timezone

from catalog.models import Box, PinnedRate
from catalog.rates import set_rate
from operators.services import NewOperator, change_settings
from play.models import Session
from tests.conftest import HARBOUR, SURE_CASH, publish_boxes
from tests.factories.catalog import BoxVersionFactory
from tests.player import PlayClient, enter
from tests.signed import SignedClient


@pytest.fixture
def in_kronor(acme: NewOperator) -> NewOperator:
    """Return Acme, also in Swedish and in kronor at 10 for a euro, with boxes."""
    change_settings(operator=acme.operator, changes={"currencies": "EUR,SEK", "locales": "en,sv"}, at=timezone.now())
    set_rate(base="EUR", quote="SEK", rate="10", source="test", at=timezone.now())
    publish_boxes(acme, HARBOUR | {"name": {"en": "Harbour Crate", "sv": "Hamnlåda"}}, SURE_CASH)
    return acme


def harbour_id(acme: NewOperator) -> int:
    """Return the id of Acme's Harbour Crate."""
    return Box.objects.get(operator=acme.operator, slug="harbour").pk


class TestBoxes:
    def test_are_in_the_sessions_language_and_currency(self, s2s: SignedClient, in_kronor: NewOperator) -> None:
        player = enter(s2s, locale="sv", currency="SEK")
        shown = player.get("boxes?locale=en&currency=EUR&sort=-name")
        assert shown.status == 200
        assert [(box["name"], box["priceMinor"], box["currency"]) for box in shown.body["boxes"]] == [
            ("Sure Cash", 5000, "SEK"),
            ("Hamnlåda", 5000, "SEK"),
        ]
        assert shown.body["pagination"] == {"page": 1, "perPage": 100, "total": 2, "lastPage": 1}

    def test_are_the_signed_surfaces_own(self, s2s: SignedClient, in_kronor: NewOperator) -> None:
        player, box = enter(s2s), harbour_id(in_kronor)
        assert player.get("boxes").body == s2s.get("/api/s2s/boxes").body
        assert player.get(f"boxes/{box}").body == s2s.get(f"/api/s2s/boxes/{box}").body

    def test_are_not_sent_twice(self, s2s: SignedClient, in_kronor: NewOperator) -> None:
        player = enter(s2s)
        first = player.get("boxes")
        again = player.get("boxes", If_None_Match=first.headers["ETag"])
        assert (again.status, again.body) == (304, {})
        assert again.headers["Access-Control-Allow-Origin"] == "*"

    def test_refuse_what_they_can_not_sort_by(self, s2s: SignedClient, in_kronor: NewOperator) -> None:
        assert enter(s2s).get("boxes?sort=odds").code == "VALIDATION_FAILED"

    def test_pin_the_sessions_own_rate_and_not_the_operators(self, s2s: SignedClient, in_kronor: NewOperator) -> None:
        player = enter(s2s, currency="SEK")
        set_rate(base="EUR", quote="SEK", rate="11", source="test", at=timezone.now())
        assert Session.objects.get().pinned_rate == 10
        assert player.get(f"boxes/{harbour_id(in_kronor)}").body["box"]["priceMinor"] == 5500
        assert Session.objects.get().pinned_rate == Decimal(11)
        assert not PinnedRate.objects.exists()


class TestABox:
    def test_shows_its_odds(self, s2s: SignedClient, in_kronor: NewOperator) -> None:
        box = enter(s2s, locale="sv").get(f"boxes/{harbour_id(in_kronor)}").body["box"]
        assert box["name"] == "Hamnlåda"
        assert [prize["odds"] for prize in box["prizes"]] == [0.9, 0.09, 0.01]

    def test_of_another_operator_is_unknown(self, s2s: SignedClient, in_kronor: NewOperator, stranger: NewOperator) -> None:
        theirs = BoxVersionFactory.create(box__operator=stranger.operator)
        player = enter(s2s, currency="SEK")
        set_rate(base="EUR", quote="SEK", rate="11", source="test", at=timezone.now())
        refused = player.get(f"boxes/{theirs.box_id}")
        assert (refused.status, refused.code) == (404, "UNKNOWN_BOX")
        assert Session.objects.get().pinned_rate == 10, "no price was shown"


class TestAGuest:
    def test_sees_operator_theme_and_box(self, in_kronor: NewOperator) -> None:
        box = harbour_id(in_kronor)
        shown = PlayClient(host="acme.localhost").get(f"guest/bootstrap?boxId={box}")
        assert shown.status == 200
        target = shown.body["game"]["target"]
        assert shown.body == {
            "tenant": {"name": "Acme", "locale": "en", "currency": "EUR", "logoUrl": None},
            "theme": {"tokens": {}},
            "game": {
                "key": "mystery_box",
                "maxReels": 10,
                "target": {
                    "boxId": box,
                    "boxVersionId": target["boxVersionId"],
                    "name": "Harbour Crate",
                    "priceMinor": 500,
                    "currency": "EUR",
                    "freeOpens": 0,
                    "autoOpen": False,
                },
            },
        }

    def test_names_the_operator_on_a_bare_host(self, in_kronor: NewOperator) -> None:
        guest = PlayClient()
        assert guest.get("guest/bootstrap?operator=acme").body["game"]["target"] is None
        refused = guest.get("guest/bootstrap")
        assert (refused.code, list(refused.body["error"]["fields"])) == ("VALIDATION_FAILED", ["operator"])
        assert guest.get("guest/bootstrap?operator=nobody").code == "NOT_FOUND"

    def test_may_ask_for_language_and_currency(self, in_kronor: NewOperator) -> None:
        shown = PlayClient().get(f"guest/bootstrap?operator=acme&boxId={harbour_id(in_kronor)}&locale=sv&currency=SEK")
        target = shown.body["game"]["target"]
        assert (target["name"], target["priceMinor"], target["currency"]) == ("Hamnlåda", 5000, "SEK")
        assert not PinnedRate.objects.exists()

    def test_is_not_shown_what_can_not_be_bought(self, in_kronor: NewOperator, stranger: NewOperator) -> None:
        guest, box = PlayClient(), harbour_id(in_kronor)
        assert guest.get(f"guest/bootstrap?operator=stranger&boxId={box}").code == "UNKNOWN_BOX"
        assert guest.get("guest/bootstrap?operator=acme&boxId=x").code == "VALIDATION_FAILED"
        Box.objects.filter(pk=box).update(active=False)
        assert guest.get(f"guest/bootstrap?operator=acme&boxId={box}").code == "BOX_NOT_PLAYABLE"
        change_settings(operator=in_kronor.operator, changes={}, suspended=True, at=timezone.now())
        assert guest.get("guest/bootstrap?operator=acme").code == "TENANT_SUSPENDED"
