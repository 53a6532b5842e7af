"""How a person works in the back-office with a browser: logs in, follows links, fills forms in by their labels."""

import re
from typing import Any

from django.urls import reverse
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

PASSWORD = "correct horse battery"
WHY = "agreed on the phone"
PATIENCE_MS = 20_000


class Desk:
    """One person's browser. Each has cookies of their own."""

    def __init__(self, browser: Browser, server: LiveServer, name: str) -> None:
        """Log this person in."""
        self._server = server.url
        self.page: Page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.open("/admin/")
        self.page.get_by_label("Username").fill(name)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Log in").click()
        expect(self.page.get_by_role("heading", name="Overview")).to_be_visible(timeout=PATIENCE_MS)

    def open(self, path: str) -> None:
        """Go to an address."""
        self.page.goto(self._server + path)

    def visit(self, view: str, *args: Any) -> None:
        """Go to a page of the administration."""
        self.open(reverse(f"admin:{view}", args=args))

    def click(self, name: str) -> None:
        """Follow the link, or press the button, of this name."""
        named = [self.page.get_by_role(role, name=name, exact=True) for role in ("link", "button")]
        named[0].or_(named[1]).first.click()

    def fill(self, label: str, text: str) -> None:
        """Fill a field in."""
        self.page.get_by_label(re.compile(f"^{label}\\b")).first.fill(text)

    def sees(self, *texts: str) -> None:
        """Assert that the page says this."""
        for text in texts:
            expect(self.page.locator("body")).to_contain_text(text, timeout=PATIENCE_MS)
