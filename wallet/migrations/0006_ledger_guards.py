from django.db import migrations

FUNCTION = """
    CREATE OR REPLACE FUNCTION wallet_walletcall_decided_once() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN
        IF TG_OP = 'UPDATE'
            AND (NEW.id, NEW.operator_id, NEW.player_id, NEW.type, NEW.reason, NEW.idempotency_key, NEW.amount_minor,
                 NEW.currency, NEW.body, NEW.created_at)
              = (OLD.id, OLD.operator_id, OLD.player_id, OLD.type, OLD.reason, OLD.idempotency_key, OLD.amount_minor,
                 OLD.currency, OLD.body, OLD.created_at)
            AND NEW.round_id IS NOT DISTINCT FROM OLD.round_id
            AND NEW.inventory_item_id IS NOT DISTINCT FROM OLD.inventory_item_id
            AND NEW.order_id IS NOT DISTINCT FROM OLD.order_id
            {unnumbered}
            AND (OLD.state IN ('pending', 'unknown') OR (OLD.state = 'refused' AND NEW.state = 'pending')) THEN
            RETURN NEW;
        END IF;
        {numbering}
        RAISE EXCEPTION 'a wallet call is decided once' USING ERRCODE = 'integrity_constraint_violation';
    END $body$;
"""
UNNUMBERED = "AND NEW.ledger_sequence IS NULL"
# What has been decided may still get its number, once, while nothing else changes.
NUMBERING = """
        IF TG_OP = 'UPDATE' AND OLD.ledger_sequence IS NULL AND NEW.ledger_sequence IS NOT NULL THEN
            OLD.ledger_sequence := NEW.ledger_sequence;
            IF NEW IS NOT DISTINCT FROM OLD THEN
                RETURN NEW;
            END IF;
        END IF;
"""


class Migration(migrations.Migration):
    """A number is given once and never changes, and neither does what was numbered; what exists is numbered here."""

    dependencies = [("wallet", "0005_ledger_sequence")]

    operations = [
        migrations.RunSQL(
            sql=FUNCTION.format(unnumbered=UNNUMBERED, numbering=NUMBERING),
            reverse_sql=FUNCTION.format(unnumbered="", numbering=""),
        ),
        migrations.RunSQL(
            sql="""
                UPDATE wallet_walletcall SET ledger_sequence = place.sequence
                FROM (
                    SELECT id, row_number() OVER (PARTITION BY operator_id ORDER BY resolved_at, id) AS sequence
                    FROM wallet_walletcall WHERE state = 'accepted' AND type IN ('wallet.debit', 'wallet.credit')
                ) place
                WHERE wallet_walletcall.id = place.id
            """,
            reverse_sql=migrations.RunSQL.noop,
        ),
    ]
