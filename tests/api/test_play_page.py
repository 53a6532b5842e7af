"""`GET /play`: the shell of the game app, contract section 8."""

import json
import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from operators.services import NewOperator, change_settings
from play.models import Launch
from play.views.page import custom_properties
from tests.player import enter, launch
from tests.signed import SignedClient


def open_page(path: str, *, host: str = "127.0.0.1") -> Any:
    """Return the answer to a browser's GET."""
    return Client().get(path, headers={"Host": host})


def policy(page: Any) -> dict[str, str]:
    """Return the directives of a page's content security policy."""
    return dict(part.split(" ", 1) for part in page["Content-Security-Policy"].split("; "))


def config(page: Any) -> dict[str, Any]:
    """Return what the page tells the app."""
    found = re.search(r'<script id="config" type="application/json">(.*?)</script>', page.content.decode())
    assert found is not None
    told: dict[str, Any] = json.loads(found[1])
    return told


def page_of_launch(s2s: SignedClient, **changes: Any) -> Any:
    """Return the page that a launch leads to."""
    return open_page("/play?token=" + launch(s2s, **changes).body["launchToken"])


class TestThePage:
    def test_is_in_the_launchs_language_and_tells_the_app_where_it_is(self, s2s: SignedClient, acme: NewOperator) -> None:
        change_settings(
            operator=acme.operator, changes={"locales": "en,sv", "origins": "https://casino.example"}, at=timezone.now()
        )
        page = page_of_launch(s2s, locale="sv", returnUrl="https://casino.example/lobby")
        assert (page.status_code, page["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert '<html lang="sv">' in page.content.decode()
        assert config(page) == {
            "operator": "acme",
            "name": "Acme",
            "locale": "sv",
            "logoUrl": None,
            "origins": ["https://casino.example"],
            "locales": ["en", "sv"],
            "currencies": ["EUR"],
            "returnUrl": "https://casino.example/lobby",
        }

    def test_leaves_the_token_for_the_app(self, s2s: SignedClient) -> None:
        token = launch(s2s).body["launchToken"]
        for _ in range(2):
            assert open_page(f"/play?token={token}").status_code == 200
        assert Launch.objects.get().consumed_at is None

    def test_holds_no_token_and_sets_no_cookie(self, s2s: SignedClient) -> None:
        token = launch(s2s).body["launchToken"]
        page = open_page(f"/play?token={token}")
        assert token not in page.content.decode()
        assert not page.cookies
        assert page["Referrer-Policy"] == "no-referrer"
        assert page["Cache-Control"] == "no-store"

    def test_wears_the_operators_colours(self, s2s: SignedClient, acme: NewOperator) -> None:
        change_settings(operator=acme.operator, changes={"theme": '{"brandColor": "#0a7f5a"}'}, at=timezone.now())
        assert ":root { --brand-color: #0a7f5a; }" in page_of_launch(s2s).content.decode()

    def test_can_not_be_broken_out_of(self, s2s: SignedClient, acme: NewOperator) -> None:
        change_settings(
            operator=acme.operator, changes={"name": "</title></script><script>alert(1)</script>"}, at=timezone.now()
        )
        body = page_of_launch(s2s, returnUrl="https://casino.example/</script><script>alert(1)</script>").content.decode()
        assert "<script>alert" not in body


class TestFraming:
    def test_is_for_the_operators_origins_alone(self, s2s: SignedClient, acme: NewOperator) -> None:
        origins = "https://casino.example,https://m.casino.example:8443"
        change_settings(operator=acme.operator, changes={"origins": origins}, at=timezone.now())
        page = page_of_launch(s2s)
        assert policy(page)["frame-ancestors"] == "https://casino.example https://m.casino.example:8443"
        assert "X-Frame-Options" not in page

    def test_is_for_nobody_by_default(self, s2s: SignedClient) -> None:
        page = page_of_launch(s2s)
        assert policy(page)["frame-ancestors"] == "'none'"
        assert "X-Frame-Options" not in page

    def test_is_for_nobody_elsewhere(self, s2s: SignedClient) -> None:
        for path in ("/nowhere", "/api/play/boxes"):
            page = open_page(path)
            assert policy(page)["frame-ancestors"] == "'none'"
            assert page["X-Frame-Options"] == "DENY"


class TestThePolicy:
    def test_lets_run_what_the_page_brought_and_nothing_else(self, s2s: SignedClient) -> None:
        first, second = page_of_launch(s2s, requestId=1), page_of_launch(s2s, requestId=2)
        directives = policy(first)
        assert directives["default-src"] == "'none'"
        assert "unsafe" not in first["Content-Security-Policy"]
        [nonce] = re.findall("'nonce-([A-Za-z0-9_-]{22})'", directives["script-src"])
        assert f'<script type="module" nonce="{nonce}"' in first.content.decode()
        assert f'<style nonce="{nonce}"' in first.content.decode()
        assert nonce not in second["Content-Security-Policy"]

    def test_fetches_pictures_over_plain_http_in_development_only(self, s2s: SignedClient, settings: Any) -> None:
        assert policy(page_of_launch(s2s, requestId=1))["img-src"] == "'self' data: https: http:"
        settings.LOOTBOX_ALLOW_PRIVATE_URLS = False
        assert policy(page_of_launch(s2s, requestId=2))["img-src"] == "'self' data: https:"


class TestWhoseItIs:
    def test_is_said_by_the_subdomain(self, acme: NewOperator) -> None:
        for path in ("/play", "/play?boxId=1&parent=https://casino.example", "/play?token=lt_unknown"):
            page = open_page(path, host="acme.localhost:8700")
            assert (page.status_code, config(page)["operator"]) == (200, "acme")

    def test_is_said_by_the_address_on_a_bare_host(self, acme: NewOperator) -> None:
        page = open_page("/play?operator=acme&boxId=1&locale=xx")
        assert (page.status_code, config(page)["operator"], config(page)["locale"]) == (200, "acme", "en")
        assert config(page)["returnUrl"] is None

    def test_is_not_said_by_another_operators_token(self, s2s: SignedClient, acme: NewOperator, stranger: NewOperator) -> None:
        token = launch(s2s, returnUrl="https://casino.example").body["launchToken"]
        page = open_page(f"/play?token={token}", host="stranger.localhost")
        assert (config(page)["operator"], config(page)["returnUrl"]) == ("stranger", None)

    def test_stays_known_after_the_token_was_used(self, s2s: SignedClient) -> None:
        token = launch(s2s).body["launchToken"]
        enter(s2s, requestId=2)
        assert config(open_page(f"/play?token={token}"))["operator"] == "acme"

    def test_is_a_friendly_answer_where_nobody_is_known(self, transactional_db: None) -> None:
        for path in ("/play", "/play?token=lt_unknown", "/play?operator=nobody"):
            page = open_page(path)
            assert page.status_code == 404
            assert "could not be found" in page.content.decode()
            assert policy(page)["frame-ancestors"] == "'none'"

    def test_is_a_friendly_answer_while_the_operator_is_suspended(self, s2s: SignedClient, acme: NewOperator) -> None:
        change_settings(
            operator=acme.operator, changes={"origins": "https://casino.example"}, suspended=True, at=timezone.now()
        )
        page = open_page("/play?operator=acme")
        assert page.status_code == 403
        assert "Acme is taking a break" in page.content.decode()
        assert policy(page)["frame-ancestors"] == "https://casino.example"


class TestCustomProperties:
    @pytest.mark.parametrize(
        ("name", "value", "shown"),
        [
            ("brandColor", "#0a7f5a", {"--brand-color": "#0a7f5a"}),
            ("overlay", "rgba(0, 0, 0, .5)", {"--overlay": "rgba(0, 0, 0, .5)"}),
            ("radius", "12px", {"--radius": "12px"}),
            ("brandColor", "red; } body { display: none", {}),
            ("brandColor", "</style><script>", {}),
            ("art", "url(https://elsewhere.example/x)", {}),
            ("brand-color", "red", {}),
            ("x: red; --y", "red", {}),
        ],
    )
    def test_take_what_is_plain(self, name: str, value: str, shown: dict[str, str]) -> None:
        assert custom_properties({name: value}) == shown
