from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in
from django.db.models.signals import post_migrate


class OperatorsConfig(AppConfig):
    name = "operators"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Keep the roles' permissions as the code says them, and note when sessions begin."""
        from operators.staff import give_roles_their_permissions  # noqa: PLC0415 - needs loaded models
        from operators.staff_sessions import begin_on_login  # noqa: PLC0415 - likewise

        post_migrate.connect(give_roles_their_permissions, dispatch_uid="operators.roles")
        user_logged_in.connect(begin_on_login, dispatch_uid="operators.sessions")
