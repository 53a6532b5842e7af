from django.contrib.admin.apps import AdminConfig


class BackOfficeConfig(AdminConfig):
    """Django's administration, on our own site."""

    default_site = "lootbox.admin.BackOffice"
