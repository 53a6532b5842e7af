"""A day of an operator's administrator: a colleague gets an account and a role, a setting changes, the log tells of it."""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from operators import staff
from operators.models import Operator
from operators.services import NewOperator
from tests.admin.cast import acts, person
from tests.browser.back_office import PASSWORD, WHY, Desk

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
NEW_PASSWORD = "a long word for the gate"


def test_people_and_settings_are_looked_after(
    acme: NewOperator, browser: Browser, live_server: LiveServer, settings: Settings
) -> None:
    person("olga", role=staff.OPERATOR_ADMIN, at=acme.operator)
    olga = Desk(browser, live_server, "olga")
    olga.visit("auth_user_changelist")
    olga.click("Make an account")
    for label, text in {"Username": "pat", "Name": "Pat Doe", "Email": "pat@acme.example", "Reason": WHY}.items():
        olga.fill(label, text)
    olga.page.get_by_label("Acme").check()
    olga.click("Make an account")
    olga.sees("The account pat is made", "This page is shown once")
    link = olga.page.locator(".bo-once dd").inner_text()

    pat = browser.new_page()
    pat.goto(link)
    pat.get_by_label("New password", exact=False).first.fill(NEW_PASSWORD)
    pat.get_by_label("confirmation", exact=False).first.fill(NEW_PASSWORD)
    pat.get_by_role("button", name="Set the password").click()
    pat.get_by_label("Username").fill("pat")
    pat.get_by_label("Password").fill(NEW_PASSWORD)
    pat.get_by_role("button", name="Log in").click()
    pat.get_by_text("Your account has no role yet").wait_for()

    olga.visit("auth_user_changelist")
    olga.click("pat")
    olga.click("Change roles")
    olga.page.get_by_label("Support").check()
    olga.fill("Reason", WHY)
    olga.page.get_by_role("button", name="Change roles").click()
    olga.sees("pat is now: Support.")
    assert [role.name for role in User.objects.get(username="pat").groups.all()] == [staff.SUPPORT]
    pat.reload()
    pat.get_by_role("link", name="Rounds").wait_for()

    # Some time later the password is asked for once more before anything changes.
    settings.LOOTBOX_STAFF_PROOF_S = 0
    olga.visit("operators_operator_changelist")
    olga.click("Acme")
    olga.click("Change settings")
    olga.sees("Type your password once more")
    settings.LOOTBOX_STAFF_PROOF_S = 600
    olga.fill("Password", PASSWORD)
    olga.click("Go on")
    olga.fill("Most boxes at once", "0")
    olga.fill("Reason", WHY)
    olga.page.get_by_role("button", name="Change settings").click()
    olga.sees("send a whole number from 1 to 100")
    olga.fill("Most boxes at once", "3")
    olga.page.get_by_role("button", name="Change settings").click()
    olga.sees("Changed: maxReels.")
    assert Operator.objects.get().max_reels == 3

    olga.visit("operators_auditentry_changelist")
    olga.sees("staff.account_made", "staff.roles", "operator.settings", WHY)
    assert [entry.action for entry in acts()] == [
        "staff.account_made", "staff.password_link", "staff.roles", "operator.settings",
    ]  # fmt: skip
    assert olga.complaints == []
