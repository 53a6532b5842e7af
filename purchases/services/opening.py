"""Opening a held round: no debit, one draw (contract section 5)."""

from django.db import IntegrityError

from catalog.compiled import compiled
from lootbox.core import db
from lootbox.core.errors import ApiError, ErrorCode
from lootbox.core.ids import Prefix, new_id, parse_public_id
from purchases import answers, notices, rounds, statements
from purchases.answers import PurchaseAnswer
from purchases.drawing import BoughtReel
from purchases.models import ActionKind, Reel, Round, RoundState
from purchases.requests import OpenHeldRequest
from purchases.rounds import KnownAction, RoundFacts
from purchases.services.settling import Clock, OwnedRound, Win
from purchases.statements import Claim


def open_held(*, request: OpenHeldRequest, clock: Clock) -> PurchaseAnswer:
    """Draw and settle a held round and return it (contract section 5).

    Raises `ROUND_NOT_FOUND`, `ROUND_NOT_HELD` (opened, refunded, or its refund's fate is unknown), `IDEMPOTENCY_CONFLICT`.
    """
    known = _find(request)
    if known is not None:
        return _answer_again(request, known)
    facts = _held(request)
    owned = _owned(request, facts)
    won = _draw(request, owned, owned.claim, clock)
    if won is None:
        # Someone else decided the round meanwhile; if that was this very action, its answer is ours.
        known = _find(request)
        if known is None:
            raise ApiError(ErrorCode.ROUND_NOT_HELD)
        return _answer_again(request, known)
    balance = won.pay_out(operator=request.operator, action_id=owned.action_id, clock=clock)
    return PurchaseAnswer(won.facts, ActionKind.OPEN_HELD, balance, replayed=False)


def _find(request: OpenHeldRequest) -> KnownAction | None:
    return rounds.find_action(operator=request.operator, player=request.player, client_action_id=request.client_action_id)


def _answer_again(request: OpenHeldRequest, known: KnownAction) -> PurchaseAnswer:
    if known.fingerprint != request.fingerprint:
        raise answers.conflict()
    return answers.replay(known)


def _held(request: OpenHeldRequest) -> RoundFacts:
    round_id = parse_public_id(Prefix.ROUND, request.round_public_id)
    facts = rounds.load(operator=request.operator, round_id=round_id) if round_id else None
    if facts is None or facts.player != request.player:
        raise ApiError(ErrorCode.ROUND_NOT_FOUND)
    if facts.state is not RoundState.HELD:
        raise ApiError(ErrorCode.ROUND_NOT_HELD)
    return facts


def _owned(request: OpenHeldRequest, facts: RoundFacts) -> OwnedRound:
    reels = list(Reel.objects.filter(round_id=facts.id))
    return OwnedRound(
        operator=request.operator,
        facts=facts,
        action_id=new_id(),
        kind=ActionKind.OPEN_HELD,
        claim=statements.seed_of(player_id=facts.player_id, round_id=facts.id),
        reels=[BoughtReel(reel.reel_index, reel.box_version_id, reel.bet_minor, reel.base_bet_minor) for reel in reels],
        versions=compiled(operator_id=request.operator.pk, version_ids={reel.box_version_id for reel in reels}),
        rate=Round.objects.values_list("fx_rate", flat=True).get(pk=facts.id),
        debit=None,
        resumed=False,
    )


def _draw(request: OpenHeldRequest, owned: OwnedRound, claim: Claim, clock: Clock) -> Win | None:
    try:
        return _settle(request, owned, claim, clock)
    except IntegrityError as error:
        if "action_client_id_unique" in str(error):
            return None
        # Another round of this player took the nonce. Once more, this time with the seed locked against all others.
        with db.phase():
            claim = statements.seed_of(player_id=owned.facts.player_id, round_id=owned.facts.id, lock=True)
            return _settle(request, owned, claim, clock)


def _settle(request: OpenHeldRequest, owned: OwnedRound, claim: Claim, clock: Clock) -> Win | None:
    at = clock()
    won = Win.draw(owned=owned, claim=claim, at=at)
    opened = statements.open_held(
        round_id=owned.facts.id,
        action_id=owned.action_id,
        client_action_id=request.client_action_id,
        fingerprint=request.fingerprint,
        drawn=won.drawn,
        events=notices.of_settlement(facts=won.facts, operator=request.operator, at=at),
        operator=request.operator,
        at=at,
    )
    return won if opened else None
