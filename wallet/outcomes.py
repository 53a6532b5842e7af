"""What may become of a money call, as everybody who asks for one reads it (contract section 10)."""

import enum
from dataclasses import dataclass


class Fate(enum.StrEnum):
    """What is known of the money after a call."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    NOT_SENT = "not_sent"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one money call.

    `error_code` is set for a refusal only. `balance_after_minor` and `provider_txn_ref` are the wallet's word, None where it
    gave none that makes sense. `excerpt` is the start of the answer, safe to show and to store; `detail` a sentence for people.
    """

    fate: Fate
    error_code: str | None
    balance_after_minor: int | None
    provider_txn_ref: str | None
    http_status: int | None
    latency_ms: int
    excerpt: str
    detail: str
