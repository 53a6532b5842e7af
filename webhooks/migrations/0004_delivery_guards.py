from django.db import migrations

from lootbox.core.guards import frozen, same_tenant, trigger


class Migration(migrations.Migration):
    """Every operator has an endpoint from its birth; deliveries and attempts stay with the event's operator."""

    dependencies = [("webhooks", "0003_delivery")]

    operations = [
        trigger(
            table="operators_operator",
            name="webhook_endpoint",
            when="AFTER INSERT",
            body="INSERT INTO webhooks_endpoint (operator_id) VALUES (NEW.id); RETURN NULL;",
        ),
        migrations.RunSQL(
            sql="""
                INSERT INTO webhooks_endpoint (operator_id, last_sequence)
                SELECT id, COALESCE((SELECT max(sequence) FROM webhooks_event WHERE operator_id = operators_operator.id), 0)
                FROM operators_operator
            """,
            reverse_sql="DELETE FROM webhooks_endpoint",
        ),
        same_tenant(table="webhooks_delivery", column="event_id", target="webhooks_event"),
        same_tenant(table="webhooks_deliveryattempt", column="delivery_id", target="webhooks_event"),
        frozen(table="webhooks_deliveryattempt", why="attempts are only ever added"),
    ]
