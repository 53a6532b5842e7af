"""From a claimed round to its end: debit, then draw and settle, or hold, or void (contract section 5)."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID

from django.db import DatabaseError, IntegrityError

from catalog.compiled import CompiledVersion
from catalog.models import PrizeKind
from lootbox.core import db
from lootbox.core.ids import new_id
from operators.models import MYSTERY_BOX, Operator
from purchases import answers, notices, statements
from purchases.answers import PurchaseAnswer
from purchases.drawing import BoughtReel, DrawnReel, Seed, draw
from purchases.models import ActionKind, RoundState
from purchases.rounds import RoundFacts, ShownItem, ShownReel
from purchases.statements import Claim, Debit, Debited, Drawn, Payout
from vault.models import ItemState
from wallet import bodies, breaker, schedule
from wallet import services as wallet
from wallet.models import CallState, CallType, Reason
from wallet.outcomes import Fate, Outcome
from webhooks.models import EventType

Clock = Callable[[], dt.datetime]


@dataclass(frozen=True, kw_only=True)
class OwnedRound:
    """A round that this call owns, with all that it takes to bring it to its end.

    `debit` is what still has to be asked of the wallet: None for a round that is free, or known to be paid.
    """

    operator: Operator
    facts: RoundFacts
    action_id: UUID
    kind: ActionKind
    claim: Claim
    reels: Sequence[BoughtReel]
    versions: Mapping[int, CompiledVersion]
    rate: Decimal
    debit: Debit | None
    resumed: bool


def finish(*, owned: OwnedRound, clock: Clock) -> PurchaseAnswer | None:
    """Debit, then settle or hold, and return the answer; None when the round is no longer ours to decide.

    Raises the wallet's refusal with the round voided, or `WALLET_UNAVAILABLE` with the round pending.
    """
    started_at = clock()
    outcome = _ask_wallet(owned, started_at)
    debited = Debited(
        round_id=owned.facts.id,
        action_id=owned.action_id,
        fence=owned.claim.fence,
        outcome=outcome,
        started_at=started_at,
    )
    if outcome is None or outcome.fate is Fate.ACCEPTED:
        return _take(owned, debited, clock)
    if outcome.fate is Fate.REFUSED:
        _void(owned, debited, outcome, clock())
    else:
        _let_go(owned, debited, outcome, clock())
    return None


def _ask_wallet(owned: OwnedRound, at: dt.datetime) -> Outcome | None:
    if owned.debit is None:
        return None
    debit = owned.debit
    return wallet.ask(operator=owned.operator, body=debit.body, idempotency_key=debit.idempotency_key, at=at)


def _take(owned: OwnedRound, debited: Debited, clock: Clock) -> PurchaseAnswer | None:
    try:
        return _hold(owned, debited, clock()) if owned.kind is ActionKind.PREPAY else _settle(owned, debited, clock)
    except DatabaseError:
        # What is known of the debit is kept by itself, so that a retry goes on without asking the wallet again.
        statements.let_go(debited=debited, at=clock())
        raise


def _hold(owned: OwnedRound, debited: Debited, at: dt.datetime) -> PurchaseAnswer | None:
    days = owned.operator.held_expiry_days
    expires_at = None if days is None else owned.facts.purchased_at + dt.timedelta(days=days)
    facts = replace(owned.facts, state=RoundState.HELD, expires_at=expires_at)
    event = notices.of_round(event=EventType.ROUND_HELD, facts=facts, operator=owned.operator, at=at)
    if not statements.hold(debited=debited, expires_at=expires_at, events=[event], operator=owned.operator, at=at):
        return None
    return PurchaseAnswer(facts, owned.kind, _balance(debited.outcome), replayed=owned.resumed)


def _settle(owned: OwnedRound, debited: Debited, clock: Clock) -> PurchaseAnswer | None:
    at = clock()
    win = Win.draw(owned=owned, claim=owned.claim, at=at)
    try:
        settled = _record_win(owned, debited, win, at)
    except IntegrityError:
        # Another round of this player took the nonce. Once more, this time with the seed locked against all others.
        with db.phase():
            claim = statements.seed_of(player_id=owned.facts.player_id, round_id=owned.facts.id, lock=True)
            win = Win.draw(owned=owned, claim=claim, at=at)
            settled = _record_win(owned, debited, win, at)
    if not settled:
        return None
    balance = win.pay_out(operator=owned.operator, action_id=owned.action_id, clock=clock)
    if balance is None:
        balance = _balance(debited.outcome)
    return PurchaseAnswer(win.facts, owned.kind, balance, replayed=owned.resumed)


def _record_win(owned: OwnedRound, debited: Debited, win: "Win", at: dt.datetime) -> bool:
    events = notices.of_settlement(facts=win.facts, operator=owned.operator, at=at)
    return statements.settle(debited=debited, drawn=win.drawn, events=events, operator=owned.operator, at=at)


def _void(owned: OwnedRound, debited: Debited, outcome: Outcome, at: dt.datetime) -> None:
    facts = replace(
        owned.facts,
        state=RoundState.VOIDED,
        debit_state=CallState.REFUSED,
        debit_error_code=outcome.error_code or "",
    )
    event = notices.of_round(event=EventType.ROUND_VOIDED, facts=facts, operator=owned.operator, at=at)
    if statements.void(debited=debited, events=[event], operator=owned.operator, at=at):
        raise answers.refused(facts, balance_after_minor=outcome.balance_after_minor)


def _let_go(owned: OwnedRound, debited: Debited, outcome: Outcome, at: dt.datetime) -> None:
    ours = statements.let_go(debited=debited, at=at)
    breaker.debit_failed(operator=owned.operator)
    if ours:
        never_sent = outcome.fate is Fate.NOT_SENT and not owned.resumed
        raise answers.undetermined(owned.facts, money_moved="none" if never_sent else "unknown")


def _balance(outcome: Outcome | None) -> int | None:
    return outcome.balance_after_minor if outcome else None


@dataclass(frozen=True)
class Win:
    """All that a round won: what is written down, and the round as it is shown then."""

    drawn: Drawn
    facts: RoundFacts

    @classmethod
    def draw(cls, *, owned: OwnedRound, claim: Claim, at: dt.datetime) -> "Win":
        """Return what the round draws with the claim's seed and nonce."""
        facts = owned.facts
        reels = draw(
            reels=owned.reels,
            versions=owned.versions,
            seed=claim.seed,
            currency=facts.currency,
            rate=owned.rate,
            item_ids=claim.item_ids,
        )
        days = owned.operator.item_expiry_days
        drawn = Drawn(
            seed=claim.seed,
            reels=reels,
            payout=_payout(owned, reels),
            items_expire_at=None if days is None else at + dt.timedelta(days=days),
        )
        return cls(drawn, _settled(facts, reels, claim.seed, at))

    def pay_out(self, *, operator: Operator, action_id: UUID, clock: Clock) -> int | None:
        """Credit the cash prizes, once; return the wallet's balance, None when nothing was due or it did not say.

        A credit that fails is owed, and recovery asks for it until it lands: nothing is taken back after the draw.
        """
        payout = self.drawn.payout
        if payout is None:
            return None
        started_at = clock()
        outcome = wallet.ask(operator=operator, body=payout.body, idempotency_key=payout.idempotency_key, at=started_at)
        at = clock()
        statements.record_payout(
            call_id=payout.id,
            attempt=1,
            action_id=action_id,
            outcome=outcome,
            again_in_s=schedule.wait_s(attempts=1),
            started_at=started_at,
            at=at,
        )
        return outcome.balance_after_minor if outcome.fate is Fate.ACCEPTED else None


