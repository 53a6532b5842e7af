"""Money calls outside the purchase's hot path: written down before they go out, and again when they have been answered."""

import datetime as dt
from collections.abc import Mapping
from typing import Final
from uuid import UUID

import structlog
from django.conf import settings
from django.db import IntegrityError
from django.db.models import F, Q

from lootbox.core.errors import ApiError, ErrorCode
from lootbox.core.ids import new_id
from operators.models import Operator, Player
from wallet import bodies, breaker, client, schedule
from wallet.client import BalanceUnavailable, WalletEndpoint
from wallet.models import CallState, CallType, Reason, WalletAttempt, WalletCall
from wallet.outcomes import Fate, Outcome

logger = structlog.get_logger(__name__)

# Given to what people say the wallet never did.
NOT_TAKEN: Final = "NOT_TAKEN"
UNRESOLVED = (CallState.PENDING, CallState.UNKNOWN)
# Unresolved and not under way: of unknown fate, or refused although it is owed.
RESTING: Final = Q(state=CallState.UNKNOWN) | Q(state=CallState.PENDING) & ~Q(error_code="")
STATE_AFTER: Mapping[Fate, CallState] = {
    Fate.ACCEPTED: CallState.ACCEPTED,
    Fate.REFUSED: CallState.REFUSED,
    Fate.UNKNOWN: CallState.UNKNOWN,
    Fate.NOT_SENT: CallState.UNKNOWN,
}


def endpoint(*, operator: Operator, at: dt.datetime) -> WalletEndpoint:
    """Return where the operator's wallet is and what calls to it are signed with at `at`."""
    return WalletEndpoint(operator.wallet_url, operator.outbound_secret, operator.previous_secret(at=at))


def balance(*, operator: Operator, player: Player, currency: str, at: dt.datetime) -> int | None:
    """Return the player's balance in minor units of `currency`, or None when the wallet gives none.

    Asks no wallet that has not answered lately. Refuses to run inside a transaction.
    """
    if not operator.wallet_url or breaker.pause_left(operator=operator):
        return None
    try:
        return client.balance(
            endpoint=endpoint(operator=operator, at=at), player_external_id=player.external_id, currency=currency, at=at
        )
    except BalanceUnavailable as error:
        logger.warning("balance_unavailable", operator=operator.slug, reason=str(error))
        return None


def intend(
    *,
    operator: Operator,
    player: Player,
    call_type: CallType,
    reason: Reason,
    idempotency_key: str,
    amount_minor: int,
    currency: str,
    base_amount_minor: int,
    details: Mapping[str, object],
    at: dt.datetime,
    round_id: UUID | None = None,
    inventory_item_id: int | None = None,
    order_id: UUID | None = None,
    rollback_of: str | None = None,
) -> WalletCall:
    """Write down a call that is about to go out, inside the caller's transaction, and return it with its first attempt counted.

    Amounts are minor units. Raises `IDEMPOTENCY_CONFLICT` when the key stands for another movement of this operator.
    """
    body = bodies.money_call(
        call_type=call_type,
        idempotency_key=idempotency_key,
        player=player.external_id,
        amount_minor=amount_minor,
        currency=currency,
        base_amount_minor=base_amount_minor,
        base_currency=operator.base_currency,
        reason=reason,
        details=details,
        rollback_of=rollback_of,
    )
    try:
        return WalletCall.objects.create(
            id=new_id(),
            operator=operator,
            player=player,
            type=call_type,
            reason=reason,
            idempotency_key=idempotency_key,
            amount_minor=amount_minor,
            currency=currency,
            base_amount_minor=base_amount_minor,
            base_currency=operator.base_currency,
            body=body,
            round_id=round_id,
            inventory_item_id=inventory_item_id,
            order_id=order_id,
            attempts=1,
            maybe_sent=True,
            created_at=at,
            last_attempt_at=at,
            next_attempt_at=busy_until(at),
        )
    except IntegrityError as error:
        if "wallet_call_key_unique" not in str(error):
            raise
        message = f"The idempotencyKey {idempotency_key} stands for another movement. Use a new one."
        raise ApiError(ErrorCode.IDEMPOTENCY_CONFLICT, message) from error


