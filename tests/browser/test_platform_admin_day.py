"""A day of the platform's administrators: a casino joins, two of them rotate its secret, type a rate, and stop a casino."""

import pytest
from playwright.sync_api import Browser
from pytest_django.live_server_helper import LiveServer

from catalog.models import ExchangeRate
from operators import staff
from operators.models import Operator
from operators.services import NewOperator
from tests.admin.cast import acts, person
from tests.browser.back_office import WHY, Desk
from tests.signed import SignedClient

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_casinos_come_go_and_are_kept_safe(
    acme: NewOperator, s2s: SignedClient, browser: Browser, live_server: LiveServer
) -> None:
    for name in ("petra", "paul"):
        person(name, role=staff.PLATFORM_ADMIN)
    petra, paul = Desk(browser, live_server, "petra"), Desk(browser, live_server, "paul")

    petra.visit("operators_operator_changelist")
    petra.click("Make an operator")
    for label, text in {"Slug": "nova", "Name": "Nova", "Base currency": "SEK", "Reason": WHY}.items():
        petra.fill(label, text)
    petra.click("Make an operator")
    petra.sees("This page is shown once")
    nova = Operator.objects.get(slug="nova")
    assert nova.base_currency == "SEK"

    petra.visit("operators_operator_change", nova.pk)
    petra.click("Rotate the outbound secret")
    petra.fill("Reason", WHY)
    petra.page.get_by_role("button", name="Ask for a second person").click()
    petra.sees("A second person must confirm this")
    paul.visit("operators_actionrequest_changelist")
    paul.page.locator("#result_list a").first.click()
    paul.click("Confirm and do it")
    paul.sees("This page is shown once")
    rotated = Operator.objects.get(slug="nova")
    assert rotated.previous_outbound_secret == nova.outbound_secret
    paul.sees(rotated.outbound_secret)

    petra.visit("catalog_exchangerate_add")
    for label, text in {"Base": "SEK", "Quote": "EUR", "Rate": "0.0890", "Reason": WHY}.items():
        petra.fill(label, text)
    petra.click("Save")
    petra.sees("SEK")
    assert ExchangeRate.objects.get().source == "typed by petra"

    petra.visit("operators_operator_change", acme.operator.pk)
    petra.click("Suspend this operator")
    petra.fill("Reason", WHY)
    petra.page.get_by_role("button", name="Suspend this operator").click()
    petra.sees("Acme is suspended.")
    assert s2s.get("/api/s2s/health").code == "TENANT_SUSPENDED"

    petra.visit("operators_auditentry_changelist")
    petra.sees("operator.secret_rotated", "set a rate", WHY)
    assert acts().get(action="operator.secret_rotated").confirmed_by == "paul"
    assert petra.complaints == paul.complaints == []
