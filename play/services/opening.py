"""Opening boxes in a session: the purchase of section 5, with its funding decided here (contract section 8).

Whether a box is free is settled and committed before it is bought, under a lock of the session, so that any number of opens at
once never gets more than the launch granted, and a retry of an action meets the decision that its first call did.
"""

import datetime as dt
from dataclasses import replace

from django.db.models import Exists, F, OuterRef, Sum

from catalog.compiled import compiled
from fairness.services import SeedSource
from lootbox.core import db
from lootbox.core.errors import ApiError
from play.models import FundingDecision, Session
from purchases import answers
from purchases.answers import PurchaseAnswer
from purchases.models import Action, Funding, Round, RoundState
from purchases.requests import PurchaseRequest
from purchases.services import buying
from purchases.services.settling import Clock


def purchase(*, session: Session, request: PurchaseRequest, clock: Clock, secrets: SeedSource) -> PurchaseAnswer:
    """Buy boxes in a session and return the round: free within what the launch granted, else the player pays.

    What `request` says of its funding does not count. Raises as `purchases.services.buying.purchase`.
    """
    funding = _known_funding(session, request)
    if funding is None and _may_be_free(session, request):
        if session.launch.funding_rounds is not None:
            return _purchase_within_cap(session, request, clock, secrets)
        funding = Funding.OPERATOR
    return buying.purchase(request=replace(request, funding=funding or Funding.PLAYER), clock=clock, secrets=secrets)


def free_opens_left(*, session: Session) -> int | None:
    """Return how many more boxes the session may open at the operator's expense, None for any number (contract section 8)."""
    launch = session.launch
    if not launch.gives_free_opens:
        return 0
    if launch.funding_rounds is None:
        return None
    # A round that never came to its draw took nothing.
    undone = Action.objects.filter(
        player_id=session.player_id, client_action_id=OuterRef("client_action_id"), round__state=RoundState.VOIDED
    )
    free = FundingDecision.objects.filter(session=session, funding=Funding.OPERATOR).exclude(Exists(undone))
    taken: int | None = free.aggregate(taken=Sum("reels"))["taken"]
    return max(launch.funding_rounds - (taken or 0), 0)


def _known_funding(session: Session, request: PurchaseRequest) -> Funding | None:
    """Return who funded the action before, in this session or another of the player's; None for a new one."""
    known = Round.objects.filter(actions__player_id=session.player_id, actions__client_action_id=request.client_action_id)
    funding = known.values_list("funding", flat=True).first()
    return None if funding is None else Funding(funding)


def _may_be_free(session: Session, request: PurchaseRequest) -> bool:
    """Return whether every box of the purchase is the one that the operator funds."""
    if not session.launch.gives_free_opens:
        return False
    version_ids = {reel.box_version_id for reel in request.reels}
    versions = compiled(operator_id=session.operator_id, version_ids=version_ids)
    return versions.keys() == version_ids and {version.box_id for version in versions.values()} == {session.launch.box_id}


def _purchase_within_cap(session: Session, request: PurchaseRequest, clock: Clock, secrets: SeedSource) -> PurchaseAnswer:
    decision = _decide(session, request, clock())
    try:
        return buying.purchase(request=replace(request, funding=Funding(decision.funding)), clock=clock, secrets=secrets)
    except ApiError:
        _take_back_unused(decision, session)
        raise


def _decide(session: Session, request: PurchaseRequest, at: dt.datetime) -> FundingDecision:
    """Return the decision for an action, made now if it is new; several callers of one action share it."""
    with db.phase():
        _lock(session)
        left = free_opens_left(session=session)
        free = left is None or len(request.reels) <= left
        decision, created = FundingDecision.objects.get_or_create(
            session=session,
            client_action_id=request.client_action_id,
            defaults={
                "operator": session.operator,
                "reels": len(request.reels),
                "funding": Funding.OPERATOR if free else Funding.PLAYER,
                "decided_at": at,
            },
        )
        if decision.reels != len(request.reels):
            raise answers.conflict()
        if not created:
            FundingDecision.objects.filter(pk=decision.pk).update(callers=F("callers") + 1)
        return decision


def _take_back_unused(decision: FundingDecision, session: Session) -> None:
    """Leave a decision after a refusal; the last to leave takes it back, if no action was stored that rests on it."""
    stored = Action.objects.filter(player_id=session.player_id, client_action_id=decision.client_action_id)
    with db.phase():
        _lock(session)
        FundingDecision.objects.filter(pk=decision.pk).update(callers=F("callers") - 1)
        FundingDecision.objects.filter(pk=decision.pk, callers=0).exclude(Exists(stored)).delete()


def _lock(session: Session) -> None:
    # The weak lock: rows may still be added for the session.
    Session.objects.select_for_update(of=("self",), no_key=True).only("pk").get(pk=session.pk)
