"""The web server's own settings, with workers that are forked from a loaded master, so that a killed one is back at once."""

from typing import Any

from lootbox.gunicorn import *  # noqa: F403 - it is what is tested
from tests.faults import points

preload_app = True


def post_fork(_: Any, __: Any) -> None:
    """Put the points into the new worker."""
    points.install()
