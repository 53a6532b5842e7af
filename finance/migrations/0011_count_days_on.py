from django.db import migrations

from lootbox.core.guards import same_tenant


class Migration(migrations.Migration):
    """Days take up where hours are, with the counter's lock held, so that each draw is in both once."""

    dependencies = [("finance", "0010_draws_by_day")]

    operations = [
        same_tenant(table="finance_drawday", column="box_version_id", target="catalog_boxversion"),
        migrations.RunSQL(
            sql="""
                SELECT FROM finance_tallyprogress WHERE name = 'draws' FOR UPDATE;
                INSERT INTO finance_drawday (operator_id, box_version_id, currency, funding, prize_id, day, draws)
                SELECT operator_id, box_version_id, currency, funding, prize_id, (hour AT TIME ZONE 'UTC')::date, sum(draws)
                FROM finance_drawtally GROUP BY 1, 2, 3, 4, 5, 6;
                INSERT INTO finance_tallyprogress (name, counted_to, seen_to, seen_before)
                SELECT 'days of draws', counted_to, counted_to, 0 FROM finance_tallyprogress WHERE name = 'draws';
            """,
            reverse_sql="DELETE FROM finance_drawday; DELETE FROM finance_tallyprogress WHERE name = 'days of draws'",
        ),
    ]
