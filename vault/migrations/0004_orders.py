from django.db import migrations, models

from lootbox.core.guards import frozen, trigger


class Migration(migrations.Migration):
    """An order goes its way once, is never made unpaid, and an item is cashed back by a credit that the wallet accepted."""

    dependencies = [("vault", "0003_cashback_rules"), ("wallet", "0003_items_and_orders_once")]

    operations = [
        migrations.AlterField(
            model_name="shippingorder",
            name="status",
            field=models.CharField(
                choices=[
                    ("unpaid", "Unpaid"),
                    ("voided", "Voided"),
                    ("pending", "Pending"),
                    ("processing", "Processing"),
                    ("shipped", "Shipped"),
                    ("delivered", "Delivered"),
                    ("cancelled", "Cancelled"),
                ],
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="shippingorder",
            name="cost_minor",
            field=models.BigIntegerField(help_text="What the player is debited for it; 0 where the operator sees to that."),
        ),
        migrations.AlterField(
            model_name="inventoryitem",
            name="resolved_at",
            field=models.DateTimeField(help_text="When it left the state unresolved.", null=True),
        ),
        trigger(
            table="vault_shippingorder",
            name="forward",
            when="BEFORE UPDATE OR DELETE",
            body="""
                IF TG_OP = 'UPDATE'
                    AND (NEW.id, NEW.operator_id, NEW.player_id, NEW.fingerprint, NEW.currency, NEW.cost_minor, NEW.created_at)
                      = (OLD.id, OLD.operator_id, OLD.player_id, OLD.fingerprint, OLD.currency, OLD.cost_minor, OLD.created_at)
                    AND (NEW.status = OLD.status OR (OLD.status, NEW.status) IN (
                        ('unpaid', 'pending'), ('unpaid', 'voided'), ('pending', 'processing'), ('processing', 'shipped'),
                        ('shipped', 'delivered'), ('pending', 'cancelled'), ('processing', 'cancelled'))) THEN
                    RETURN NEW;
                END IF;
                RAISE EXCEPTION 'an order only goes forward' USING ERRCODE = 'integrity_constraint_violation';
            """,
        ),
        trigger(
            table="vault_shippingorder",
            name="made_if_paid",
            when="AFTER INSERT OR UPDATE OF status",
            condition="NEW.cost_minor > 0 AND NEW.status NOT IN ('unpaid', 'voided')",
            body="""
                IF NOT EXISTS (
                    SELECT FROM wallet_walletcall debit
                    WHERE debit.order_id = NEW.id AND debit.reason = 'shipping' AND debit.state = 'accepted'
                      AND debit.amount_minor = NEW.cost_minor AND debit.currency = NEW.currency
                ) THEN
                    RAISE EXCEPTION 'order % is not paid', NEW.id USING ERRCODE = 'integrity_constraint_violation';
                END IF;
                RETURN NULL;
            """,
        ),
        trigger(
            table="vault_inventoryitem",
            name="cashed_if_credited",
            when="AFTER UPDATE OF state",
            condition="NEW.state = 'cashed_back'",
            body="""
                IF NOT EXISTS (
                    SELECT FROM wallet_walletcall credit
                    WHERE credit.inventory_item_id = NEW.id AND credit.reason = 'cashback' AND credit.state = 'accepted'
                ) THEN
                    RAISE EXCEPTION 'item % is not credited', NEW.id USING ERRCODE = 'integrity_constraint_violation';
                END IF;
                RETURN NULL;
            """,
        ),
        frozen(table="vault_orderitem", why="the items of an order never change"),
    ]
