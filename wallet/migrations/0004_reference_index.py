from django.db import migrations, models


class Migration(migrations.Migration):
    """Support finds a call by the wallet's own reference."""

    dependencies = [
        ("operators", "0003_staff"),
        ("wallet", "0003_items_and_orders_once"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="walletcall",
            index=models.Index(
                condition=models.Q(("provider_txn_ref", ""), _negated=True),
                fields=["provider_txn_ref"],
                name="wallet_call_reference",
            ),
        ),
    ]
