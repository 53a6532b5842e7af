"""Cancelling a held round: its player gets back what was debited (contract section 6)."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from lootbox.core import db
from lootbox.core.errors import ApiError, ErrorCode, refused_by_wallet
from operators.models import Operator
from purchases import selectors
from purchases.models import Funding, Reel, Round, RoundState
from purchases.rounds import RoundFacts
from purchases.services.refunding import RefundEnd, attempt_refund, intend_refund, refund_key
from purchases.services.settling import Clock
from vault.services import turns
from wallet.models import CallState, WalletCall


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
    the round held as before; `WALLET_UNAVAILABLE`, with the round locked until the same call, or recovery, knows its fate;
    `ACTION_IN_PROGRESS` while the same call still runs.
    """
    waiting = turns.Waiting()
    while True:
        facts = selectors.round_facts(operator=operator, round_public_id=round_public_id, player=player)
        key = idempotency_key or refund_key(facts.public_id)
        known = _known_call(operator, facts, key)
        if facts.state is RoundState.REFUNDED and known is not None and known.state == CallState.ACCEPTED:
            return Cancellation(facts, known.balance_after_minor, replayed=True)
        call = _take_turn(operator, facts, key, clock, witness)
        if call is not None:
            end = attempt_refund(operator=operator, call=call, clock=clock)
            if not turns.is_open(end.call):
                return _answer(end)
        waiting.a_moment()


def _known_call(operator: Operator, facts: RoundFacts, key: str) -> WalletCall | None:
    return WalletCall.objects.filter(operator=operator, idempotency_key=key, round_id=facts.id).first()


def _take_turn(operator: Operator, facts: RoundFacts, key: str, clock: Clock, witness: db.Witness | None) -> WalletCall | None:
    """Lock the round with the refund that is written down, and return the refund; None while somebody else is at it."""
    at = clock()
    with db.phase():
        round_ = Round.objects.select_for_update(of=("self",)).select_related("player").get(pk=facts.id)
        if round_.state != facts.state:
            return None
        if round_.state != RoundState.HELD or round_.funding != Funding.PLAYER:
            raise ApiError(ErrorCode.ROUND_NOT_REFUNDABLE)
        if round_.locked_by is not None:
            return _go_on(round_, key, at)
        if not operator.refunds or Reel.objects.filter(round=round_, box_version__box__refundable=False).exists():
            raise ApiError(ErrorCode.REFUND_NOT_ALLOWED)
        if not operator.wallet_url:
            raise ApiError(ErrorCode.WALLET_UNAVAILABLE, "The operator has no wallet address. Set walletUrl, then try again.")
        if witness is not None:
            witness()
        call = intend_refund(operator=operator, round_=round_, idempotency_key=key, at=at)
        Round.objects.filter(pk=round_.pk).update(locked_by=call.pk)
        return call


def _go_on(round_: Round, key: str, at: dt.datetime) -> WalletCall | None:
    """Go on with the refund that locks the round; only the call that began it may."""
    assert round_.locked_by is not None
    lock = WalletCall.objects.get(pk=round_.locked_by)
    if lock.idempotency_key != key:
        raise ApiError(ErrorCode.ROUND_NOT_REFUNDABLE, "A refund of this round is under way, and its fate is not known yet.")
    return turns.take_up(call=lock, at=at)


def _answer(end: RefundEnd) -> Cancellation:
    call = end.call
    beside = {"round": end.facts.brief(), "balanceAfterMinor": call.balance_after_minor}
    if call.state == CallState.ACCEPTED:
        return Cancellation(end.facts, call.balance_after_minor, replayed=False)
    if call.error_code:
        raise refused_by_wallet(wallet_code=call.error_code, beside=beside)
    raise ApiError(ErrorCode.WALLET_UNAVAILABLE, money_moved="unknown", retry_after=1, beside=beside)
