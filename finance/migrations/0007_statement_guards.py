from django.db import migrations

from lootbox.core.guards import same_tenant


class Migration(migrations.Migration):
    """A difference is of its statement's operator."""

    dependencies = [("finance", "0006_statements")]

    operations = [same_tenant(table="finance_difference", column="statement_id", target="finance_statement")]
