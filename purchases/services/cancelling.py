"""Cancelling a held round: its player gets back what was debited (contract section 6)."""

from dataclasses import dataclass
from typing import Any

from lootbox.core import db
from lootbox.core.errors import ApiError, ErrorCode, refused_by_wallet
from operators.models import Operator
from purchases import selectors
from purchases.models import Funding, Reel, Round, RoundState
from purchases.rounds import RoundFacts
from purchases.services.refunding import attempt_refund, end_round, intend_refund, refund_key
from purchases.services.settling import Clock
from wallet import services as wallet
from wallet.models import CallState, WalletCall
from wallet.outcomes import Fate


@dataclass(frozen=True)
class Cancellation:
    """A round that was refunded, and the wallet's last word in this call; `replayed` for a retry."""

    facts: RoundFacts
    balance_after_minor: int | None
    replayed: bool

    def as_json(self) -> dict[str, Any]:
        """Return the answer of section 6."""
        shown = self.facts.brief() | {"refundedMinor": self.facts.bet_minor, "currency": self.facts.currency}
        return {"round": shown, "balanceAfterMinor": self.balance_after_minor}


def cancel(
    *,
    operator: Operator,
    player: str,
    round_public_id: str,
    idempotency_key: str | None,
    clock: Clock,
    witness: db.Witness | None = None,
) -> Cancellation:
    """Refund a held round that its player paid for, and return it (contract section 6). `witness` sees a refund begin.

    Raises `ROUND_NOT_FOUND`, `ROUND_NOT_REFUNDABLE`, `REFUND_NOT_ALLOWED`, `IDEMPOTENCY_CONFLICT`; the wallet's refusal, with
    the round held as before; `WALLET_UNAVAILABLE`, with the round locked until the same call, or recovery, knows its fate.
    """
    facts = selectors.round_facts(operator=operator, round_public_id=round_public_id, player=player)
    key = idempotency_key or refund_key(facts.public_id)
    call = _known_call(operator, facts, key)
    if facts.state is RoundState.REFUNDED and call is not None and call.state == CallState.ACCEPTED:
        return Cancellation(facts, call.balance_after_minor, replayed=True)
    intended = _intend(operator, facts, key, clock, witness)
    if intended is None:
        ended = selectors.round_facts(operator=operator, round_public_id=round_public_id)
        return Cancellation(ended, None, replayed=False)
    end = attempt_refund(operator=operator, call=intended, clock=clock)
    beside = {"round": end.facts.brief(), "balanceAfterMinor": end.outcome.balance_after_minor}
    if end.outcome.fate is Fate.ACCEPTED:
        return Cancellation(end.facts, end.outcome.balance_after_minor, replayed=False)
    if end.outcome.fate is Fate.REFUSED:
        raise refused_by_wallet(wallet_code=end.outcome.error_code or "", beside=beside)
    raise ApiError(ErrorCode.WALLET_UNAVAILABLE, money_moved="unknown", retry_after=1, beside=beside)


def _known_call(operator: Operator, facts: RoundFacts, key: str) -> WalletCall | None:
    return WalletCall.objects.filter(operator=operator, idempotency_key=key, round_id=facts.id).first()


def _intend(operator: Operator, facts: RoundFacts, key: str, clock: Clock, witness: db.Witness | None) -> WalletCall | None:
    """Lock the round with the refund that is written down, and return the refund; None when there was nothing to credit."""
    at = clock()
    with db.phase():
        round_ = Round.objects.select_for_update(of=("self",)).select_related("player").get(pk=facts.id)
        if round_.state != RoundState.HELD or round_.funding != Funding.PLAYER:
            raise ApiError(ErrorCode.ROUND_NOT_REFUNDABLE)
        if round_.locked_by is not None:
            return _intend_locked(round_, key, clock)
        if not operator.refunds or Reel.objects.filter(round=round_, box_version__box__refundable=False).exists():
            raise ApiError(ErrorCode.REFUND_NOT_ALLOWED)
        if not operator.wallet_url:
            raise ApiError(ErrorCode.WALLET_UNAVAILABLE, "The operator has no wallet address. Set walletUrl, then try again.")
        if witness is not None:
            witness()
        if round_.bet_minor == 0:
            end_round(operator=operator, round_=round_, at=at)
            return None
        call = intend_refund(operator=operator, round_=round_, idempotency_key=key, at=at)
        Round.objects.filter(pk=round_.pk).update(locked_by=call.pk)
        return call


def _intend_locked(round_: Round, key: str, clock: Clock) -> WalletCall:
    """Go on with the refund that locks the round; only the call that began it may."""
    assert round_.locked_by is not None
    lock = WalletCall.objects.get(pk=round_.locked_by)
    again = wallet.intend_again(call=lock, at=clock()) if lock.idempotency_key == key else None
    if again is None:
        raise ApiError(ErrorCode.ROUND_NOT_REFUNDABLE, "A refund of this round is under way, and its fate is not known yet.")
    return again
