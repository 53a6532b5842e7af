"""People of the back-office: accounts made and looked after by others, never by oneself, each time with an entry in the log."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django_otp.plugins.otp_totp.models import TOTPDevice

from operators import staff
from operators.models import Membership
from operators.services import NewOperator
from tests.admin.cast import acts, browser, page, person

WHY = {"reason": "joined on Monday"}
PASSWORD = "a long word for the gate"
ACCOUNT = {**WHY, "username": "pat", "display_name": "Pat", "email": "pat@acme.example"}


@pytest.fixture
def olga(acme: NewOperator) -> User:
    """Return Acme's administrator."""
    return person("olga", role=staff.OPERATOR_ADMIN, at=acme.operator)


@pytest.fixture
def boss(transactional_db: None) -> User:
    """Return the platform's administrator."""
    return person("boss", role=staff.PLATFORM_ADMIN)


def make(client: Client, **more: Any) -> str:
    """Return the page that follows making an account."""
    return client.post(page("make", "account"), {**ACCOUNT, **more}).content.decode()


def act(client: Client, name: str, row: User, **form: Any) -> str:
    """Return the page that follows an action."""
    return client.post(page("act", name, row.pk), {**WHY, **form}, follow=True).content.decode()


def set_password(link: str) -> Client:
    """Return the browser of whoever opened the link and typed a password."""
    visitor = Client()
    form = visitor.get(link, follow=True)
    visitor.post(form.redirect_chain[-1][0], {"new_password1": PASSWORD, "new_password2": PASSWORD})
    return visitor


def link_on(shown: str) -> str:
    """Return the path of the one-time link on a page."""
    (found,) = re.findall(r"http://testserver(/admin/set-password/[^<]+)", shown)
    return str(found)


class TestMakingAnAccount:
    def test_gives_a_link_that_sets_its_password_once(self, acme: NewOperator, olga: User) -> None:
        shown = make(browser(olga), operators=[acme.operator.pk], roles=[staff.SUPPORT])
        pat = User.objects.get(username="pat")
        assert (pat.has_usable_password(), pat.is_staff, staff.operator_ids(pat)) == (False, True, [acme.operator.pk])
        visitor = set_password(link_on(shown))
        visitor.post("/admin/login/", {"username": "pat", "password": PASSWORD})
        assert visitor.get(page("purchases_round_changelist")).status_code == 200
        again = Client().get(link_on(shown), follow=True).content.decode()
        assert "This link was used before" in again
        told = acts().order_by("sequence").values_list("actor", "action", "subject", "operator__slug")
        assert list(told) == [("olga", "staff.account_made", "pat", "acme"), ("olga", "staff.password_link", "pat", "acme")]

    def test_wants_a_password_worth_the_name(self, acme: NewOperator, olga: User) -> None:
        visitor = Client()
        form = visitor.get(link_on(make(browser(olga), operators=[acme.operator.pk])), follow=True)
        answer = visitor.post(form.redirect_chain[-1][0], {"new_password1": "secret1", "new_password2": "secret1"})
        assert "at least 12 characters" in answer.content.decode()
        assert not User.objects.get(username="pat").has_usable_password()

    def test_for_another_operator_or_with_a_role_of_the_platform_is_refused(
        self, acme: NewOperator, stranger: NewOperator, olga: User
    ) -> None:
        client = browser(olga)
        assert "not one of the available choices" in make(client, operators=[stranger.operator.pk])
        assert "not one of the available choices" in make(client, operators=[acme.operator.pk], roles=[staff.PLATFORM_ADMIN])
        assert "Choose the operator" in make(client, operators=[])
        assert not User.objects.filter(username="pat").exists()
        assert not acts().exists()

    def test_for_the_platform_itself_is_the_platforms(self, boss: User) -> None:
        make(browser(boss), roles=[staff.PLATFORM_ADMIN])
        assert staff.operator_ids(User.objects.get(username="pat")) is None

    def test_is_for_those_who_look_after_people(self, acme: NewOperator) -> None:
        sue = browser(person("sue", role=staff.SUPPORT, at=acme.operator))
        assert sue.get(page("make", "account")).status_code == 403

    def test_of_a_name_that_is_taken_is_refused_at_the_field(self, acme: NewOperator, olga: User) -> None:
        assert "Choose another" in make(browser(olga), username="OLGA", operators=[acme.operator.pk])


