"""What a won item is worth in cash right now (contract sections 3, 5 and 7)."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from catalog.models import Item
from operators.models import Operator

BPS = 10_000


class Cashable(NamedTuple):
    """A won item: which catalogue item, its value in minor units of its own currency, whether it is free to be resolved."""

    item_id: int
    value_minor: int
    free: bool


def cashback_minor(*, operator: Operator, items: Sequence[Cashable]) -> list[int | None]:
    """Return for each item what it would be cashed back for, in minor units of its own currency, or None when it can't be.

    The item's own rule counts, else the operator's rate of its value, rounded half up. An amount of zero is no cashback.
    """
    if not operator.cashback:
        return [None] * len(items)
    rules = _own_rules(operator, {item.item_id for item in items if item.free})
    return [_amount(operator, rules[item.item_id], item.value_minor) if item.free else None for item in items]


def _amount(operator: Operator, own_rule: int | None, value_minor: int) -> int | None:
    if own_rule is not None:
        return own_rule or None
    if operator.cashback_rate_bps is None:
        return None
    return (value_minor * operator.cashback_rate_bps + BPS // 2) // BPS or None


class _Rules:
    """The items' own rules as of one version of the operator, which a trigger moves on when a rule changes."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.amounts: dict[int, int | None] = {}


_rules_by_operator: dict[int, _Rules] = {}


def _own_rules(operator: Operator, item_ids: Collection[int]) -> dict[int, int | None]:
    rules = _rules_by_operator.get(operator.pk)
    if rules is None or rules.version != operator.version:
        rules = _rules_by_operator[operator.pk] = _Rules(operator.version)
    missing = [item_id for item_id in item_ids if item_id not in rules.amounts]
    if missing:
        found = Item.objects.filter(operator=operator, pk__in=missing).values_list("pk", "cashback_minor")
        rules.amounts.update(found)
    return rules.amounts
