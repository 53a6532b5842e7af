from django.db import migrations

from lootbox.core.guards import same_tenant, trigger


class Migration(migrations.Migration):
    """A launch is used once and never changes, a revoked session stays revoked, and no row points into another tenant."""

    dependencies = [
        ("play", "0001_initial"),
        ("operators", "0002_versions"),
        ("catalog", "0002_guards"),
    ]

    operations = [
        trigger(
            table="play_launch",
            name="forward",
            when="BEFORE UPDATE OR DELETE",
            body="""
                IF TG_OP = 'UPDATE' AND OLD.consumed_at IS NULL
                    AND to_jsonb(NEW) - 'consumed_at' = to_jsonb(OLD) - 'consumed_at' THEN
                    RETURN NEW;
                END IF;
                RAISE EXCEPTION 'a launch is only consumed, once' USING ERRCODE = 'integrity_constraint_violation';
            """,
        ),
        trigger(
            table="play_session",
            name="forward",
            when="BEFORE UPDATE OR DELETE",
            body="""
                IF TG_OP = 'UPDATE' AND (OLD.revoked_at IS NULL OR NEW.revoked_at IS NOT NULL)
                    AND (NEW.operator_id, NEW.player_id, NEW.launch_id, NEW.token_hash)
                      = (OLD.operator_id, OLD.player_id, OLD.launch_id, OLD.token_hash) THEN
                    RETURN NEW;
                END IF;
                RAISE EXCEPTION 'a session stays its player''s, and revoked' USING ERRCODE = 'integrity_constraint_violation';
            """,
        ),
        same_tenant(table="play_launch", column="player_id", target="operators_player"),
        same_tenant(table="play_launch", column="box_id", target="catalog_box"),
        same_tenant(table="play_session", column="player_id", target="operators_player"),
        same_tenant(table="play_session", column="launch_id", target="play_launch"),
        same_tenant(table="play_fundingdecision", column="session_id", target="play_session"),
    ]
