"""Operators in the back-office: made, set, suspended, given keys and secrets, each with a reason and an audit entry."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from operators import configuration, settings_form, staff
from operators.models import ActionRequest, ApiKey, AuditEntry, Operator
from operators.services import NewOperator
from operators.settings_form import SettingsForm
from tests.admin.cast import acts, browser, page, person
from tests.casino_wallet import Casino
from tests.faulty_server import answer
from tests.signed import SignedClient

WHY = {"reason": "agreed by contract"}


@pytest.fixture
def olga(acme: NewOperator) -> Client:
    """Return the browser of Acme's administrator."""
    return browser(person("olga", role=staff.OPERATOR_ADMIN, at=acme.operator))


@pytest.fixture
def boss(transactional_db: None) -> Client:
    """Return the browser of the platform's administrator."""
    return browser(person("boss", role=staff.PLATFORM_ADMIN))


def act(client: Client, name: str, row: Any, /, **form: Any) -> str:
    """Return the page that follows an action."""
    return client.post(page("act", name, row.pk), {**WHY, **form}, follow=True).content.decode()


def confirm(client: Client) -> str:
    """Return the page that follows a second person's confirmation of what waits."""
    asked = ActionRequest.objects.get(state="waiting")
    return client.post(page("operators_actionrequest_change", asked.pk), {"decision": "confirm"}, follow=True).content.decode()


def settings_as_shown(operator: Operator, **changes: str | bool) -> dict[str, Any]:
    """Return what a browser sends of the settings' page after somebody changed these."""
    form = SettingsForm(operator, None)
    sent: dict[str, Any] = {}
    for name, field in form.fields.items():
        if field.show_hidden_initial:
            sent[f"initial-{name}"] = str(field.initial)
        if field.initial:
            sent[name] = field.initial
    return {name: value for name, value in {**sent, **changes}.items() if value is not False}


class TestSettings:
    def test_are_all_asked_for_here_or_by_an_act_of_their_own(self) -> None:
        asked = [each.name for group in settings_form.GROUPS.values() for each in group]
        assert len(asked) == len(set(asked))
        assert {*asked, *settings_form.ELSEWHERE} == set(configuration.SETTINGS)

    def test_change_with_before_and_after_in_the_log(self, acme: NewOperator, olga: Client) -> None:
        said = act(olga, "change_settings", acme.operator, **settings_as_shown(acme.operator, maxReels="3", cashback=False))
        assert "Changed: maxReels, cashback." in said
        changed = Operator.objects.get(pk=acme.operator.pk)
        assert (changed.max_reels, changed.cashback, changed.refunds) == (3, False, True)
        entry = acts().get()
        assert (entry.actor, entry.action, entry.reason) == ("olga", "operator.settings", WHY["reason"])
        assert (entry.before, entry.after) == ({"max_reels": 10, "cashback": True}, {"max_reels": 3, "cashback": False})

    @pytest.mark.parametrize(
        ("name", "value", "says"),
        [
            ("maxReels", "0", "send a whole number from 1 to 100"),
            ("theme", "{", "send an object of texts"),
            ("timeZone", "Mars", "send a time zone"),
            ("locales", "sv", "locales must hold the default locale en"),
            ("houseEdgeMinBps", "ten", "send a whole number"),
        ],
    )
    def test_that_are_wrong_say_so_at_their_field(
        self, acme: NewOperator, olga: Client, name: str, value: str, says: str
    ) -> None:
        before = Operator.objects.get().version
        form = SettingsForm(acme.operator, {**WHY, **settings_as_shown(acme.operator, **{name: value})})
        assert list(form.errors) == [name]
        assert says in act(olga, "change_settings", acme.operator, **settings_as_shown(acme.operator, **{name: value}))
        assert Operator.objects.get().version == before
        assert not acts().exists()

    def test_that_a_colleague_changed_meanwhile_stay_changed(self, acme: NewOperator, olga: Client) -> None:
        shown = settings_as_shown(acme.operator, maxReels="3")
        act(olga, "change_settings", acme.operator, **settings_as_shown(acme.operator, heldExpiryDays="5"))
        act(olga, "change_settings", acme.operator, **shown)
        changed = Operator.objects.get(pk=acme.operator.pk)
        assert (changed.max_reels, changed.held_expiry_days) == (3, 5)

    def test_want_a_change_a_reason_and_a_password_typed_lately(
        self, acme: NewOperator, olga: Client, settings: Settings
    ) -> None:
        assert "Nothing is changed yet" in act(olga, "change_settings", acme.operator, **settings_as_shown(acme.operator))
        form = settings_as_shown(acme.operator, maxReels="3")
        assert "This field is required" in act(olga, "change_settings", acme.operator, **form, reason="")
        settings.LOOTBOX_STAFF_PROOF_S = 0
        assert "Type your password once more" in act(olga, "change_settings", acme.operator, **form)
        assert Operator.objects.get(pk=acme.operator.pk).max_reels == 10

    @pytest.mark.parametrize("role", [staff.SUPPORT, staff.FINANCE, staff.AUDITOR, staff.CATALOGUE_MANAGER])
    @pytest.mark.parametrize(
        "name", ["change_settings", "create_key", "rotate_secret", "change_wallet_url", "suspend_operator"]
    )
    def test_keys_and_addresses_are_not_for_every_role(self, acme: NewOperator, role: str, name: str) -> None:
        client = browser(person("pat", role=role, at=acme.operator))
        assert client.get(page("act", name, acme.operator.pk)).status_code == 403

    def test_of_another_operator_are_not_found(self, stranger: NewOperator, olga: Client) -> None:
        assert olga.get(page("act", "change_settings", stranger.operator.pk)).status_code == 404
        assert olga.get(page("act", "create_key", stranger.operator.pk)).status_code == 404


