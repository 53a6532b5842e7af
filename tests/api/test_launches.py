"""`POST /api/s2s/launches`, contract sections 2 and 8."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from pytest_django import Settings

from catalog.models import Box
from lootbox.core import signing
from operators.models import Player
from operators.services import NewOperator, change_settings
from play.models import Launch
from tests.conftest import HARBOUR, publish_boxes
from tests.factories.catalog import BoxVersionFactory
from tests.factories.play import LaunchFactory
from tests.player import LAUNCHES, launch
from tests.signed import Answer, SignedClient


def harbour_id(acme: NewOperator) -> int:
    """Return the id of Acme's Harbour Crate."""
    return Box.objects.get(operator=acme.operator, slug="harbour").pk


class TestALaunch:
    def test_answers_token_address_and_expiry(self, s2s: SignedClient, settings: Settings) -> None:
        before = timezone.now()
        launched = launch(s2s)
        assert launched.status == 201
        assert set(launched.body) == {"launchToken", "launchUrl", "expiresAt"}
        token = launched.body["launchToken"]
        assert re.fullmatch("lt_[A-Za-z0-9_-]{43}", token)
        assert launched.body["launchUrl"] == f"http://127.0.0.1/play?token={token}"
        expires_at = parse_datetime(launched.body["expiresAt"])
        assert expires_at is not None
        assert settings.LOOTBOX_LAUNCH_TTL_S - 2 <= (expires_at - before).total_seconds() <= settings.LOOTBOX_LAUNCH_TTL_S + 2

    def test_stays_on_the_operators_subdomain(self, acme: NewOperator) -> None:
        at_home = SignedClient(key_id=acme.key.key_id, secret=acme.key.secret, host="acme.localhost:8700")
        assert launch(at_home).body["launchUrl"].startswith("http://acme.localhost:8700/play?token=lt_")

    def test_keeps_all_that_was_asked_for(self, s2s: SignedClient, acme: NewOperator, boxes: dict[str, int]) -> None:
        asked = {
            "target": {"boxId": harbour_id(acme), "autoOpen": True},
            "locale": "en",
            "currency": "EUR",
            "returnUrl": "https://casino.example/lobby?from=boxes",
            "balanceMinor": 12_000,
            "funding": "operator",
            "fundingRounds": 100,
        }
        assert launch(s2s, **asked).status == 201
        made = Launch.objects.get()
        assert (made.operator, made.player.external_id) == (acme.operator, "u_1")
        assert (made.box_id, made.auto_open) == (harbour_id(acme), True)
        assert (made.locale, made.currency, made.balance_minor) == ("en", "EUR", 12_000)
        assert made.return_url == "https://casino.example/lobby?from=boxes"
        assert (made.funding, made.funding_rounds) == ("operator", 100)

    def test_stores_no_token(self, s2s: SignedClient) -> None:
        token = launch(s2s).body["launchToken"]
        with connection.cursor() as cursor:
            cursor.execute("SELECT row_to_json(play_launch)::text FROM play_launch")
            [(stored,)] = cursor.fetchall()
        assert token not in stored
        assert token.removeprefix("lt_") not in stored

    def test_is_consumed_once_and_never_changed(self, transactional_db: None) -> None:
        made = LaunchFactory.create()
        Launch.objects.filter(pk=made.pk).update(consumed_at=timezone.now())
        for change in ({"consumed_at": None}, {"funding_rounds": 9, "funding": "operator"}):
            with pytest.raises(IntegrityError, match="only consumed, once"), transaction.atomic():
                Launch.objects.filter(pk=made.pk).update(**change)

    def test_never_points_into_another_tenant(self, acme: NewOperator, stranger: NewOperator, boxes: dict[str, int]) -> None:
        with pytest.raises(IntegrityError, match="same_tenant"), transaction.atomic():
            LaunchFactory.create(operator=stranger.operator, box_id=harbour_id(acme))


