"""SQL that migrations share: guards that the database keeps whatever the code does."""

from django.db.migrations import RunSQL


def frozen(*, table: str, why: str) -> RunSQL:
    """Return the operation that makes a table insert-only."""
    return trigger(
        table=table,
        name="frozen",
        when="BEFORE UPDATE OR DELETE",
        body=f"RAISE EXCEPTION '{why}' USING ERRCODE = 'integrity_constraint_violation';",
    )


def trigger(*, table: str, name: str, when: str, body: str, condition: str = "") -> RunSQL:
    """Return the operation that adds a row trigger `table_name` with a PL/pgSQL body."""
    function = f"{table}_{name}"
    clause = f"WHEN ({condition})" if condition else ""
    return RunSQL(
        sql=f"""
            CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN {body} END $body$;
            CREATE TRIGGER {name} {when} ON {table} FOR EACH ROW {clause} EXECUTE FUNCTION {function}();
        """,
        reverse_sql=f"DROP TRIGGER {name} ON {table}; DROP FUNCTION {function}();",
    )


def same_tenant(*, table: str, column: str, target: str) -> RunSQL:
    """Return the operation that lets `column` point to rows of `target` of the same operator only."""
    name = f"{table}_{column}_same_tenant"
    return RunSQL(
        sql=f"""
            ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY (operator_id, {column})
            REFERENCES {target} (operator_id, id) DEFERRABLE INITIALLY DEFERRED
        """,
        reverse_sql=f"ALTER TABLE {table} DROP CONSTRAINT {name}",
    )
