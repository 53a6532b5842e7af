from django.db import migrations, models


class Migration(migrations.Migration):
    """Finance reads what was unclaimed on a past day."""

    dependencies = [
        ("catalog", "0004_next_operator_version"),
        ("operators", "0004_publication_and_flags"),
        ("vault", "0004_orders"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="inventoryitem",
            index=models.Index(
                condition=models.Q(("resolved_at__isnull", False)),
                fields=["operator", "resolved_at"],
                name="inventory_item_resolved",
            ),
        ),
    ]
