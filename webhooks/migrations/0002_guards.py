from django.db import migrations

from lootbox.core.guards import trigger


class Migration(migrations.Migration):
    """An event never changes, but for getting its place in the feed once."""

    dependencies = [("webhooks", "0001_initial")]

    operations = [
        trigger(
            table="webhooks_event",
            name="frozen",
            when="BEFORE UPDATE OR DELETE",
            body="""
                IF TG_OP = 'UPDATE' AND OLD.sequence IS NULL
                    AND (NEW.id, NEW.operator_id, NEW.type, NEW.subject, NEW.body, NEW.occurred_at)
                      = (OLD.id, OLD.operator_id, OLD.type, OLD.subject, OLD.body, OLD.occurred_at) THEN
                    RETURN NEW;
                END IF;
                RAISE EXCEPTION 'an event is frozen' USING ERRCODE = 'integrity_constraint_violation';
            """,
        ),
    ]
