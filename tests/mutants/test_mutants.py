"""Catalogue 104: mutants of the saga. A suite that passes under one of them is not testing.

Each scenario runs twice: sound, and nothing is found; mutated, and the mistake is. Where the database itself stops a mutant,
that is shown first, and the guard is taken away for the second look.
"""

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection, connections
from django.utils import timezone

from operators.services import NewOperator
from purchases import invariants, rounds, statements
from purchases.models import Action, Round
from purchases.services import buying, recovering, settling, undoing
from purchases.services.settling import finish
from tests.api.test_purchase import order
from tests.casino_wallet import Casino
from tests.concurrency.together import together
from tests.faulty_server import Peer, Received, answer, reset
from tests.invariants import our_ledger, their_ledger
from tests.signed import Answer, SignedClient
from wallet import client
from wallet import services as wallet
from wallet.models import CallState, Reason, WalletCall
from wallet.outcomes import Fate, Outcome


class Died(BaseException):
    """The process is gone; no handler may see it."""


@dataclass
class Stage:
    """Acme, its wallet and its backend, and what the backend was told about each action."""

    acme: NewOperator
    s2s: SignedClient
    casino: Casino
    boxes: dict[str, int]
    heard: dict[str, list[Answer]] = field(default_factory=dict)

    def order(self, box: str = "sure-item") -> dict[str, Any]:
        """Return a purchase under a new action id."""
        return order(self.boxes[box])

    def buy(self, request: dict[str, Any]) -> Answer:
        """Send a purchase, and remember the answer."""
        told = self.s2s.post("/api/s2s/purchase", request)
        self.heard.setdefault(request["clientActionId"], []).append(told)
        return told

    def recover(self, passes: int = 3) -> None:
        """Let recovery do what is due, as often as it takes a sound one."""
        for _ in range(passes):
            recovering.recover_due(clock=timezone.now)

    def findings(self) -> set[str]:
        """Return the names of what is wrong with the money."""
        found = {breach.rule.name for breach in invariants.breaches()}
        ours, theirs = our_ledger(self.acme.operator), their_ledger(self.casino.wallet)
        if any(ours[key] != theirs[key] for key in ours.keys() | theirs.keys()):
            found.add("ledger")
        if Round.objects.filter(state__in=["pending", "undoing"]).exists():
            found.add("stuck")
        paid = WalletCall.objects.filter(reason=Reason.PAYOUT, state=CallState.ACCEPTED).values("round_id")
        if Round.objects.filter(credited_minor__gt=0).exclude(pk__in=paid).exists():
            found.add("unpaid")
        for action, told in self.heard.items():
            known = Round.objects.filter(pk__in=Action.objects.filter(client_action_id=action).values("round"))
            if told[-1].status == 503 and known.filter(state="settled").exists():
                found.add("settled behind the caller's back")
            if len({each.body["round"]["publicId"] for each in told if each.status == 200}) > 1:
                found.add("two answers")
        return found


@pytest.fixture
def stage(acme: NewOperator, s2s: SignedClient, casino: Casino, boxes: dict[str, int]) -> Stage:
    """Return the stage."""
    return Stage(acme, s2s, casino, boxes)


@contextmanager
def without(table: str, trigger: str) -> Iterator[None]:
    """Take a guard out of the database for the block."""
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER {trigger}")


def lost_answer(stage: Stage) -> None:
    """Buy from a wallet that takes the money and says nothing, give up, and let recovery do its work."""
    stage.casino.play(stage.casino.wallet.apply_then(reset()))
    stage.buy(stage.order())
    stage.recover()


def no_answer(stage: Stage) -> None:
    """Buy from a wallet that takes nothing and says nothing; it is out of money when recovery asks."""
    stage.casino.wallet.opening_minor = 0
    stage.casino.play(reset())
    stage.buy(stage.order())
    stage.recover()


def lost_answer_then_retry(stage: Stage) -> None:
    """Buy from a wallet that takes the money and says nothing, and buy again under the same id."""
    request = stage.order()
    stage.casino.play(stage.casino.wallet.apply_then(reset()))
    stage.buy(request)
    stage.buy(request)
    stage.recover()


def refused(stage: Stage) -> None:
    """Buy from a wallet that refuses."""
    stage.casino.wallet.refuse = "INSUFFICIENT_FUNDS"
    stage.casino.play()
    stage.buy(stage.order())
    stage.recover()


def payout_refused_twice(stage: Stage) -> None:
    """Win cash from a wallet that does not take the credit at first."""
    no = answer(b'{"accepted":false,"errorCode":"LIMIT"}')
    stage.casino.play(stage.casino.wallet.answer, no, no)
    stage.buy(stage.order("sure-cash"))
    stage.recover()


def caller_dies(stage: Stage) -> None:
    """Buy; the process dies when the wallet has been asked, or would have been; then buy again."""
    request = stage.order()
    with suppress(Died):
        stage.buy(request)
    stage.buy(request)
    stage.recover()


