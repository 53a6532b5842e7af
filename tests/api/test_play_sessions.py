"""A session from its launch token to its end, contract section 8."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from pytest_django import Settings

from catalog.models import Box
from catalog.rates import set_rate
from lootbox.core.signing import sign
from operators.services import NewOperator, change_settings
from play.models import Launch, Session
from tests.casino_wallet import Casino
from tests.faulty_server import answer as answers
from tests.player import PlayClient, enter, launch
from tests.signed import Answer, SignedClient


def box_id(acme: NewOperator, slug: str = "harbour") -> int:
    """Return the id of one of Acme's boxes."""
    return Box.objects.get(operator=acme.operator, slug=slug).pk


def init(token: str, *, host: str = "127.0.0.1") -> Answer:
    """Consume a launch token."""
    return PlayClient(host=host).post("session/init", {"launchToken": token})


@pytest.fixture
def in_kronor(acme: NewOperator) -> NewOperator:
    """Return Acme, also in Swedish and in kronor at 10 for a euro."""
    changes = {"currencies": "EUR,SEK", "locales": "en,sv", "theme": '{"brandColor": "#0a7f5a"}', "logoUrl": ""}
    change_settings(operator=acme.operator, changes=changes, at=timezone.now())
    set_rate(base="EUR", quote="SEK", rate="10", source="test", at=timezone.now())
    return acme