class TestTheSameSignedRequest:
    def test_answers_the_same_token_and_mints_no_second(self, s2s: SignedClient, settings: Settings) -> None:
        raw = json.dumps({"playerExternalId": "u_1", "gameKey": "mystery_box"}).encode()
        envelope = signed(s2s, raw)
        first = s2s.send("POST", LAUNCHES, raw, envelope)
        settings.LOOTBOX_LAUNCH_TTL_S = 3600
        again = s2s.send("POST", LAUNCHES, raw, envelope)
        assert (first.status, again.status) == (201, 201)
        assert again.body == first.body
        assert again.headers["Idempotent-Replayed"] == "true"
        assert "Idempotent-Replayed" not in first.headers
        assert Launch.objects.count() == 1

    def test_is_answered_whatever_was_switched_off_since(
        self, s2s: SignedClient, acme: NewOperator, boxes: dict[str, int]
    ) -> None:
        raw = json.dumps({"playerExternalId": "u_1", "gameKey": "mystery_box", "target": {"boxId": harbour_id(acme)}}).encode()
        envelope = signed(s2s, raw)
        first = s2s.send("POST", LAUNCHES, raw, envelope)
        Box.objects.update(active=False)
        assert s2s.send("POST", LAUNCHES, raw, envelope).body == first.body

    def test_mints_one_token_when_sent_many_times_at_once(self, s2s: SignedClient) -> None:
        raw = json.dumps({"playerExternalId": "u_1", "gameKey": "mystery_box"}).encode()
        envelope = signed(s2s, raw)

        def send(_: int) -> Answer:
            with closing(connection):
                return s2s.send("POST", LAUNCHES, raw, envelope)

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(send, range(8)))
        assert {answer.status for answer in answers} == {201}
        assert len({answer.body["launchToken"] for answer in answers}) == 1
        assert Launch.objects.count() == 1

    def test_is_refused_rather_than_minted_anew_under_another_platform_key(self, s2s: SignedClient, settings: Settings) -> None:
        raw = json.dumps({"playerExternalId": "u_1", "gameKey": "mystery_box"}).encode()
        envelope = signed(s2s, raw)
        assert s2s.send("POST", LAUNCHES, raw, envelope).status == 201
        settings.SECRET_KEY = "another-key-of-the-platform"
        assert s2s.send("POST", LAUNCHES, raw, envelope).code == "INVALID_SIGNATURE"
        assert Launch.objects.count() == 1

    def test_is_another_one_with_another_field(self, s2s: SignedClient) -> None:
        first, second = (launch(s2s, requestId=number) for number in (1, 2))
        assert first.body["launchToken"] != second.body["launchToken"]
        assert Launch.objects.count() == 2
        assert Player.objects.count() == 1


