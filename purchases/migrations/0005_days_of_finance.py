from django.db import migrations, models


class Migration(migrations.Migration):
    """Finance reads what was drawn, given back or voided by day."""

    dependencies = [
        ("fairness", "0002_guards"),
        ("operators", "0004_publication_and_flags"),
        ("purchases", "0004_client_action_index"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="round",
            index=models.Index(
                condition=models.Q(("settled_at__isnull", False)), fields=["operator", "settled_at"], name="round_settled"
            ),
        ),
        migrations.AddIndex(
            model_name="round",
            index=models.Index(
                condition=models.Q(("ended_at__isnull", False)), fields=["operator", "ended_at"], name="round_ended"
            ),
        ),
    ]