class TestInit:
    def test_answers_the_frozen_bootstrap(
        self, s2s: SignedClient, in_kronor: NewOperator, boxes: dict[str, int], casino: Casino
    ) -> None:
        launched = launch(
            s2s,
            target={"boxId": box_id(in_kronor)},
            currency="SEK",
            locale="sv",
            balanceMinor=12_000,
            funding="operator",
            fundingRounds=2,
        )
        entered = init(launched.body["launchToken"])
        assert entered.status == 200
        shown = entered.body
        made = Launch.objects.get()
        assert shown == {
            "sessionToken": shown["sessionToken"],
            "expiresAt": shown["expiresAt"],
            "player": {
                "externalId": "u_1",
                "balanceMinor": 12_000,
                "balanceFetchedAt": made.created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
            "tenant": {"name": "Acme", "locale": "sv", "currency": "SEK", "logoUrl": None},
            "theme": {"tokens": {"brandColor": "#0a7f5a"}},
            "game": {
                "key": "mystery_box",
                "maxReels": 10,
                "target": {
                    "boxId": box_id(in_kronor),
                    "boxVersionId": boxes["harbour"],
                    "name": "Harbour Crate",
                    "priceMinor": 5000,
                    "currency": "SEK",
                    "freeOpens": 2,
                    "autoOpen": False,
                },
            },
            "fairness": {
                "serverSeedHash": shown["fairness"]["serverSeedHash"],
                "nextServerSeedHash": shown["fairness"]["nextServerSeedHash"],
                "clientSeed": shown["fairness"]["clientSeed"],
                "nextNonce": 0,
                "algorithmKey": "hmac_sha256_v1",
            },
            "policies": {"cashbackEnabled": True, "shippingEnabled": True, "refundEnabled": True},
        }
        assert list(shown) == ["sessionToken", "expiresAt", "player", "tenant", "theme", "game", "fairness", "policies"]
        assert shown["sessionToken"].startswith("ps_")
        assert casino.calls() == [], "the launch said what the player has"
        expires_at = parse_datetime(shown["expiresAt"])
        assert expires_at is not None
        assert 1795 <= (expires_at - timezone.now()).total_seconds() <= 1800

    def test_of_a_lobby_has_no_target(self, s2s: SignedClient) -> None:
        assert enter(s2s).bootstrap["game"] == {"key": "mystery_box", "maxReels": 10, "target": None}

    @pytest.mark.parametrize(
        ("granted", "free"),
        [({}, 0), ({"funding": "operator"}, None), ({"funding": "operator", "fundingRounds": 3}, 3)],
    )
    def test_says_how_many_opens_are_free(
        self, s2s: SignedClient, acme: NewOperator, boxes: dict[str, int], granted: dict[str, Any], free: int | None
    ) -> None:
        shown = enter(s2s, target={"boxId": box_id(acme), "autoOpen": True}, **granted).bootstrap
        assert shown["game"]["target"]["freeOpens"] == free
        assert shown["game"]["target"]["autoOpen"] is True

    def test_asks_the_wallet_where_the_launch_says_nothing(self, s2s: SignedClient, casino: Casino) -> None:
        player = enter(s2s).bootstrap["player"]
        assert player["balanceMinor"] == casino.wallet.opening_minor
        assert player["balanceFetchedAt"] is not None
        assert [call["type"] for call in casino.calls()] == ["wallet.balance"]

    def test_goes_on_without_a_balance(self, s2s: SignedClient, casino: Casino) -> None:
        casino.play(answers(b"<html>", status=500))
        player = enter(s2s).bootstrap["player"]
        assert player == {"externalId": "u_1", "balanceMinor": None, "balanceFetchedAt": None}

    def test_stores_no_token(self, s2s: SignedClient) -> None:
        token = enter(s2s).token or ""
        with connection.cursor() as cursor:
            cursor.execute("SELECT row_to_json(play_session)::text FROM play_session")
            [(stored,)] = cursor.fetchall()
        assert token.removeprefix("ps_") not in stored

    def test_consumes_the_token_once(self, s2s: SignedClient) -> None:
        token = launch(s2s).body["launchToken"]
        assert init(token).status == 200
        again = init(token)
        assert (again.status, again.code) == (409, "LAUNCH_TOKEN_CONSUMED")
        assert Session.objects.count() == 1

    def test_consumes_the_token_once_when_sent_many_times_at_once(self, s2s: SignedClient) -> None:
        token = launch(s2s, balanceMinor=1).body["launchToken"]

        def enter_once(_: int) -> int:
            with closing(connection):
                return init(token).status

        with ThreadPoolExecutor(8) as pool:
            assert sorted(pool.map(enter_once, range(8))) == [200] + [409] * 7
        assert Session.objects.count() == 1

    def test_refuses_a_token_that_has_expired(self, s2s: SignedClient, settings: Settings) -> None:
        settings.LOOTBOX_LAUNCH_TTL_S = 0
        refused = init(launch(s2s).body["launchToken"])
        assert (refused.status, refused.code) == (401, "LAUNCH_TOKEN_EXPIRED")
        assert not Session.objects.exists()
        assert Launch.objects.get().consumed_at is None

    def test_refuses_a_token_that_is_not_known(self, acme: NewOperator) -> None:
        for token in ("lt_" + "A" * 43, "A", "lt_é"):
            refused = init(token)
            assert (refused.status, refused.code) == (401, "LAUNCH_TOKEN_INVALID")

    def test_refuses_a_token_on_another_operators_subdomain(self, s2s: SignedClient, stranger: NewOperator) -> None:
        token = launch(s2s).body["launchToken"]
        assert init(token, host="stranger.localhost").code == "LAUNCH_TOKEN_INVALID"
        assert init(token, host="acme.localhost").status == 200

    def test_refuses_a_suspended_operators_token_and_leaves_it(self, s2s: SignedClient, acme: NewOperator) -> None:
        token = launch(s2s).body["launchToken"]
        change_settings(operator=acme.operator, changes={}, suspended=True, at=timezone.now())
        assert init(token).code == "TENANT_SUSPENDED"
        change_settings(operator=acme.operator, changes={}, suspended=False, at=timezone.now())
        assert init(token).status == 200

    @pytest.mark.parametrize("body", [{}, {"launchToken": 5}, {"launchToken": ""}, {"launchToken": "lt_" + "a" * 200}])
    def test_names_the_field_that_is_wrong(self, acme: NewOperator, body: dict[str, Any]) -> None:
        refused = PlayClient().post("session/init", body)
        assert (refused.status, refused.code) == (422, "VALIDATION_FAILED")
        assert list(refused.body["error"]["fields"]) == ["launchToken"]


class TestASession:
    @pytest.mark.parametrize("header", ["", "Bearer ", "Bearer ps_unknown", "Bearer é", "Basic dTpw", "ps_unknown"])
    def test_is_refused_without_its_token(self, acme: NewOperator, header: str) -> None:
        refused = PlayClient().get("boxes", Authorization=header)
        assert (refused.status, refused.code) == (401, "SESSION_INVALID")

    def test_is_not_opened_by_a_key_of_the_signed_surface(self, s2s: SignedClient) -> None:
        path = "/api/play/boxes"
        timestamp = str(int(timezone.now().timestamp()))
        signature = sign(secret=s2s.secret, timestamp=timestamp, method="GET", path=path, body=b"")
        headers = {"X-Key-Id": s2s.key_id, "X-Timestamp": timestamp, "X-Signature": signature}
        refused = PlayClient().get("boxes", **headers)
        assert (refused.status, refused.code) == (401, "SESSION_INVALID")

    def test_does_not_open_the_signed_surface(self, s2s: SignedClient) -> None:
        token = enter(s2s).token
        none = {"X-Key-Id": "", "X-Timestamp": "", "X-Signature": ""}
        refused = s2s.get("/api/s2s/boxes", Authorization=f"Bearer {token}", **none)
        assert (refused.status, refused.code) == (401, "MISSING_HEADERS")

    def test_is_not_known_on_another_operators_subdomain(self, s2s: SignedClient, stranger: NewOperator) -> None:
        token = enter(s2s).token
        assert PlayClient(token, host="stranger.localhost").get("boxes").code == "SESSION_INVALID"
        assert PlayClient(token, host="acme.localhost").get("boxes").status == 200

    def test_is_locked_while_the_operator_is_suspended(self, s2s: SignedClient, acme: NewOperator) -> None:
        player = enter(s2s)
        change_settings(operator=acme.operator, changes={}, suspended=True, at=timezone.now())
        refused = player.get("boxes")
        assert (refused.status, refused.code) == (403, "TENANT_SUSPENDED")

    def test_ends_when_it_idles(self, s2s: SignedClient, settings: Settings) -> None:
        player = enter(s2s)
        seen(minutes_ago=31)
        refused = player.get("boxes")
        assert (refused.status, refused.code) == (401, "SESSION_EXPIRED")
        assert player.post("session/heartbeat").code == "SESSION_EXPIRED"

    def test_ends_for_good_after_its_longest_time(self, s2s: SignedClient) -> None:
        player = enter(s2s)
        started = timezone.now() - dt.timedelta(hours=12, seconds=1)
        Session.objects.update(started_at=started)
        assert player.post("session/heartbeat").code == "SESSION_EXPIRED"

    def test_says_when_its_longest_time_comes_first(self, s2s: SignedClient) -> None:
        player = enter(s2s)
        started = (timezone.now() - dt.timedelta(hours=11, minutes=50)).replace(microsecond=0)
        Session.objects.update(started_at=started)
        ends = (started + dt.timedelta(hours=12)).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert player.post("session/heartbeat").body["expiresAt"] == ends

    def test_counts_any_request_as_being_active(self, s2s: SignedClient) -> None:
        player = enter(s2s)
        seen(minutes_ago=29)
        assert player.get("boxes").status == 200
        assert timezone.now() - Session.objects.get().last_seen_at < dt.timedelta(minutes=1)

    def test_costs_one_query_to_know(self, s2s: SignedClient, django_assert_num_queries: Any) -> None:
        player = enter(s2s)
        with django_assert_num_queries(1):
            assert player.get("nothing").code == "NOT_FOUND"


class TestHeartbeat:
    def test_counts_the_idle_limit_anew_and_tells_the_balance(self, s2s: SignedClient, casino: Casino) -> None:
        player = enter(s2s, balanceMinor=7)
        seen(minutes_ago=29)
        beat = player.post("session/heartbeat")
        assert beat.status == 200
        assert set(beat.body) == {"expiresAt", "balanceMinor", "balanceFetchedAt"}
        expires_at = parse_datetime(beat.body["expiresAt"])
        assert expires_at is not None
        assert (expires_at - timezone.now()).total_seconds() > 1790
        assert beat.body["balanceMinor"] == casino.wallet.opening_minor

    def test_beats_on_without_a_wallet(self, s2s: SignedClient, acme: NewOperator) -> None:
        player = enter(s2s)
        change_settings(operator=acme.operator, changes={"walletUrl": ""}, at=timezone.now())
        beat = player.post("session/heartbeat")
        assert (beat.status, beat.body["balanceMinor"], beat.body["balanceFetchedAt"]) == (200, None, None)


class TestLogout:
    def test_revokes_the_token(self, s2s: SignedClient) -> None:
        player = enter(s2s)
        out = player.post("session/logout")
        assert (out.status, out.body) == (204, {})
        refused = player.get("boxes")
        assert (refused.status, refused.code) == (401, "SESSION_INVALID")

    def test_leaves_other_sessions_of_the_player(self, s2s: SignedClient) -> None:
        first, second = enter(s2s, requestId=1), enter(s2s, requestId=2)
        first.post("session/logout")
        assert second.get("boxes").status == 200


class TestSwitchingCurrency:
    def test_answers_the_bootstrap_anew_and_pins_the_rate(
        self, s2s: SignedClient, in_kronor: NewOperator, boxes: dict[str, int], casino: Casino
    ) -> None:
        player = enter(s2s, target={"boxId": box_id(in_kronor)}, balanceMinor=7)
        switched = player.post("session/currency", {"currency": "SEK"})
        assert switched.status == 200
        assert switched.body["sessionToken"] == player.token
        assert switched.body["tenant"]["currency"] == "SEK"
        target = switched.body["game"]["target"]
        assert (target["priceMinor"], target["currency"]) == (5000, "SEK")
        assert switched.body["player"]["balanceMinor"] == casino.wallet.opening_minor, "the launch's was in euro"
        assert casino.calls()[-1]["currency"] == "SEK"
        assert Session.objects.get().pinned_rate == 10
        assert player.get("boxes").body["boxes"][0]["currency"] == "SEK"
        back = player.post("session/currency", {"currency": "EUR"})
        assert back.body["game"]["target"]["priceMinor"] == 500
        assert Session.objects.get().pinned_rate is None

    def test_refuses_what_the_operator_does_not_take(self, s2s: SignedClient, in_kronor: NewOperator) -> None:
        player = enter(s2s)
        assert player.post("session/currency", {"currency": "USD"}).code == "UNSUPPORTED_CURRENCY"
        assert player.post("session/currency", {"currency": 5}).code == "VALIDATION_FAILED"
        assert Session.objects.get().currency == "EUR"


class TestSwitchingLanguage:
    def test_answers_the_bootstrap_anew(self, s2s: SignedClient, in_kronor: NewOperator) -> None:
        player = enter(s2s, currency="SEK")
        set_rate(base="EUR", quote="SEK", rate="11", source="test", at=timezone.now())
        switched = player.post("session/locale", {"locale": "sv"})
        assert switched.status == 200
        assert (switched.body["sessionToken"], switched.body["tenant"]["locale"]) == (player.token, "sv")
        assert Session.objects.get().pinned_rate == 11

    def test_refuses_what_the_operator_does_not_speak(self, s2s: SignedClient, in_kronor: NewOperator) -> None:
        player = enter(s2s)
        assert player.post("session/locale", {"locale": "de"}).code == "UNSUPPORTED_LOCALE"
        assert Session.objects.get().locale == "en"


class TestBalance:
    def test_asks_the_wallet(self, s2s: SignedClient, casino: Casino) -> None:
        shown = enter(s2s, balanceMinor=7).get("wallet/balance")
        assert shown.status == 200
        assert shown.body == {
            "balanceMinor": casino.wallet.opening_minor,
            "currency": "EUR",
            "balanceFetchedAt": shown.body["balanceFetchedAt"],
        }
        assert [call["type"] for call in casino.calls()] == ["wallet.balance"]

    def test_says_so_when_the_wallet_gives_none(self, s2s: SignedClient, casino: Casino) -> None:
        player = enter(s2s, balanceMinor=7)
        casino.play(answers(b'{"balanceMinor": 5, "currency": "USD"}'))
        refused = player.get("wallet/balance")
        assert (refused.status, refused.code) == (503, "WALLET_UNAVAILABLE")
        assert refused.body["error"]["retryable"] is True


class TestCrossOriginCalls:
    def test_are_open_to_all_origins_without_credentials(self, s2s: SignedClient) -> None:
        for given in (enter(s2s).get("boxes"), PlayClient().get("boxes"), PlayClient().post("session/init", [])):
            assert given.headers["Access-Control-Allow-Origin"] == "*"
            assert "Access-Control-Allow-Credentials" not in given.headers
            assert "Set-Cookie" not in given.headers

    @pytest.mark.parametrize(
        ("path", "methods"),
        [("session/init", {"POST", "OPTIONS"}), ("boxes", {"GET", "OPTIONS"}), ("guest/bootstrap", {"GET", "OPTIONS"})],
    )
    def test_pass_a_preflight(self, transactional_db: None, path: str, methods: set[str]) -> None:
        asked = {
            "Origin": "https://casino.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        preflight = PlayClient().send("OPTIONS", path, b"", asked)
        assert (preflight.status, preflight.body) == (204, {})
        assert preflight.headers["Access-Control-Allow-Origin"] == "*"
        assert methods <= set(preflight.headers["Access-Control-Allow-Methods"].split(", "))
        allowed = preflight.headers["Access-Control-Allow-Headers"].lower().split(", ")
        assert {"authorization", "content-type"} <= set(allowed)


class TestOtherAddresses:
    def test_are_unknown_with_a_session_and_refused_without(self, s2s: SignedClient) -> None:
        assert PlayClient().get("nothing").code == "SESSION_INVALID"
        refused = enter(s2s).post("nothing/at/all", {})
        assert (refused.status, refused.code) == (404, "NOT_FOUND")

    def test_say_which_method_is_wrong(self, s2s: SignedClient) -> None:
        refused = enter(s2s).get("session/heartbeat")
        assert (refused.status, refused.code) == (405, "METHOD_NOT_ALLOWED")


def seen(*, minutes_ago: int) -> None:
    """Make it long since anything was heard of the one session."""
    Session.objects.update(last_seen_at=timezone.now() - dt.timedelta(minutes=minutes_ago))
