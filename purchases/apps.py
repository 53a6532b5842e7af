from django.apps import AppConfig


class PurchasesConfig(AppConfig):
    """Rounds. Being above the catalogue and the outbox, this app also tells operators of what is published."""

    name = "purchases"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect the catalogue's signal."""
        from catalog.signals import box_published  # noqa: PLC0415 - apps must be loaded
        from purchases.notices import tell_box_published  # noqa: PLC0415

        box_published.connect(tell_box_published, dispatch_uid="webhook")
