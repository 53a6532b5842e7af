"""Buying boxes: intent, commit, call, record (contract section 5).

The round and its debit are committed before the wallet is called, what the wallet said and all that follows from it in one
statement after. Whatever dies in between leaves a pending round, which a retry of the same `clientActionId` resumes, and which
recovery undoes if nobody retries.
"""

import datetime as dt
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from django.db import connection

from catalog import rates
from catalog.compiled import CompiledVersion, compiled
from catalog.models import Box, BoxVersion
from catalog.rates import Rate
from fairness import services as fairness
from fairness.services import SeedSource
from lootbox.core import db
from lootbox.core.errors import ApiError, ErrorCode, Outdated, invalid
from lootbox.core.ids import Prefix, new_id, public_id
from lootbox.core.money import MAX_MINOR
from operators.models import MYSTERY_BOX, Operator, Player
from operators.selectors import is_current
from purchases import answers, lately, limits, rounds, statements
from purchases.answers import PurchaseAnswer
from purchases.drawing import BoughtReel, price
from purchases.models import ActionKind, Funding, Reel, Round, RoundState
from purchases.requests import PurchaseRequest
from purchases.rounds import KnownAction, RoundFacts, ShownReel
from purchases.services.settling import Clock, OwnedRound, finish
from purchases.statements import Claim, Debit, NewRound
from wallet import bodies, breaker
from wallet.models import CallState, CallType, Reason, WalletCall

WAIT_FOR_FIRST_S: Final = 2.0
WAIT_STEP_S: Final = 0.05
CLAIM_TRIES: Final = 5


@dataclass(frozen=True)
class Quote:
    """What a purchase costs: its reels in the round's currency and in the base, at which rate."""

    reels: list[BoughtReel]
    versions: dict[int, CompiledVersion]
    rate: Rate

    @property
    def bet_minor(self) -> int:
        """Return the total in minor units of the round's currency."""
        return sum(reel.bet_minor for reel in self.reels)

    @property
    def base_bet_minor(self) -> int:
        """Return the total in minor units of the base currency."""
        return sum(reel.base_bet_minor for reel in self.reels)


def purchase(*, request: PurchaseRequest, clock: Clock, secrets: SeedSource) -> PurchaseAnswer:
    """Buy boxes for a player and open them, or park them unopened, and return the round (contract section 5).

    Raises the refusals of section 5. Those that come before the wallet is called store nothing; a refused debit leaves a
    voided round, a debit of unknown fate a pending one, and both stand beside the error. Raises `Outdated`, and does nothing,
    where the operator has changed since `request.operator` was read.
    """
    if lately.is_retry(request) and (known := _find(request)):
        return _answer_again(request, known, clock)
    try:
        quote = _quote(request, clock())
    except ApiError:
        # A replay replays, whatever was published, priced or switched off since.
        if known := _find(request):
            return _answer_again(request, known, clock)
        if not is_current(operator=request.operator):
            raise Outdated from None
        raise
    for _ in range(CLAIM_TRIES):
        new = _new_round(request, quote, clock())
        claim = statements.claim(new=new)
        if claim is None:
            if known := _find(request):
                return _answer_again(request, known, clock)
            claim = _make_way(request, new, secrets)
        if claim is not None:
            lately.note(request)
            answer = finish(owned=_owned(request, quote, new, claim), clock=clock)
            return answer or _answer_again(request, _known(request), clock)
    raise answers.in_progress()


def _find(request: PurchaseRequest) -> KnownAction | None:
    return rounds.find_action(operator=request.operator, player=request.player, client_action_id=request.client_action_id)


def _known(request: PurchaseRequest) -> KnownAction:
    known = _find(request)
    assert known is not None, "an action is never deleted"
    return known


