from django.db import migrations

from lootbox.core.guards import frozen, same_tenant, trigger


class Migration(migrations.Migration):
    """A published version never changes, but for being superseded once."""

    dependencies = [("catalog", "0001_initial")]

    operations = [
        trigger(
            table="catalog_boxversion",
            name="frozen",
            when="BEFORE UPDATE OR DELETE",
            body="""
                IF TG_OP = 'UPDATE' AND OLD.superseded_at IS NULL
                    AND to_jsonb(NEW) - 'superseded_at' = to_jsonb(OLD) - 'superseded_at' THEN
                    RETURN NEW;
                END IF;
                RAISE EXCEPTION 'a published box version is frozen' USING ERRCODE = 'integrity_constraint_violation';
            """,
        ),
        frozen(table="catalog_prize", why="the prizes of a published box version are frozen"),
        frozen(table="catalog_exchangerate", why="exchange rates are only ever added"),
        same_tenant(table="catalog_boxversion", column="box_id", target="catalog_box"),
        same_tenant(table="catalog_prize", column="version_id", target="catalog_boxversion"),
        same_tenant(table="catalog_prize", column="item_id", target="catalog_item"),
    ]
