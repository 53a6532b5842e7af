"""Emptying the database between tests that commit.

Django's own flush truncates every table and then makes content types and permissions anew, which takes most of a second. Here
only tables with rows are truncated, and what migrations made stays.
"""

from functools import cache

from django.db import connection

KEPT = {"django_migrations", "django_content_type", "auth_permission", "auth_group", "auth_group_permissions"}


@cache
def _which_hold_rows() -> str:
    tables = set(connection.introspection.django_table_names(only_existing=True, include_views=False)) - KEPT
    return " UNION ALL ".join(f"SELECT '{table}' WHERE EXISTS (SELECT FROM {table})" for table in sorted(tables))  # noqa: S608


def empty_database() -> None:
    """Truncate every table that holds rows. Ids go on: a process keeps operators and frozen versions by theirs."""
    with connection.cursor() as cursor:
        cursor.execute(_which_hold_rows())
        tables = [table for (table,) in cursor.fetchall()]
        if tables:
            cursor.execute(f"TRUNCATE {', '.join(tables)} CASCADE")
