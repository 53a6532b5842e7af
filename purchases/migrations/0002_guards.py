from django.db import migrations

from lootbox.core.guards import frozen, same_tenant, trigger


class Migration(migrations.Migration):
    """A round goes its way once: never drawn unpaid, never drawn and refunded, frozen at its end."""

    dependencies = [
        ("purchases", "0001_initial"),
        ("fairness", "0002_guards"),
        ("vault", "0002_guards"),
        ("wallet", "0002_guards"),
    ]

    operations = [
        trigger(
            table="purchases_round",
            name="forward",
            when="BEFORE UPDATE OR DELETE",
            body="""
                IF TG_OP = 'UPDATE'
                    AND (NEW.id, NEW.operator_id, NEW.player_id, NEW.mode, NEW.funding, NEW.currency, NEW.bet_minor,
                         NEW.base_currency, NEW.base_bet_minor, NEW.fx_rate, NEW.purchased_at)
                      = (OLD.id, OLD.operator_id, OLD.player_id, OLD.mode, OLD.funding, OLD.currency, OLD.bet_minor,
                         OLD.base_currency, OLD.base_bet_minor, OLD.fx_rate, OLD.purchased_at)
                    AND ((NEW.state = OLD.state AND OLD.state IN ('pending', 'undoing', 'held'))
                      OR (OLD.state, NEW.state) IN (
                        ('pending', 'settled'), ('pending', 'held'), ('pending', 'voided'), ('pending', 'undoing'),
                        ('undoing', 'voided'),
                        ('held', 'settled'), ('held', 'refunded'), ('held', 'expired'))) THEN
                    RETURN NEW;
                END IF;
                RAISE EXCEPTION 'a round only goes forward' USING ERRCODE = 'integrity_constraint_violation';
            """,
        ),
        # Fires after the whole statement, when the draws and the debit's outcome of the same statement can be seen.
        trigger(
            table="purchases_round",
            name="drawn_if_paid",
            when="AFTER UPDATE OF state",
            condition="NEW.state IN ('settled', 'held')",
            body="""
                IF NEW.funding = 'player' AND NEW.bet_minor > 0 AND NOT EXISTS (
                    SELECT FROM wallet_walletcall debit
                    WHERE debit.round_id = NEW.id AND debit.reason = 'purchase' AND debit.state = 'accepted'
                      AND debit.amount_minor = NEW.bet_minor AND debit.currency = NEW.currency
                ) THEN
                    RAISE EXCEPTION 'round % is not paid', NEW.id USING ERRCODE = 'integrity_constraint_violation';
                END IF;
                IF NEW.state = 'settled' AND (SELECT count(*) FROM purchases_draw draw WHERE draw.round_id = NEW.id)
                    <> (SELECT count(*) FROM purchases_reel reel WHERE reel.round_id = NEW.id) THEN
                    RAISE EXCEPTION 'round % is not drawn reel by reel', NEW.id USING ERRCODE = 'integrity_constraint_violation';
                END IF;
                RETURN NULL;
            """,
        ),
        frozen(table="purchases_reel", why="reels are only ever added"),
        frozen(table="purchases_draw", why="draws are only ever added"),
        same_tenant(table="purchases_round", column="player_id", target="operators_player"),
        same_tenant(table="purchases_round", column="seed_pair_id", target="fairness_seedpair"),
        same_tenant(table="purchases_action", column="player_id", target="operators_player"),
        same_tenant(table="purchases_action", column="round_id", target="purchases_round"),
        same_tenant(table="purchases_reel", column="round_id", target="purchases_round"),
        same_tenant(table="purchases_reel", column="box_version_id", target="catalog_boxversion"),
        same_tenant(table="purchases_draw", column="round_id", target="purchases_round"),
        same_tenant(table="purchases_draw", column="box_version_id", target="catalog_boxversion"),
        same_tenant(table="purchases_draw", column="seed_pair_id", target="fairness_seedpair"),
        same_tenant(table="purchases_spendingcap", column="player_id", target="operators_player"),
        same_tenant(table="wallet_walletcall", column="round_id", target="purchases_round"),
        same_tenant(table="vault_inventoryitem", column="round_id", target="purchases_round"),
    ]
