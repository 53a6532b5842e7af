from django.db import migrations

from lootbox.core.guards import same_tenant


class Migration(migrations.Migration):
    """What was counted before is counted again, so that all tallies begin with the first draw."""

    dependencies = [("finance", "0004_play_and_delivery_tallies")]

    operations = [
        same_tenant(table="finance_playtally", column="box_version_id", target="catalog_boxversion"),
        migrations.RunSQL(
            sql="DELETE FROM finance_drawtally; DELETE FROM finance_tallyprogress",
            reverse_sql=migrations.RunSQL.noop,
        ),
    ]
