"""The exact bytes of a money call (contract section 10)."""

from collections.abc import Mapping

from lootbox.core import strict_json
from wallet.models import CallType, Reason


def money_call(
    *,
    call_type: CallType,
    idempotency_key: str,
    player: str,
    amount_minor: int,
    currency: str,
    base_amount_minor: int,
    base_currency: str,
    reason: Reason,
    details: Mapping[str, object],
    rollback_of: str | None = None,
) -> bytes:
    """Return the body of a debit, credit or rollback; `details` go into its `reference`. Amounts are minor units."""
    reference = {"reason": reason.value, **details, "baseAmountMinor": base_amount_minor, "baseCurrency": base_currency}
    return strict_json.compact(
        {
            "type": call_type.value,
            "idempotencyKey": idempotency_key,
            **({"rollbackOf": rollback_of} if rollback_of else {}),
            "playerExternalId": player,
            "amountMinor": amount_minor,
            "currency": currency,
            "reference": reference,
        }
    )
