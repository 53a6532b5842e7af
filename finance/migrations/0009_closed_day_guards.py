from django.db import migrations

from lootbox.core.guards import same_tenant, trigger


class Migration(migrations.Migration):
    """A close never changes, but that two people may re-open it."""

    dependencies = [("finance", "0008_closed_days")]

    operations = [
        same_tenant(table="finance_closedday", column="previous_id", target="finance_closedday"),
        trigger(
            table="finance_closedday",
            name="frozen",
            when="BEFORE UPDATE OR DELETE",
            body="""
                IF TG_OP = 'UPDATE' AND OLD.state = 'closed' AND NEW.state = 'reopened' THEN
                    OLD.state := NEW.state;
                    OLD.reopened_at := NEW.reopened_at;
                    OLD.reopened_by := NEW.reopened_by;
                    OLD.reopened_confirmed_by := NEW.reopened_confirmed_by;
                    OLD.reopened_reason := NEW.reopened_reason;
                    IF NEW IS NOT DISTINCT FROM OLD THEN
                        RETURN NEW;
                    END IF;
                END IF;
                RAISE EXCEPTION 'a closed day never changes' USING ERRCODE = 'integrity_constraint_violation';
            """,
        ),
    ]
