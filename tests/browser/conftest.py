"""Debian's Chromium, driven by Playwright against a live server of the test's own."""

import os
from pathlib import Path
from typing import Any, Final

import pytest

CHROMIUM: Final = Path("/usr/bin/chromium")

# Playwright's synchronous API runs an event loop in the test's thread, which Django would take for asynchronous code.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Return how the browser is started; without a sandbox for root, for whom Chromium has none."""
    if not CHROMIUM.exists():
        pytest.fail("The browser tests need Chromium. Install it with: apt-get install chromium")
    sandbox = [] if os.geteuid() else ["--no-sandbox"]
    return browser_type_launch_args | {"executable_path": str(CHROMIUM), "args": sandbox}


@pytest.fixture(scope="session")
def base_url() -> str:
    """Return that tests give whole addresses. Playwright's own fixture is of a form that pytest warns of."""
    return ""
