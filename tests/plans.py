"""How a statement is executed: which nodes of its plan read certain tables, and how many rows each read."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection


@dataclass(frozen=True)
class Scan:
    """One node that reads a table; `rows` counts those that it skipped, too."""

    kind: str
    table: str
    rows: float


def scans(sql: str, tables: Collection[str]) -> list[Scan]:
    """Execute a statement, and return what read these tables."""
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + sql.replace("%", "%%"), ())
        [[plan]] = cursor.fetchall()
    return list(_below((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"], tables))


def _below(node: dict[str, Any], tables: Collection[str]) -> Iterator[Scan]:
    if node.get("Relation Name") in tables:
        skipped = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
        yield Scan(node["Node Type"], node["Relation Name"], (node["Actual Rows"] + skipped) * node["Actual Loops"])
    for below in node.get("Plans", []):
        yield from _below(below, tables)
