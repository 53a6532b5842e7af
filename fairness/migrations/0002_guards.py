from django.db import migrations

from lootbox.core.guards import same_tenant, trigger


class Migration(migrations.Migration):
    """A seed pair is committed to, then draws with nonces in a row, then is revealed; nothing runs backwards."""

    dependencies = [("fairness", "0001_initial"), ("operators", "0002_versions")]

    operations = [
        trigger(
            table="fairness_seedpair",
            name="forward",
            when="BEFORE UPDATE OR DELETE",
            body="""
                IF TG_OP = 'UPDATE'
                    AND NEW.player_id = OLD.player_id AND NEW.server_seed_hash = OLD.server_seed_hash
                    AND (NEW.client_seed = OLD.client_seed OR OLD.state = 'next')
                    AND (NEW.next_nonce = OLD.next_nonce OR (OLD.state = 'active' AND NEW.next_nonce = OLD.next_nonce + 1))
                    AND (NEW.state = OLD.state OR (OLD.state, NEW.state) IN (('next', 'active'), ('active', 'revealed'))) THEN
                    RETURN NEW;
                END IF;
                RAISE EXCEPTION 'a seed pair only goes forward' USING ERRCODE = 'integrity_constraint_violation';
            """,
        ),
        same_tenant(table="fairness_seedpair", column="player_id", target="operators_player"),
    ]
