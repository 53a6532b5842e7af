from django.db import migrations

FUNCTION = """
    CREATE FUNCTION catalog_next_operator_version() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN
        UPDATE operators_operator SET version = version + 1 WHERE id IN (SELECT operator_id FROM touched);
        RETURN NULL;
    END $body$;
"""


def bump(table: str) -> migrations.RunSQL:
    """Return the operation that moves an operator's version on with each statement that changes its rows of `table`."""
    events = {"INSERT": "NEW", "UPDATE": "NEW", "DELETE": "OLD"}
    return migrations.RunSQL(
        sql="".join(
            f"""
            CREATE TRIGGER next_operator_version_{event.lower()} AFTER {event} ON {table}
            REFERENCING {rows} TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION catalog_next_operator_version();
            """
            for event, rows in events.items()
        ),
        reverse_sql="".join(f"DROP TRIGGER next_operator_version_{event.lower()} ON {table};" for event in events),
    )


class Migration(migrations.Migration):
    """A change of the catalogue is a new version of its operator, so that no cached answer outlives it."""

    dependencies = [("catalog", "0003_pictures_and_item_type"), ("operators", "0002_versions")]

    operations = [
        migrations.RunSQL(sql=FUNCTION, reverse_sql="DROP FUNCTION catalog_next_operator_version();"),
        bump("catalog_item"),
        bump("catalog_attribute"),
        bump("catalog_box"),
        bump("catalog_boxversion"),
    ]
