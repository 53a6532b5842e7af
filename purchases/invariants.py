"""Running `invariants.sql`: what must hold of the money at any moment."""

import re
from pathlib import Path
from typing import Final, NamedTuple

from lootbox.core import db

FILE: Final = Path(__file__).with_name("invariants.sql")
_RULE = re.compile(r"^-- (?P<name>\w+): (?P<rule>.+)\n(?P<sql>[^;]+);", re.MULTILINE)
SHOWN: Final = 20


class Rule(NamedTuple):
    """One invariant: its name, what it says, and the query for what breaks it."""

    name: str
    says: str
    sql: str


class Breach(NamedTuple):
    """An invariant that does not hold: how many rows break it, and the first of them."""

    rule: Rule
    rows: int
    examples: list[str]


def rules() -> list[Rule]:
    """Return the invariants in the file's order."""
    return [Rule(*match.group("name", "rule", "sql")) for match in _RULE.finditer(FILE.read_text())]


def breaches() -> list[Breach]:
    """Return the invariants that do not hold; each is one query over all operators."""
    found = []
    for rule in rules():
        rows = [str(row[0]) for row in db.rows(rule.sql, {})]
        if rows:
            found.append(Breach(rule, len(rows), rows[:SHOWN]))
    return found
