import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

from lootbox.core.guards import frozen


class Migration(migrations.Migration):
    """People of the back-office, their tickets, and what they did."""

    dependencies = [
        ("operators", "0002_versions"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="SsoTicket",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("request_hash", models.CharField(max_length=64, unique=True)),
                ("ticket_hash", models.CharField(max_length=64, unique=True)),
                ("external_id", models.CharField(max_length=190)),
                ("email", models.CharField(max_length=254)),
                ("display_name", models.CharField(max_length=150)),
                ("return_path", models.CharField(max_length=2048)),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(null=True)),
                (
                    "operator",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="operators.operator"),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ActionRequest",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("action", models.CharField(max_length=40)),
                ("subject", models.CharField(max_length=200)),
                ("inputs", models.JSONField(default=dict)),
                ("reason", models.TextField()),
                ("requested_at", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[("waiting", "Waiting"), ("done", "Done"), ("declined", "Declined"), ("failed", "Failed")],
                        default="waiting",
                        max_length=8,
                    ),
                ),
                ("decided_at", models.DateTimeField(null=True)),
                ("outcome", models.TextField(blank=True)),
                (
                    "decided_by",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "operator",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="operators.operator"),
                ),
                (
                    "requested_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "permissions": [
                    ("all_operators", "Sees every operator"),
                    ("grant_roles", "Can grant roles"),
                    ("refund_round", "Can refund held rounds"),
                    ("ask_wallet", "Can ask a wallet again"),
                    ("resolve_call", "Can resolve calls of unknown fate"),
                    ("advance_order", "Can put orders forward"),
                    ("block_player", "Can block players"),
                    ("publish_box", "Can publish boxes and take them offline"),
                    ("see_dashboard", "Can see turnover and payout"),
                    ("export_audit", "Can export the audit log"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("decided_by__isnull", True),
                            models.Q(("decided_by", models.F("requested_by")), _negated=True),
                            _connector="OR",
                        ),
                        name="action_request_two_people",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("decided_by__isnull", True), ("state", "waiting")),
                            models.Q(models.Q(("state", "waiting"), _negated=True), ("decided_by__isnull", False)),
                            _connector="OR",
                        ),
                        name="action_request_decided_by_somebody",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "waiting")),
                        fields=("operator", "action", "subject"),
                        name="action_request_once",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                ("sequence", models.BigIntegerField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("actor", models.CharField(max_length=150)),
                (
                    "confirmed_by",
                    models.CharField(blank=True, help_text="The second person, where it took two.", max_length=150),
                ),
                ("action", models.CharField(max_length=60)),
                ("subject", models.CharField(db_index=True, help_text="The id of what it was done to.", max_length=200)),
                ("reason", models.TextField()),
                ("before", models.JSONField()),
                ("after", models.JSONField()),
                ("previous_hash", models.CharField(max_length=64)),
                ("hash", models.CharField(max_length=64, unique=True)),
                (
                    "operator",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="operators.operator"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "audit entries",
                "indexes": [models.Index(fields=["operator", "-sequence"], name="audit_of_operator")],
            },
        ),
        migrations.CreateModel(
            name="Membership",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("external_id", models.CharField(blank=True, db_collation="C", max_length=190, null=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "operator",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="members", to="operators.operator"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="memberships", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("user", "operator"), name="membership_once"),
                    models.UniqueConstraint(fields=("operator", "external_id"), name="membership_external_id_unique"),
                    models.UniqueConstraint(
                        condition=models.Q(("external_id__isnull", False)), fields=("user",), name="membership_sso_single"
                    ),
                ],
            },
        ),
        frozen(table="operators_auditentry", why="audit entries are only ever added"),
    ]