class TestAnAccount:
    @pytest.fixture
    def pat(self, acme: NewOperator) -> User:
        """Return a colleague of Acme's."""
        return person("pat", role=staff.SUPPORT, at=acme.operator)

    def test_that_is_switched_off_is_out_at_once_and_in_again_when_switched_on(self, olga: User, pat: User) -> None:
        boxes, client = page("purchases_round_changelist"), browser(pat)
        assert client.get(boxes).status_code == 200
        act(browser(olga), "switch_off", pat)
        assert client.get(boxes).status_code == 302
        client.post("/admin/login/", {"username": "pat", "password": "correct horse battery"})
        assert client.get(boxes).status_code == 302
        act(browser(olga), "switch_on", pat)
        assert browser(pat).get(boxes).status_code == 200
        assert [entry.action for entry in acts()] == ["staff.switched_off", "staff.switched_on"]

    def test_gets_a_new_password_by_a_link_which_ends_its_sessions(self, olga: User, pat: User) -> None:
        client = browser(pat)
        set_password(link_on(act(browser(olga), "password_link", pat)))
        assert client.get("/admin/").status_code == 302
        assert User.objects.get(username="pat").check_password(PASSWORD)

    def test_sets_up_a_second_factor_anew_once_it_is_reset(self, olga: User, pat: User) -> None:
        client = browser(olga)
        assert "No second factor is set up" in client.get(page("act", "reset_second_factor", pat.pk)).content.decode()
        TOTPDevice.objects.create(user=pat, name="app", confirmed=True)
        act(client, "reset_second_factor", pat)
        assert not TOTPDevice.objects.exists()
        assert acts().get().action == "staff.second_factor_reset"

    def test_is_put_to_work_for_an_operator_and_taken_off_it(self, stranger: NewOperator, boss: User, pat: User) -> None:
        client = browser(boss)
        act(client, "join_operator", pat, operator=stranger.operator.pk)
        assert set(Membership.objects.filter(user=pat).values_list("operator__slug", flat=True)) == {"acme", "stranger"}
        act(client, "leave_operator", pat, operator=stranger.operator.pk)
        assert [(entry.action, str(entry.operator)) for entry in acts()] == [
            ("staff.joined", "Stranger"), ("staff.left", "Stranger"),
        ]  # fmt: skip

    def test_is_put_to_work_for_no_operator_that_its_giver_does_not_see(
        self, stranger: NewOperator, olga: User, pat: User
    ) -> None:
        assert "not one of the available choices" in act(browser(olga), "join_operator", pat, operator=stranger.operator.pk)
        assert Membership.objects.filter(user=pat).count() == 1

    def test_that_came_by_an_operators_word_stays_with_that_operator(
        self, acme: NewOperator, stranger: NewOperator, boss: User
    ) -> None:
        sso = person("acme:1f")
        Membership.objects.create(user=sso, operator=acme.operator, external_id="emp-7")
        client = browser(boss)
        assert "works for that operator only" in act(client, "join_operator", sso, operator=stranger.operator.pk)
        assert "Switch it off instead" in act(client, "leave_operator", sso, operator=acme.operator.pk)
        assert "has no password" in client.get(page("act", "password_link", sso.pk)).content.decode()
        assert Membership.objects.filter(user=sso).count() == 1

    @pytest.mark.parametrize(
        "name", ["change_roles", "switch_off", "password_link", "reset_second_factor", "join_operator", "leave_operator"]
    )
    def test_is_never_changed_by_its_own_person_nor_from_outside_its_operator(
        self, acme: NewOperator, stranger: NewOperator, olga: User, name: str
    ) -> None:
        own, before = browser(olga), list(olga.groups.all())
        TOTPDevice.objects.create(user=olga, name="app", confirmed=True)
        form = {"roles": [], "operator": acme.operator.pk}
        said = act(own, name, olga, **form)
        assert "Ask a colleague" in said or "not one of the available choices" in said
        xena = browser(person("xena", role=staff.OPERATOR_ADMIN, at=stranger.operator))
        assert xena.post(page("act", name, olga.pk), {**WHY, **form}).status_code == 404
        assert list(User.objects.get(pk=olga.pk).groups.all()) == before
        assert (TOTPDevice.objects.count(), User.objects.get(pk=olga.pk).is_active) == (1, True)
        assert not acts().exists()

    def test_of_a_superuser_is_changed_by_superusers_only(self, boss: User) -> None:
        root = User.objects.create_superuser("root")
        assert "belongs to others" in act(browser(boss), "password_link", root)
        assert not acts().exists()