def _payout(owned: OwnedRound, reels: Sequence[DrawnReel]) -> Payout | None:
    cash = [reel for reel in reels if reel.prize.kind == PrizeKind.CASH]
    amount_minor, base_amount_minor = sum(reel.value_minor for reel in cash), sum(reel.base_value_minor for reel in cash)
    if amount_minor == 0:
        return None
    facts = owned.facts
    key = f"payout:round:{facts.public_id}"
    body = bodies.money_call(
        call_type=CallType.CREDIT,
        idempotency_key=key,
        player=facts.player,
        amount_minor=amount_minor,
        currency=facts.currency,
        base_amount_minor=base_amount_minor,
        base_currency=owned.operator.base_currency,
        reason=Reason.PAYOUT,
        details={"roundPublicId": facts.public_id, "gameKey": MYSTERY_BOX, "mode": facts.mode.value},
    )
    return Payout(id=new_id(), idempotency_key=key, body=body, amount_minor=amount_minor, base_amount_minor=base_amount_minor)


def _settled(facts: RoundFacts, reels: Sequence[DrawnReel], seed: Seed, at: dt.datetime) -> RoundFacts:
    return replace(
        facts,
        state=RoundState.SETTLED,
        payout_minor=sum(reel.value_minor for reel in reels),
        settled_at=at,
        expires_at=None,
        reels=[
            ShownReel(
                reel_index=reel.reel_index,
                box_version_id=reel.version.id,
                prize=reel.prize,
                value_minor=reel.value_minor,
            )
            for reel in reels
        ],
        items=[
            ShownItem(
                inventory_item_id=reel.inventory_item_id,
                item_id=reel.prize.item_id,
                name=reel.prize.name,
                value_minor=reel.prize.value_minor,
                currency=reel.version.currency,
                state=ItemState.UNRESOLVED.value,
                locked=False,
            )
            for reel in reels
            if reel.inventory_item_id is not None and reel.prize.item_id is not None
        ],
        server_seed_hash=seed.server_seed_hash,
        client_seed=seed.client_seed,
        nonce=seed.nonce,
    )