def late_answer(stage: Stage) -> None:
    """Buy from a wallet that says yes only after recovery has undone the round."""
    asked, undone = threading.Event(), threading.Event()

    def act(peer: Peer, request: Received) -> None:
        decided = json.dumps(stage.casino.wallet.decide(request)).encode()
        asked.set()
        undone.wait(10)
        answer(decided)(peer, request)

    def buy() -> None:
        try:
            stage.buy(stage.order())
        finally:
            connections.close_all()

    stage.casino.play(act)
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(buy)
        asked.wait(10)
        stage.recover()
        undone.set()
        job.result()


def two_at_once(stage: Stage) -> None:
    """Buy twice at one moment under one id."""
    stage.buy(stage.order())
    request = stage.order()
    together(lambda: stage.buy(request), lambda: stage.buy(request))


def written_after_the_call(patch: pytest.MonkeyPatch) -> None:
    """M5: the wallet is asked first, and the row is written when it has answered."""
    sound = statements.claim
    deaths = iter([True])

    def claim(*, new: statements.NewRound, within_caps: bool = False) -> statements.Claim | None:
        assert new.debit is not None
        wallet.ask(operator=new.operator, body=new.debit.body, idempotency_key=new.debit.idempotency_key, at=new.at)
        if next(deaths, False):
            raise Died
        return sound(new=new, within_caps=within_caps)

    patch.setattr(statements, "claim", claim)


def dies_after_the_claim(patch: pytest.MonkeyPatch) -> None:
    """The same death in the sound saga."""
    sound = client.call
    deaths = iter([True])

    def call(**kwargs: Any) -> Outcome:
        outcome = sound(**kwargs)
        if next(deaths, False):
            # What the death of a process does, seconds later: its lease is over.
            Round.objects.update(lease_until=timezone.now())
            raise Died
        return outcome

    patch.setattr(client, "call", call)


def timeout_is_a_refusal(patch: pytest.MonkeyPatch) -> None:
    """M6: what has no answer is taken for a no."""
    sound = client.call

    def call(**kwargs: Any) -> Outcome:
        outcome = sound(**kwargs)
        return replace(outcome, fate=Fate.REFUSED, error_code="TIMEOUT") if outcome.fate is Fate.UNKNOWN else outcome

    patch.setattr(client, "call", call)


def blind_refund(patch: pytest.MonkeyPatch) -> None:
    """M15: what may have been taken is given back without asking."""
    patch.setattr(undoing, "_probe", lambda operator, round_, _, clock: undoing._give_back(operator, round_, clock))


def recovery_settles(patch: pytest.MonkeyPatch) -> None:
    """M16: recovery goes on with the purchase where its caller left it."""
    patch.setattr(recovering, "CLAIM_ROUNDS", recovering.CLAIM_ROUNDS.replace("state = 'undoing', undone_at", "undone_at"))
    patch.setattr(recovering, "CLAIM_ROUNDS", recovering.CLAIM_ROUNDS.replace("coalesce(undone_at, now())", "NULL"))
    patch.setattr(recovering, "CLAIM_ROUNDS", recovering.CLAIM_ROUNDS.replace("lease_until = NULL", "lease_until = now()"))

    def undo(*, round_id: Any, clock: Callable[[], Any]) -> None:
        action = Action.objects.select_related("operator", "player").get(round_id=round_id)
        known = rounds.find_action(
            operator=action.operator, player=action.player.external_id, client_action_id=action.client_action_id
        )
        claim = statements.resume(round_id=round_id, at=clock())
        assert known is not None
        assert claim is not None
        request: Any = SimpleNamespace(operator=action.operator)
        finish(owned=buying._resumed(request, known, claim), clock=clock)

    patch.setattr(recovering, "undo", undo)


def no_recovery(patch: pytest.MonkeyPatch) -> None:
    """M10: nobody looks after what was left."""
    patch.setattr(recovering, "recover_due", lambda **_: None)


def new_key_per_attempt(patch: pytest.MonkeyPatch) -> None:
    """M4: each attempt is another transaction to the wallet."""
    sound = client.call
    attempts = itertools.count(1)

    def call(*, body: bytes, idempotency_key: str, **kwargs: Any) -> Outcome:
        key = f"{idempotency_key}:{next(attempts)}"
        return sound(body=body.replace(idempotency_key.encode(), key.encode(), 1), idempotency_key=key, **kwargs)

    patch.setattr(client, "call", call)


def draw_before_debit(patch: pytest.MonkeyPatch) -> None:
    """M11: the round is settled before its debit is answered."""
    patch.setattr(settling, "_ask_wallet", lambda *_: None)


def credit_given_up(patch: pytest.MonkeyPatch) -> None:
    """M7: a credit that was refused is done with."""
    sound = statements.record_payout

    def record_payout(*, outcome: Outcome, **kwargs: Any) -> bool:
        if outcome.fate is Fate.ACCEPTED:
            return sound(outcome=outcome, **kwargs)
        return bool(
            WalletCall.objects.filter(pk=kwargs["call_id"]).update(
                state=CallState.REFUSED, next_attempt_at=None, resolved_at=kwargs["at"]
            )
        )

    patch.setattr(statements, "record_payout", record_payout)


