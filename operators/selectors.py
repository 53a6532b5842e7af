"""Finding operators and players."""

from lootbox.core import db
from operators.configuration import InvalidSetting
from operators.models import Operator


def operator_by_slug(*, slug: str) -> Operator:
    """Return the operator. Raises `InvalidSetting` with a sentence when there is none."""
    operator = Operator.objects.filter(slug=slug).first()
    if operator is None:
        raise InvalidSetting(f"There is no operator {slug}. Make one with: manage.py create_operator {slug}")
    return operator


def is_current(*, operator: Operator) -> bool:
    """Return whether nothing about the operator has changed since it was read: settings, keys, catalogue, cashback rules."""
    return db.rows("SELECT version FROM operators_operator WHERE id = %(id)s", {"id": operator.pk}) == [(operator.version,)]