class TestARefusedLaunch:
    def test_of_another_game(self, s2s: SignedClient, acme: NewOperator) -> None:
        assert launch(s2s, gameKey="slots").code == "GAME_DISABLED"
        change_settings(operator=acme.operator, changes={"games": ""}, at=timezone.now())
        refuse(launch(s2s), 403, "GAME_DISABLED")

    def test_of_a_suspended_operator(self, s2s: SignedClient, acme: NewOperator) -> None:
        change_settings(operator=acme.operator, changes={}, suspended=True, at=timezone.now())
        refuse(launch(s2s), 403, "TENANT_SUSPENDED")

    def test_of_an_unknown_box(self, s2s: SignedClient, boxes: dict[str, int]) -> None:
        refuse(launch(s2s, target={"boxId": 999_999_999}), 404, "UNKNOWN_BOX")

    def test_of_another_operators_box(self, s2s: SignedClient, stranger: NewOperator) -> None:
        theirs = BoxVersionFactory.create(box__operator=stranger.operator)
        refuse(launch(s2s, target={"boxId": theirs.box_id}), 404, "UNKNOWN_BOX")

    def test_of_an_inactive_box(self, s2s: SignedClient, acme: NewOperator) -> None:
        publish_boxes(acme, HARBOUR | {"active": False})
        refuse(launch(s2s, target={"boxId": harbour_id(acme)}), 409, "BOX_NOT_PLAYABLE")

    def test_in_an_unsupported_language(self, s2s: SignedClient) -> None:
        refuse(launch(s2s, locale="tlh"), 422, "UNSUPPORTED_LOCALE")

    def test_in_an_unsupported_currency(self, s2s: SignedClient) -> None:
        refuse(launch(s2s, currency="SEK"), 422, "UNSUPPORTED_CURRENCY")

    def test_in_a_currency_without_a_rate(self, s2s: SignedClient, acme: NewOperator) -> None:
        change_settings(operator=acme.operator, changes={"currencies": "EUR,SEK"}, at=timezone.now())
        refuse(launch(s2s, currency="SEK"), 422, "UNSUPPORTED_CURRENCY")

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"playerExternalId": None}, "playerExternalId"),
            ({"playerExternalId": "u" * 191}, "playerExternalId"),
            ({"gameKey": None}, "gameKey"),
            ({"target": []}, "target"),
            ({"target": {"boxId": "17"}}, "target.boxId"),
            ({"target": {"boxId": 0}}, "target.boxId"),
            ({"target": {"autoOpen": True}}, "target.boxId"),
            ({"target": {"boxId": 1, "autoOpen": 1}}, "target.autoOpen"),
            ({"locale": 1}, "locale"),
            ({"currency": ["EUR"]}, "currency"),
            ({"returnUrl": "javascript:alert(1)"}, "returnUrl"),
            ({"returnUrl": "//casino.example"}, "returnUrl"),
            ({"returnUrl": "https://"}, "returnUrl"),
            ({"returnUrl": "https://casino.example\n"}, "returnUrl"),
            ({"returnUrl": "https://casino.example/" + "a" * 2048}, "returnUrl"),
            ({"balanceMinor": 12.0}, "balanceMinor"),
            ({"balanceMinor": 2**53}, "balanceMinor"),
            ({"funding": "casino"}, "funding"),
            ({"fundingRounds": 1}, "fundingRounds"),
            ({"funding": "player", "fundingRounds": 1}, "fundingRounds"),
            ({"funding": "operator", "fundingRounds": 0}, "fundingRounds"),
            ({"funding": "operator", "fundingRounds": 101}, "fundingRounds"),
            ({"funding": "operator", "fundingRounds": True}, "fundingRounds"),
        ],
    )
    def test_names_the_field_that_is_wrong(self, s2s: SignedClient, changes: dict[str, Any], field: str) -> None:
        refused = launch(s2s, **changes)
        refuse(refused, 422, "VALIDATION_FAILED")
        assert list(refused.body["error"]["fields"]) == [field]

    def test_with_a_players_token_is_unsigned(self, s2s: SignedClient) -> None:
        token = launch(s2s).body["launchToken"]
        refused = s2s.send("POST", LAUNCHES, b"{}", {"X-Signature": "", "Authorization": f"Bearer {token}"})
        assert (refused.status, refused.code) == (401, "MISSING_HEADERS")


def signed(s2s: SignedClient, raw: bytes) -> dict[str, str]:
    """Return the envelope of one signed launch, to be sent more than once."""
    timestamp = str(int(time.time()))
    signature = signing.sign(secret=s2s.secret, timestamp=timestamp, method="POST", path=LAUNCHES, body=raw)
    return {"X-Timestamp": timestamp, "X-Signature": signature}


def refuse(answer: Answer, status: int, code: str) -> None:
    """Check that a launch was refused and nothing stored."""
    assert (answer.status, answer.code) == (status, code)
    assert not Launch.objects.exists()
    assert not Player.objects.exists()
