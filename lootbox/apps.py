from django.apps import AppConfig


class LootboxConfig(AppConfig):
    """The project itself: the demo command and the system checks over all settings."""

    name = "lootbox"

    def ready(self) -> None:
        """Register the system checks."""
        from lootbox import checks  # noqa: F401, PLC0415 - checks need loaded settings
