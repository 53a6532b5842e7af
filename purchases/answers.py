"""What a purchase answers, from a round as it stands: the outcome, or the refusal that fits its state (contract section 5)."""

from dataclasses import dataclass
from typing import Any, Final

from lootbox.core.errors import ApiError, ErrorCode, MoneyMoved, refused_by_wallet
from operators.models import Operator
from purchases.models import ActionKind, RoundState
from purchases.rounds import KnownAction, RoundFacts

RETRY_AFTER_S: Final = 1


@dataclass(frozen=True)
class PurchaseAnswer:
    """A round that was settled or held, the wallet's last word in this call, and whether the call was a retry."""

    facts: RoundFacts
    kind: ActionKind
    balance_after_minor: int | None
    replayed: bool

    @property
    def status(self) -> int:
        """Return 201 for a pre-pay, 200 for an open."""
        return 201 if self.kind is ActionKind.PREPAY else 200

    def as_json(self, *, operator: Operator) -> dict[str, Any]:
        """Return the answer of section 5."""
        return {"round": self.facts.as_json(operator=operator), "balanceAfterMinor": self.balance_after_minor}


def replay(known: KnownAction) -> PurchaseAnswer:
    """Return what the action's first call answered, its round as it is now.

    Raises the first call's refusal for a voided round, and `WALLET_UNAVAILABLE` for one that is being undone. A round that is
    still pending is the caller's to look at first.
    """
    facts = known.round
    if facts.state is RoundState.VOIDED and not facts.undone:
        raise refused(facts, balance_after_minor=known.balance_after_minor)
    if facts.state is RoundState.VOIDED:
        raise undetermined(facts, money_moved="none", retryable=False)
    if facts.state is RoundState.UNDOING:
        raise undetermined(facts, money_moved="unknown", retryable=False)
    return PurchaseAnswer(facts, known.kind, known.balance_after_minor, replayed=True)


def refused(facts: RoundFacts, *, balance_after_minor: int | None) -> ApiError:
    """Return the error for a debit that the wallet refused: its own code, beside the voided round."""
    beside = {"round": facts.brief(), "balanceAfterMinor": balance_after_minor}
    return refused_by_wallet(wallet_code=facts.debit_error_code, beside=beside)


def undetermined(facts: RoundFacts, *, money_moved: MoneyMoved, retryable: bool = True) -> ApiError:
    """Return the 503 for a round whose debit's fate is not known, or which is being undone or was."""
    return ApiError(
        ErrorCode.WALLET_UNAVAILABLE,
        None
        if retryable
        else "The wallet did not answer in time, so this purchase is undone. Buy again with a new clientActionId.",
        money_moved=money_moved,
        retryable=retryable,
        retry_after=RETRY_AFTER_S if retryable else None,
        beside={"round": facts.brief(), "balanceAfterMinor": None},
    )


def in_progress() -> ApiError:
    """Return the error for an action whose first call is still running."""
    return ApiError(ErrorCode.ACTION_IN_PROGRESS, money_moved="unknown", retry_after=RETRY_AFTER_S)


def conflict() -> ApiError:
    """Return the error for an action id that was used for another request."""
    return ApiError(
        ErrorCode.IDEMPOTENCY_CONFLICT, "This clientActionId was used for a different request. Use a new one for a new action."
    )