def _answer_again(request: PurchaseRequest, known: KnownAction, clock: Clock) -> PurchaseAnswer:
    """Answer a retry: refuse another request, resume a round that nobody is at work on, wait a moment for one that is."""
    if known.fingerprint != request.fingerprint:
        raise answers.conflict()
    deadline = time.monotonic() + WAIT_FOR_FIRST_S
    while known.round.state is RoundState.PENDING:
        claim = statements.resume(round_id=known.round_id, at=clock())
        if claim is not None:
            answer = finish(owned=_resumed(request, known, claim), clock=clock)
            if answer is not None:
                return answer
        elif time.monotonic() > deadline:
            raise answers.in_progress()
        else:
            # The first call needs a connection to finish, so none is held while waiting for it.
            connection.close()
            time.sleep(WAIT_STEP_S)
        known = _known(request)
    return answers.replay(known)


def _quote(request: PurchaseRequest, at: dt.datetime) -> Quote:
    operator = request.operator
    versions = compiled(operator_id=operator.pk, version_ids={reel.box_version_id for reel in request.reels})
    missing = {reel.box_version_id for reel in request.reels} - versions.keys()
    if missing:
        raise ApiError(ErrorCode.UNKNOWN_BOX, f"There is no box version {min(missing)}.")
    if request.game_key != MYSTERY_BOX or MYSTERY_BOX not in operator.games:
        raise ApiError(ErrorCode.GAME_DISABLED)
    if not operator.wallet_url:
        raise ApiError(ErrorCode.WALLET_UNAVAILABLE, "The operator has no wallet address yet. Set walletUrl, then try again.")
    rate = rates.purchase_rate(operator=operator, currency=request.currency, at=at, pinned=_pin(request))
    reels = [
        BoughtReel(
            reel_index=reel.reel_index,
            box_version_id=reel.box_version_id,
            bet_minor=price(
                versions[reel.box_version_id].price_minor,
                version=versions[reel.box_version_id],
                currency=request.currency,
                rate=rate.rate,
            ),
            base_bet_minor=versions[reel.box_version_id].price_minor,
        )
        for reel in request.reels
    ]
    quote = Quote(reels, versions, rate)
    if min(reel.bet_minor for reel in reels) == 0:
        # Rounded to nothing, the box would be free.
        raise ApiError(ErrorCode.UNSUPPORTED_CURRENCY, f"The price is less than the smallest amount of {request.currency}.")
    if quote.bet_minor > MAX_MINOR:
        raise invalid("reels", f"The total is more than {MAX_MINOR}.")
    if request.expected_bet_minor is not None:
        rates.check_expected_bet(
            operator=operator,
            currency=request.currency,
            expected_minor=request.expected_bet_minor,
            actual_minor=quote.bet_minor,
        )
    return quote


def _pin(request: PurchaseRequest) -> Decimal | None:
    # The price that the caller was shown says more than the rate that it was shown at.
    if request.expected_bet_minor is not None or request.currency == request.operator.base_currency:
        return None
    if request.pinned_rate is not None:
        return request.pinned_rate
    return rates.operator_pin(operator=request.operator, currency=request.currency)


def _new_round(request: PurchaseRequest, quote: Quote, at: dt.datetime) -> NewRound:
    round_id = new_id()
    paid = request.funding is Funding.PLAYER and quote.bet_minor > 0
    return NewRound(
        id=round_id,
        action_id=new_id(),
        operator=request.operator,
        player=request.player,
        client_action_id=request.client_action_id,
        fingerprint=request.fingerprint,
        mode=request.mode,
        funding=request.funding,
        currency=request.currency,
        bet_minor=quote.bet_minor,
        base_bet_minor=quote.base_bet_minor,
        rate=quote.rate.rate,
        rate_source=quote.rate.source,
        rate_at=quote.rate.at,
        reels=quote.reels,
        debit=_debit(request, quote, public_id(Prefix.ROUND, round_id)) if paid else None,
        at=at,
    )


def _debit(request: PurchaseRequest, quote: Quote, round_public_id: str) -> Debit:
    key = f"round:{round_public_id}"
    body = bodies.money_call(
        call_type=CallType.DEBIT,
        idempotency_key=key,
        player=request.player,
        amount_minor=quote.bet_minor,
        currency=request.currency,
        base_amount_minor=quote.base_bet_minor,
        base_currency=request.operator.base_currency,
        reason=Reason.PURCHASE,
        details={
            "roundPublicId": round_public_id,
            "gameKey": request.game_key,
            "mode": request.mode.value,
            "clientActionId": request.client_action_id,
        },
    )
    return Debit(id=new_id(), idempotency_key=key, body=body)


