"""The circuit breaker: a wallet that keeps leaving debits unresolved gets no new ones for a while (credits go on)."""

from typing import Final

from lootbox.core import db
from operators.models import Operator

OPENS_AFTER: Final = 5
FIRST_PAUSE_S: Final = 2.0
LONGEST_PAUSE_S: Final = 60.0

FAILED: Final = """
INSERT INTO wallet_breaker (operator_id, failures) VALUES (%(operator)s, 1)
ON CONFLICT (operator_id) DO UPDATE SET
    failures = wallet_breaker.failures + 1,
    open_until = CASE WHEN wallet_breaker.failures + 1 >= %(opens_after)s THEN now() + make_interval(
        secs => least(%(longest)s, %(first)s * 2 ^ least(wallet_breaker.failures + 1 - %(opens_after)s, 10))) END
RETURNING failures
"""


def debit_failed(*, operator: Operator) -> None:
    """Count a debit of unknown fate; from the fifth in a row on, pause new debits, twice as long each time up to a minute.

    The first debit that is answered, either way, forgets the failures; that is part of the purchase's own statement.
    """
    db.rows(
        FAILED,
        {"operator": operator.pk, "opens_after": OPENS_AFTER, "longest": LONGEST_PAUSE_S, "first": FIRST_PAUSE_S},
    )


PAUSE_LEFT: Final = """
SELECT EXTRACT(EPOCH FROM open_until - now())::float8 FROM wallet_breaker
WHERE operator_id = %(operator)s AND open_until > now()
"""


def pause_left(*, operator: Operator) -> float:
    """Return for how many seconds no new debit goes out; 0 for a closed breaker."""
    found = db.rows(PAUSE_LEFT, {"operator": operator.pk})
    return float(found[0][0]) if found else 0.0
