"""What the schedule runs for rounds."""

from typing import Any

import structlog
from celery import shared_task

from purchases import invariants

logger = structlog.get_logger(__name__)


class InvariantsBroken(Exception):
    """Money is not as it must be; people have to look."""


@shared_task
def check_invariants(**_: Any) -> None:
    """Check what must hold of the money. A breach is logged with examples and fails the task."""
    broken = invariants.breaches()
    for breach in broken:
        logger.error("invariant_broken", rule=breach.rule.name, rows=breach.rows, examples=breach.examples)
    if broken:
        raise InvariantsBroken(", ".join(breach.rule.name for breach in broken))
