"""Admin single sign-on (contract section 13)."""

import datetime as dt
from urllib.parse import urlsplit

import pytest
import time_machine
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from operators.models import Membership, SsoTicket
from operators.services import NewOperator
from operators.staff import OPERATOR_ADMIN, PLATFORM_ADMIN, operator_ids
from tests.admin.cast import acts
from tests.signed import Answer, SignedClient

PATH = "/api/s2s/admin-sso"
EVA = {"adminExternalId": "a_7", "email": "eva@acme.example", "displayName": "Eva", "returnPath": "/admin/purchases/round/"}


def link(answer: Answer) -> str:
    """Return the path and query of the link that was answered."""
    parts = urlsplit(answer.body["ssoUrl"])
    return f"{parts.path}?{parts.query}"


class TestATicket:
    def test_lets_its_person_in_on_the_page_asked_for(self, acme: NewOperator, s2s: SignedClient) -> None:
        answer = s2s.post(PATH, EVA)
        assert answer.status == 201
        assert set(answer.body) == {"ssoUrl", "expiresAt"}
        assert answer.body["ssoUrl"].startswith("http://127.0.0.1/admin/sso?ticket=")
        came = Client().get(link(answer))
        assert (came.status_code, came.headers["Location"]) == (302, EVA["returnPath"])
        assert came.headers["Cache-Control"].startswith("max-age=0")

    def test_makes_an_account_without_a_role_for_its_own_operator_only(self, acme: NewOperator, s2s: SignedClient) -> None:
        browser = Client()
        browser.get(link(s2s.post(PATH, EVA)))
        user = User.objects.get()
        assert (user.first_name, user.email, user.is_superuser) == ("Eva", "eva@acme.example", False)
        assert not user.has_usable_password()
        assert not user.groups.exists()
        assert operator_ids(user) == [acme.operator.pk]
        assert b"no role yet" in browser.get("/admin/").content
        assert browser.get("/admin/purchases/round/").status_code == 403
        assert acts().get().action == "staff.account_made"

    def test_finds_the_same_account_again(self, acme: NewOperator, s2s: SignedClient) -> None:
        Client().get(link(s2s.post(PATH, EVA)))
        Client().get(link(s2s.post(PATH, EVA | {"displayName": "Eva B", "requestId": "2"})))
        assert User.objects.get().first_name == "Eva B"
        assert Membership.objects.count() == 1

    def test_works_once(self, acme: NewOperator, s2s: SignedClient) -> None:
        address = link(s2s.post(PATH, EVA))
        Client().get(address)
        second = Client().get(address)
        assert second.status_code == 403
        assert b"used before" in second.content
        assert "sessionid" not in second.cookies

    def test_expires_after_a_minute(self, acme: NewOperator, s2s: SignedClient) -> None:
        address = link(s2s.post(PATH, EVA))
        with time_machine.travel(timezone.now() + dt.timedelta(seconds=61)):
            late = Client().get(address)
        assert late.status_code == 403
        assert b"has expired" in late.content
        assert not User.objects.exists()

    @pytest.mark.parametrize("ticket", ["", "made-up", "\x00", "é"])
    def test_that_was_never_given_lets_nobody_in(self, transactional_db: None, ticket: str) -> None:
        assert b"not known" in Client().get("/admin/sso", {"ticket": ticket}).content
        assert not User.objects.exists()

    def test_is_not_known_at_another_operators_host(self, acme: NewOperator, stranger: NewOperator, s2s: SignedClient) -> None:
        answer = Client().get(link(s2s.post(PATH, EVA)), headers={"Host": "stranger.localhost"})
        assert answer.status_code == 403

    def test_lets_nobody_in_whose_account_was_switched_off(self, acme: NewOperator, s2s: SignedClient) -> None:
        Client().get(link(s2s.post(PATH, EVA)))
        User.objects.update(is_active=False)
        assert Client().get(link(s2s.post(PATH, EVA | {"requestId": "2"}))).status_code == 403

    def test_never_makes_a_platform_account_whatever_was_granted(self, acme: NewOperator, s2s: SignedClient) -> None:
        Client().get(link(s2s.post(PATH, EVA)))
        user = User.objects.get()
        user.groups.set(Group.objects.filter(name__in=[PLATFORM_ADMIN, OPERATOR_ADMIN]))
        assert operator_ids(User.objects.get(pk=user.pk)) == [acme.operator.pk]


class TestTheSameRequestAgain:
    def test_is_answered_with_the_same_ticket(self, acme: NewOperator, s2s: SignedClient) -> None:
        with time_machine.travel(timezone.now(), tick=False):
            first, again = s2s.post(PATH, EVA), s2s.post(PATH, EVA)
        assert again.body == first.body
        assert again.headers["Idempotent-Replayed"] == "true"
        assert "Idempotent-Replayed" not in first.headers
        assert SsoTicket.objects.count() == 1

    def test_mints_another_one_when_a_field_differs(self, acme: NewOperator, s2s: SignedClient) -> None:
        assert link(s2s.post(PATH, EVA)) != link(s2s.post(PATH, EVA | {"requestId": "2"}))


class TestARequest:
    @pytest.mark.parametrize(
        "path",
        [
            "https://evil.example/admin/",
            "//evil.example/admin/",
            "/admin/../play",
            "/admin/%2e%2e/play",
            "/admin/%252e%252e/play",
            "/admin/..\\play",
            "/admin//evil.example",
            "/administrator/",
            "/play",
            "admin/",
            "",
        ],
    )
    def test_that_leads_outside_is_refused(self, acme: NewOperator, s2s: SignedClient, path: str) -> None:
        answer = s2s.post(PATH, EVA | {"returnPath": path})
        assert (answer.status, answer.code) == (422, "VALIDATION_FAILED")
        assert set(answer.body["error"]["fields"]) == {"returnPath"}
        assert not SsoTicket.objects.exists()

    @pytest.mark.parametrize("field", ["adminExternalId", "email", "displayName"])
    @pytest.mark.parametrize("value", [None, "", 7, "x" * 300])
    def test_with_a_wrong_field_is_refused(self, acme: NewOperator, s2s: SignedClient, field: str, value: object) -> None:
        answer = s2s.post(PATH, EVA | {field: value})
        assert (answer.status, answer.code) == (422, "VALIDATION_FAILED")
        assert set(answer.body["error"]["fields"]) == {field}

    def test_may_carry_a_query(self, acme: NewOperator, s2s: SignedClient) -> None:
        assert s2s.post(PATH, EVA | {"returnPath": "/admin/purchases/round/?bought=day"}).status == 201
