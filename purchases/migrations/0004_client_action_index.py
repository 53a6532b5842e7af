from django.db import migrations, models


class Migration(migrations.Migration):
    """Support finds a round by its clientActionId."""

    dependencies = [
        ("operators", "0003_staff"),
        ("purchases", "0003_expiring"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="action",
            index=models.Index(fields=["client_action_id"], name="action_client_id"),
        ),
    ]
