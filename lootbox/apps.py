from django.apps import AppConfig
from django.db.backends.signals import connection_created

from lootbox.core import patience


class LootboxConfig(AppConfig):
    """The project itself: the demo command and the system checks over all settings."""

    name = "lootbox"

    def ready(self) -> None:
        """Register the system checks, limit waits, and make ours the Celery app of every process that sends tasks."""
        from lootbox import celery, checks  # noqa: F401, PLC0415 - both need loaded settings

        connection_created.connect(patience.set_limits, dispatch_uid="patience")
