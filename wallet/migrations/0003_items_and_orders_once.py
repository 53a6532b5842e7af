from django.db import migrations

FUNCTION = """
    CREATE OR REPLACE FUNCTION wallet_walletcall_refund_follows_debit() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN
        IF NOT EXISTS (
            SELECT FROM wallet_walletcall debit
            WHERE ({of_the_same}) AND debit.state = 'accepted'
              AND debit.amount_minor = NEW.amount_minor AND debit.currency = NEW.currency
        ) THEN
            RAISE EXCEPTION 'a refund needs the accepted debit of the same amount'
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NULL;
    END $body$;
"""
OF_A_ROUND = "debit.round_id = NEW.round_id AND debit.reason = 'purchase'"
OF_AN_ORDER = "debit.order_id = NEW.order_id AND debit.reason = 'shipping'"


class Migration(migrations.Migration):
    """What shipping cost can be refunded too; an item is cashed once at a time, an order paid and refunded once."""

    dependencies = [("wallet", "0002_guards")]

    operations = [
        migrations.RunSQL(
            sql=FUNCTION.format(of_the_same=f"{OF_A_ROUND} OR {OF_AN_ORDER}"),
            reverse_sql=FUNCTION.format(of_the_same=OF_A_ROUND),
        ),
        migrations.RunSQL(
            sql="""
                CREATE UNIQUE INDEX wallet_call_one_cashback ON wallet_walletcall (inventory_item_id)
                WHERE reason = 'cashback' AND state IN ('pending', 'unknown', 'accepted')
            """,
            reverse_sql="DROP INDEX wallet_call_one_cashback",
        ),
        migrations.RunSQL(
            sql="CREATE UNIQUE INDEX wallet_call_one_an_order ON wallet_walletcall (order_id, reason) WHERE order_id IS NOT NULL",
            reverse_sql="DROP INDEX wallet_call_one_an_order",
        ),
    ]