def _make_way(request: PurchaseRequest, new: NewRound, secrets: SeedSource) -> Claim | None:
    """Find out why a claim wrote nothing: refuse, or remove the reason and return None, or claim under the player's lock."""
    operator = request.operator
    player, _ = Player.objects.get_or_create(operator=operator, external_id=request.player)
    if player.blocked:
        raise ApiError(ErrorCode.PLAYER_BLOCKED, money_moved="none")
    _check_playable(operator, {reel.box_version_id for reel in new.reels})
    pause = breaker.pause_left(operator=operator) if new.debit else 0.0
    if pause:
        message = "The operator's wallet has not answered lately, so no new purchase is tried for a moment."
        raise ApiError(ErrorCode.WALLET_UNAVAILABLE, message, money_moved="none", retry_after=max(1, round(pause)))
    fairness.ensure_pairs(operator_id=operator.pk, player_id=player.pk, at=new.at, secrets=secrets)
    if not player.capped:
        return None
    with db.phase():
        if new.debit:
            limits.check_caps(player=player, currency=new.currency, bet_minor=new.bet_minor, at=new.at)
        return statements.claim(new=new, within_caps=True)


def _check_playable(operator: Operator, version_ids: set[int]) -> None:
    current = BoxVersion.objects.filter(
        operator=operator, pk__in=version_ids, superseded_at__isnull=True, box__in=Box.objects.filter(active=True)
    )
    if current.count() != len(version_ids):
        raise ApiError(ErrorCode.BOX_NOT_PLAYABLE)


def _owned(request: PurchaseRequest, quote: Quote, new: NewRound, claim: Claim) -> OwnedRound:
    facts = RoundFacts(
        id=new.id,
        player_id=claim.player_id,
        player=new.player,
        state=RoundState.PENDING,
        mode=new.mode,
        funding=new.funding,
        currency=new.currency,
        bet_minor=new.bet_minor,
        payout_minor=None,
        purchased_at=new.at,
        settled_at=None,
        expires_at=None,
        undone=False,
        reels=[
            ShownReel(reel_index=reel.reel_index, box_version_id=reel.box_version_id, prize=None, value_minor=None)
            for reel in new.reels
        ],
        items=[],
        server_seed_hash=None,
        client_seed=None,
        nonce=None,
        debit_state=CallState.PENDING if new.debit else None,
        debit_error_code="",
    )
    return OwnedRound(
        operator=request.operator,
        facts=facts,
        action_id=new.action_id,
        kind=ActionKind(new.mode.value),
        claim=claim,
        reels=new.reels,
        versions=quote.versions,
        rate=new.rate,
        debit=new.debit,
        resumed=False,
    )


def _resumed(request: PurchaseRequest, known: KnownAction, claim: Claim) -> OwnedRound:
    reels = list(Reel.objects.filter(round_id=known.round_id))
    call = WalletCall.objects.filter(round_id=known.round_id, reason=Reason.PURCHASE).first()
    unresolved = call is not None and call.state in (CallState.PENDING, CallState.UNKNOWN)
    return OwnedRound(
        operator=request.operator,
        facts=known.round,
        action_id=known.id,
        kind=known.kind,
        claim=claim,
        reels=[BoughtReel(reel.reel_index, reel.box_version_id, reel.bet_minor, reel.base_bet_minor) for reel in reels],
        versions=compiled(operator_id=request.operator.pk, version_ids={reel.box_version_id for reel in reels}),
        rate=Round.objects.values_list("fx_rate", flat=True).get(pk=known.round_id),
        debit=Debit(id=call.id, idempotency_key=call.idempotency_key, body=bytes(call.body)) if call and unresolved else None,
        resumed=True,
    )
