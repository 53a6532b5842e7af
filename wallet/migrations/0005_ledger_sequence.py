from django.db import migrations, models


class Migration(migrations.Migration):
    """Every movement gets a place in its operator's ledger."""

    dependencies = [
        ("operators", "0004_publication_and_flags"),
        ("wallet", "0004_reference_index"),
    ]

    operations = [
        migrations.AddField(
            model_name="walletcall",
            name="ledger_sequence",
            field=models.BigIntegerField(help_text="Its place in the operator's ledger feed; see wallet.numbering.", null=True),
        ),
        migrations.AddIndex(
            model_name="walletcall",
            index=models.Index(
                condition=models.Q(
                    ("ledger_sequence__isnull", True), ("state", "accepted"), ("type__in", ["wallet.debit", "wallet.credit"])
                ),
                fields=["operator", "resolved_at", "id"],
                name="wallet_call_unnumbered",
            ),
        ),
        migrations.AddIndex(
            model_name="walletcall",
            index=models.Index(
                condition=models.Q(("ledger_sequence__isnull", False)),
                fields=["operator", "resolved_at"],
                name="wallet_call_ledger_day",
            ),
        ),
        migrations.AddConstraint(
            model_name="walletcall",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ledger_sequence__isnull", False)),
                fields=("operator", "ledger_sequence"),
                name="wallet_call_ledger_unique",
            ),
        ),
        migrations.AddConstraint(
            model_name="walletcall",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("ledger_sequence__isnull", True),
                    models.Q(
                        ("ledger_sequence__gte", 1), ("state", "accepted"), ("type__in", ["wallet.debit", "wallet.credit"])
                    ),
                    _connector="OR",
                ),
                name="wallet_call_numbered_has_moved",
            ),
        ),
        migrations.AddConstraint(
            model_name="walletcall",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "accepted"), _negated=True), ("resolved_at__isnull", False), _connector="OR"
                ),
                name="wallet_call_accepted_has_time",
            ),
        ),
    ]
