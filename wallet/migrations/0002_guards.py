from django.db import migrations

from lootbox.core.guards import frozen, same_tenant, trigger


class Migration(migrations.Migration):
    """What was asked of a wallet never changes; what became of it is decided once."""

    dependencies = [("wallet", "0001_initial"), ("operators", "0002_versions")]

    operations = [
        trigger(
            table="wallet_walletcall",
            name="decided_once",
            when="BEFORE UPDATE OR DELETE",
            body="""
                IF TG_OP = 'UPDATE'
                    AND (NEW.id, NEW.operator_id, NEW.player_id, NEW.type, NEW.reason, NEW.idempotency_key, NEW.amount_minor,
                         NEW.currency, NEW.body, NEW.created_at)
                      = (OLD.id, OLD.operator_id, OLD.player_id, OLD.type, OLD.reason, OLD.idempotency_key, OLD.amount_minor,
                         OLD.currency, OLD.body, OLD.created_at)
                    AND NEW.round_id IS NOT DISTINCT FROM OLD.round_id
                    AND NEW.inventory_item_id IS NOT DISTINCT FROM OLD.inventory_item_id
                    AND NEW.order_id IS NOT DISTINCT FROM OLD.order_id
                    AND (OLD.state IN ('pending', 'unknown') OR (OLD.state = 'refused' AND NEW.state = 'pending')) THEN
                    RETURN NEW;
                END IF;
                RAISE EXCEPTION 'a wallet call is decided once' USING ERRCODE = 'integrity_constraint_violation';
            """,
        ),
        trigger(
            table="wallet_walletcall",
            name="refund_follows_debit",
            when="AFTER INSERT",
            condition="NEW.reason = 'refund'",
            body="""
                IF NOT EXISTS (
                    SELECT FROM wallet_walletcall debit
                    WHERE debit.round_id = NEW.round_id AND debit.reason = 'purchase' AND debit.state = 'accepted'
                      AND debit.amount_minor = NEW.amount_minor AND debit.currency = NEW.currency
                ) THEN
                    RAISE EXCEPTION 'a refund needs the accepted debit of the same amount'
                        USING ERRCODE = 'integrity_constraint_violation';
                END IF;
                RETURN NULL;
            """,
        ),
        frozen(table="wallet_walletattempt", why="wallet attempts are only ever added"),
        same_tenant(table="wallet_walletcall", column="player_id", target="operators_player"),
    ]
