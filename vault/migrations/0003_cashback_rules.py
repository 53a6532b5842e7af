from django.db import migrations

from lootbox.core.guards import trigger


class Migration(migrations.Migration):
    """A changed cashback rule makes a new version of the operator, so that no process keeps the old one."""

    dependencies = [("vault", "0002_guards"), ("operators", "0002_versions")]

    operations = [
        trigger(
            table="catalog_item",
            name="cashback_changed",
            when="AFTER UPDATE OF cashback_minor",
            condition="NEW.cashback_minor IS DISTINCT FROM OLD.cashback_minor",
            body="UPDATE operators_operator SET version = version + 1 WHERE id = NEW.operator_id; RETURN NULL;",
        ),
    ]