def intend_again(*, call: WalletCall, at: dt.datetime) -> WalletCall | None:
    """Count another attempt of an unresolved or refused call and return it as it is then, or None when it was decided."""
    counted = WalletCall.objects.filter(pk=call.pk, state__in=[*UNRESOLVED, CallState.REFUSED]).update(
        state=CallState.PENDING,
        attempts=F("attempts") + 1,
        maybe_sent=True,
        error_code="",
        resolved_at=None,
        last_attempt_at=at,
        next_attempt_at=busy_until(at),
    )
    return WalletCall.objects.get(pk=call.pk) if counted else None


def send(*, operator: Operator, call: WalletCall, at: dt.datetime) -> Outcome:
    """Send the call once, its exact bytes, and return what became of it. Refuses to run inside a transaction."""
    return ask(operator=operator, body=bytes(call.body), idempotency_key=call.idempotency_key, at=at)


def ask(*, operator: Operator, body: bytes, idempotency_key: str, at: dt.datetime) -> Outcome:
    """Send the bytes of a call that was written down, once; as `send`, for who has no row at hand."""
    return client.call(endpoint=endpoint(operator=operator, at=at), body=body, idempotency_key=idempotency_key, at=at)


def record(*, call: WalletCall, outcome: Outcome, at: dt.datetime, refusal_decides: bool = True) -> bool:
    """Write down how one attempt ended, inside the caller's transaction; return whether it was the call's to decide.

    `call` is as `intend` or `intend_again` returned it. Once a newer attempt was counted, a late answer to an older one counts
    for nothing: a refusal would free what the newer one may be paying for. Where `refusal_decides` is false the money is owed
    whatever the wallet says, and a refused call is asked for again.
    """
    state = STATE_AFTER[outcome.fate]
    if state is CallState.REFUSED and not refusal_decides:
        state = CallState.PENDING
    unresolved = state in UNRESOLVED
    recorded = WalletCall.objects.filter(pk=call.pk, state__in=UNRESOLVED, attempts=call.attempts).update(
        state=state,
        error_code=outcome.error_code or "",
        provider_txn_ref=outcome.provider_txn_ref or "",
        balance_after_minor=outcome.balance_after_minor,
        next_attempt_at=schedule.next_attempt(attempts=call.attempts, at=at) if unresolved else None,
        resolved_at=None if unresolved else at,
    )
    if recorded:
        WalletAttempt.objects.create(
            call=call,
            number=call.attempts,
            started_at=call.last_attempt_at or at,
            latency_ms=outcome.latency_ms,
            fate=outcome.fate,
            http_status=outcome.http_status,
            detail=outcome.detail,
            excerpt=outcome.excerpt,
        )
    return bool(recorded)


def decide(*, call: WalletCall, state: CallState, reference: str, at: dt.datetime) -> WalletCall | None:
    """Write down, by people's word, how an unresolved call ended, in the caller's transaction, which locked its asset.

    `reference` is where the operator shows that. Returns the call as it is then, None when it is known or under way.
    """
    decided = WalletCall.objects.filter(RESTING, pk=call.pk).update(
        state=state,
        error_code="" if state is CallState.ACCEPTED else NOT_TAKEN,
        provider_txn_ref=reference,
        next_attempt_at=None,
        resolved_at=at,
    )
    return WalletCall.objects.select_related("operator").get(pk=call.pk) if decided else None


def is_resting(call: WalletCall) -> bool:
    """Return whether a call is unresolved, and no attempt of it under way."""
    return call.state == CallState.UNKNOWN or (call.state == CallState.PENDING and call.error_code != "")


def rollback_under_way(*, order_id: UUID | None = None, round_id: UUID | None = None) -> str | None:
    """Return why a debit's fate can't be said while its rollback's is not known, None when there is none such."""
    of = {"order_id": order_id} if order_id else {"round_id": round_id}
    waits = WalletCall.objects.filter(**of, reason=Reason.ROLLBACK, state__in=UNRESOLVED).exists()
    return "The wallet was told to roll this debit back. Resolve the rollback instead, which ends both." if waits else None


def busy_until(at: dt.datetime) -> dt.datetime:
    """Return when recovery may take a call up that goes out now: not while it can still be under way."""
    return at + dt.timedelta(seconds=settings.LOOTBOX_WALLET_TIMEOUT_S + 2)
