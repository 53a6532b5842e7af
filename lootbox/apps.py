from django.apps import AppConfig
from django.core.cache import close_caches
from django.core.handlers.base import reset_urlconf
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, reset_queries
from django.db.backends.signals import connection_created

from lootbox.core import db, patience


class LootboxConfig(AppConfig):
    """The project itself: the demo command and the system checks over all settings."""

    name = "lootbox"

    def ready(self) -> None:
        """Register the system checks, limit waits, and make ours the Celery app of every process that sends tasks."""
        from lootbox import celery, checks  # noqa: F401, PLC0415 - both need loaded settings

        connection_created.connect(patience.set_limits, dispatch_uid="patience")
        _tidy_less()


def _tidy_less() -> None:
    """Leave out what Django does before and after each request but nothing here needs; it was a fifth of a refused signature.

    There is no log of queries, no cache that keeps connections, and no request with addresses of its own. A connection goes
    back to the pool when its request ends, and none lives longer, so that a request finds none to be looked at.
    """
    request_started.disconnect(reset_queries)
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    request_finished.disconnect(close_caches)
    request_finished.disconnect(reset_urlconf)
    request_finished.connect(db.end_request, dispatch_uid="end of request")