def no_fence_no_state(patch: pytest.MonkeyPatch) -> None:
    """M14: whoever comes back records what it has."""
    condition = "WHERE id = %(round)s AND state = 'pending' AND fence = %(fence)s"
    assert condition in statements.SETTLE
    patch.setattr(statements, "SETTLE", statements.SETTLE.replace(condition, "WHERE id = %(round)s AND %(fence)s > 0"))


def look_up_then_insert(patch: pytest.MonkeyPatch) -> None:
    """M8: both callers look, both find nothing, both insert."""
    guard = "ON CONFLICT (player_id, client_action_id) DO NOTHING"
    assert guard in statements.CLAIM
    patch.setattr(statements, "CLAIM", statements.CLAIM.replace(guard, ""))


@dataclass(frozen=True)
class Mutant:
    """A mistake, the scenario that shows it, and the checks of which at least one must then turn red."""

    make: Callable[[pytest.MonkeyPatch], None]
    scenario: Callable[[Stage], None]
    caught_by: frozenset[str]


MUTANTS = {
    "M4 a new key per attempt": Mutant(new_key_per_attempt, lost_answer_then_retry, frozenset({"ledger"})),
    "M5 row written after the call": Mutant(written_after_the_call, caller_dies, frozenset({"ledger"})),
    "M6 timeout read as refusal": Mutant(timeout_is_a_refusal, lost_answer, frozenset({"ledger"})),
    "M7 credit given up": Mutant(credit_given_up, payout_refused_twice, frozenset({"unpaid", "payout_is_owed"})),
    "M10 no recovery": Mutant(no_recovery, lost_answer, frozenset({"ledger", "stuck"})),
    "M16 recovery settles after a 503": Mutant(recovery_settles, lost_answer, frozenset({"settled behind the caller's back"})),
}


@dataclass(frozen=True)
class Guarded:
    """A mistake that the database stops, by which trigger, and the checks that turn red without it."""

    mutant: Mutant
    table: str
    trigger: str


GUARDED = {
    "M11 draw before debit": Guarded(
        Mutant(draw_before_debit, refused, frozenset({"settled_is_paid"})), "purchases_round", "drawn_if_paid"
    ),
    "M14 no fence and no state condition": Guarded(
        Mutant(no_fence_no_state, late_answer, frozenset({"never_drawn_and_refunded", "one_way_door"})),
        "purchases_round",
        "forward",
    ),
    "M15 blind refund": Guarded(
        Mutant(blind_refund, no_answer, frozenset({"never_drawn_and_refunded"})), "wallet_walletcall", "refund_follows_debit"
    ),
}
SCENARIOS = [lost_answer, no_answer, lost_answer_then_retry, refused, payout_refused_twice, late_answer, two_at_once]


class TestTheSoundSaga:
    @pytest.mark.parametrize("scenario", SCENARIOS)
    def test_leaves_nothing_to_find(self, stage: Stage, scenario: Callable[[Stage], None]) -> None:
        scenario(stage)
        assert stage.findings() == set()

    def test_leaves_nothing_to_find_where_a_caller_dies(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        dies_after_the_claim(monkeypatch)
        caller_dies(stage)
        assert stage.findings() == set()


class TestAMutant:
    @pytest.mark.parametrize("name", MUTANTS)
    def test_is_caught(self, stage: Stage, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        mutant = MUTANTS[name]
        mutant.make(monkeypatch)
        mutant.scenario(stage)
        assert stage.findings() >= mutant.caught_by

    @pytest.mark.parametrize("name", GUARDED)
    def test_is_stopped_by_the_database(self, stage: Stage, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        mutant = GUARDED[name].mutant
        mutant.make(monkeypatch)
        mutant.scenario(stage)
        assert not stage.findings() & mutant.caught_by

    @pytest.mark.parametrize("name", GUARDED)
    def test_is_caught_where_the_database_does_not_stop_it(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        guarded = GUARDED[name]
        guarded.mutant.make(monkeypatch)
        with without(guarded.table, guarded.trigger):
            guarded.mutant.scenario(stage)
        assert stage.findings() >= guarded.mutant.caught_by

    def test_of_two_owners_is_caught(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        """M8, which a unique constraint stops first."""
        look_up_then_insert(monkeypatch)
        two_at_once(stage)
        assert "two answers" not in stage.findings()
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE purchases_action DROP CONSTRAINT action_client_id_unique")
        try:
            two_at_once(stage)
            assert "two answers" in stage.findings()
        finally:
            with connection.cursor() as cursor:
                cursor.execute("TRUNCATE purchases_action CASCADE")
                cursor.execute(
                    "ALTER TABLE purchases_action ADD CONSTRAINT action_client_id_unique UNIQUE (player_id, client_action_id)"
                )
