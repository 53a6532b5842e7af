from django.db import migrations

from lootbox.core.guards import same_tenant


class Migration(migrations.Migration):
    """A draft points to nothing of another operator."""

    dependencies = [("catalog", "0005_drafts_and_uploads")]

    operations = [
        same_tenant(table="catalog_boxdraft", column="box_id", target="catalog_box"),
        same_tenant(table="catalog_boxdraft", column="based_on_id", target="catalog_boxversion"),
        same_tenant(table="catalog_boxdraft", column="version_id", target="catalog_boxversion"),
        same_tenant(table="catalog_draftprize", column="draft_id", target="catalog_boxdraft"),
        same_tenant(table="catalog_draftprize", column="item_id", target="catalog_item"),
    ]