class TestSuspending:
    def test_refuses_requests_until_it_is_resumed(self, acme: NewOperator, s2s: SignedClient, boss: Client) -> None:
        act(boss, "suspend_operator", acme.operator)
        assert s2s.get("/api/s2s/health").code == "TENANT_SUSPENDED"
        act(boss, "resume_operator", acme.operator)
        assert s2s.get("/api/s2s/health").status == 200
        assert [entry.after for entry in acts()] == [{"suspended": True}, {"suspended": False}]

    def test_and_the_rate_limit_are_the_platforms(self, acme: NewOperator, olga: Client, boss: Client) -> None:
        for name in ("suspend_operator", "set_rate_limit"):
            assert olga.get(page("act", name, acme.operator.pk)).status_code == 403
        act(boss, "set_rate_limit", acme.operator, rate_limit="7")
        assert Operator.objects.get(pk=acme.operator.pk).rate_limit == 7


class TestAKey:
    def test_is_shown_once_and_works(self, acme: NewOperator, olga: Client) -> None:
        said = act(olga, "create_key", acme.operator, label="web-1", allowed_ips="127.0.0.1, 10.0.0.0/8")
        key = ApiKey.objects.exclude(key_id=acme.key.key_id).get()
        assert key.secret in said
        assert SignedClient(key_id=key.key_id, secret=key.secret).get("/api/s2s/health").status == 200
        assert (key.label, key.allowed_ips) == ("web-1", ["127.0.0.1/32", "10.0.0.0/8"])
        entry = acts().get()
        assert (entry.action, entry.subject, key.secret in str(entry.after)) == ("key.made", key.key_id, False)
        later_pages = (page("operators_operator_change", acme.operator.pk), page("operators_apikey_change", key.pk), "/admin/")
        for later in later_pages:
            assert key.secret not in olga.get(later).content.decode()
        assert key.secret not in str(dict(olga.session))

    def test_is_kept_by_no_browser(self, acme: NewOperator, olga: Client) -> None:
        answered = olga.post(page("act", "create_key", acme.operator.pk), WHY)
        assert "no-store" in answered.headers["Cache-Control"]

    def test_for_addresses_that_are_none_is_not_made(self, acme: NewOperator, olga: Client) -> None:
        assert "send an address or a range" in act(olga, "create_key", acme.operator, allowed_ips="everywhere")
        assert ApiKey.objects.count() == 1

    def test_is_revoked_for_good(self, acme: NewOperator, s2s: SignedClient, olga: Client) -> None:
        key = ApiKey.objects.get()
        act(olga, "revoke_key", key)
        assert s2s.get("/api/s2s/health").code == "INVALID_SIGNATURE"
        assert (acts().get().action, acts().get().subject) == ("key.revoked", key.key_id)
        assert "It is revoked" in olga.get(page("act", "revoke_key", key.pk)).content.decode()


class TestTheOutboundSecret:
    def test_is_rotated_by_two_and_shown_to_the_second_once(self, acme: NewOperator, olga: Client, boss: Client) -> None:
        old = Operator.objects.get(pk=acme.operator.pk).outbound_secret
        assert "second person must confirm" in act(olga, "rotate_secret", acme.operator, overlap_hours="24")
        assert Operator.objects.get(pk=acme.operator.pk).outbound_secret == old
        assert "You asked for this yourself" in confirm(olga)
        said = confirm(boss)
        rotated = Operator.objects.get(pk=acme.operator.pk)
        assert (rotated.previous_outbound_secret, rotated.outbound_secret != old) == (old, True)
        assert rotated.outbound_secret in said
        asked = ActionRequest.objects.get()
        shown = olga.get(page("operators_actionrequest_change", asked.pk)).content.decode()
        log = str([entry.after for entry in AuditEntry.objects.all()])
        assert rotated.outbound_secret not in shown + asked.outcome + log
        entry = acts().get(action="operator.secret_rotated")
        assert (entry.actor, entry.confirmed_by) == ("olga", "boss")


