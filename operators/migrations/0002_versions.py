from django.db import migrations

from lootbox.core.guards import trigger

BUMP = "UPDATE operators_operator SET version = version + 1 WHERE id = NEW.operator_id; RETURN NULL;"


class Migration(migrations.Migration):
    """Every change of an operator or of its keys makes a new version, so that no cache outlives it."""

    dependencies = [("operators", "0001_initial")]

    operations = [
        trigger(
            table="operators_operator",
            name="next_version",
            when="BEFORE UPDATE",
            body="NEW.version := OLD.version + 1; RETURN NEW;",
        ),
        trigger(table="operators_apikey", name="key_added", when="AFTER INSERT", body=BUMP),
        trigger(
            table="operators_apikey",
            name="key_changed",
            when="AFTER UPDATE OF secret, expires_at, revoked_at, allowed_ips",
            body=BUMP,
        ),
    ]
