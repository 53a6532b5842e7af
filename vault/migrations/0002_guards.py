from django.db import migrations

from lootbox.core.guards import same_tenant, trigger


class Migration(migrations.Migration):
    """What was won keeps its value and its owner; a resolved item comes back from a cancelled order only."""

    dependencies = [("vault", "0001_initial"), ("catalog", "0002_guards"), ("wallet", "0002_guards")]

    operations = [
        trigger(
            table="vault_inventoryitem",
            name="forward",
            when="BEFORE UPDATE OR DELETE",
            body="""
                IF TG_OP = 'UPDATE'
                    AND (NEW.id, NEW.operator_id, NEW.player_id, NEW.item_id, NEW.round_id, NEW.reel_index, NEW.value_minor,
                         NEW.currency)
                      = (OLD.id, OLD.operator_id, OLD.player_id, OLD.item_id, OLD.round_id, OLD.reel_index, OLD.value_minor,
                         OLD.currency)
                    AND (NEW.state = OLD.state OR (OLD.state, NEW.state) IN (
                        ('unresolved', 'cashed_back'), ('unresolved', 'ship_requested'), ('unresolved', 'expired'),
                        ('ship_requested', 'fulfilled'), ('ship_requested', 'unresolved'))) THEN
                    RETURN NEW;
                END IF;
                RAISE EXCEPTION 'a won item only goes forward' USING ERRCODE = 'integrity_constraint_violation';
            """,
        ),
        same_tenant(table="vault_inventoryitem", column="player_id", target="operators_player"),
        same_tenant(table="vault_inventoryitem", column="item_id", target="catalog_item"),
        same_tenant(table="vault_shippingorder", column="player_id", target="operators_player"),
        same_tenant(table="wallet_walletcall", column="inventory_item_id", target="vault_inventoryitem"),
        same_tenant(table="wallet_walletcall", column="order_id", target="vault_shippingorder"),
    ]