class TestTheWalletUrl:
    def test_changes_by_two_people_to_a_wallet_that_answers(
        self, acme: NewOperator, casino: Casino, olga: Client, boss: Client
    ) -> None:
        there = f"{casino.url}?token=hush"
        act(olga, "change_wallet_url", acme.operator, url=there, player="u_1")
        assert Operator.objects.get(pk=acme.operator.pk).wallet_url == casino.url
        assert "It answered: u_1 has" in confirm(boss)
        assert Operator.objects.get(pk=acme.operator.pk).wallet_url == there
        entry = acts().get(action="operator.settings")
        assert (entry.actor, entry.confirmed_by) == ("olga", "boss")
        assert entry.after == {"wallet_url": f"{casino.url}?…"}
        assert "hush" not in str([(each.before, each.after) for each in AuditEntry.objects.all()])

    def test_does_not_change_to_one_that_gives_no_good_answer(
        self, acme: NewOperator, casino: Casino, olga: Client, boss: Client
    ) -> None:
        casino.server.play(answer(b"nothing here", status=404))
        act(olga, "change_wallet_url", acme.operator, url=casino.server.url("/elsewhere"), player="u_1")
        assert "Nothing was changed" in confirm(boss)
        assert Operator.objects.get(pk=acme.operator.pk).wallet_url == casino.url
        assert ActionRequest.objects.get().state == "failed"

    def test_wants_an_address_and_a_player_to_try_it_with(self, acme: NewOperator, olga: Client, settings: Settings) -> None:
        settings.LOOTBOX_ALLOW_PRIVATE_URLS = False
        said = act(olga, "change_wallet_url", acme.operator, url="http://wallet.example/", player="")
        assert "must start with https" in said
        assert "a player that the new wallet knows" in act(
            olga, "change_wallet_url", acme.operator, url="https://wallet.example/", player=""
        )
        assert not ActionRequest.objects.exists()

    def test_is_tried_by_asking_for_a_balance(self, acme: NewOperator, casino: Casino, olga: Client) -> None:
        assert "The wallet answered: u_1 has" in act(olga, "test_wallet", acme.operator, player="u_1")
        assert acts().get().action == "wallet.tested"
        casino.server.play(answer(b"", status=500))
        assert "gave no usable answer" in act(olga, "test_wallet", acme.operator, player="u_1")


class TestTheWebhookUrl:
    def test_changes_by_two_people(self, acme: NewOperator, olga: Client, boss: Client) -> None:
        act(olga, "change_webhook_url", acme.operator, url="http://127.0.0.1:9/hooks")
        assert Operator.objects.get(pk=acme.operator.pk).webhook_url == ""
        confirm(boss)
        assert Operator.objects.get(pk=acme.operator.pk).webhook_url == "http://127.0.0.1:9/hooks"


class TestMakingAnOperator:
    def test_shows_its_secrets_once(self, boss: Client) -> None:
        form = {**WHY, "slug": "nova", "name": "Nova", "currency": "SEK", "currencies": "EUR, DKK"}
        said = boss.post(page("make", "operator"), form).content.decode()
        made, key = Operator.objects.get(), ApiKey.objects.get()
        assert (made.slug, made.base_currency, made.currencies) == ("nova", "SEK", ["SEK", "EUR", "DKK"])
        assert key.secret in said
        assert made.outbound_secret in said
        assert {entry.actor for entry in AuditEntry.objects.all()} == {"boss"}

    def test_says_at_its_field_what_can_not_be(self, acme: NewOperator, boss: Client) -> None:
        form = {**WHY, "slug": "acme", "name": "Nova", "currency": "EUR"}
        assert "There is an operator acme already" in boss.post(page("make", "operator"), form).content.decode()
        wrong = form | {"slug": "Nova!", "currency": "XXQ"}
        said = boss.post(page("make", "operator"), wrong).content.decode()
        assert "Enter a valid value" in said
        assert "ISO 4217" in said
        assert Operator.objects.count() == 1

    def test_is_the_platforms(self, olga: Client) -> None:
        assert olga.get(page("make", "operator")).status_code == 403
        assert User.objects.get().username == "olga"
