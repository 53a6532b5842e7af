from django.db import migrations

from lootbox.core.guards import same_tenant


class Migration(migrations.Migration):
    """A flag or a count points to rows of its own operator only."""

    dependencies = [("finance", "0002_flags_and_tallies"), ("purchases", "0004_client_action_index")]

    operations = [
        same_tenant(table="finance_flag", column="box_id", target="catalog_box"),
        same_tenant(table="finance_flag", column="box_version_id", target="catalog_boxversion"),
        same_tenant(table="finance_flag", column="player_id", target="operators_player"),
        same_tenant(table="finance_flag", column="round_id", target="purchases_round"),
        same_tenant(table="finance_drawtally", column="box_version_id", target="catalog_boxversion"),
    ]
