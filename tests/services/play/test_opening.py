"""Free opens: never more than granted, whoever comes at once, and the same for every retry (contract section 8)."""

import secrets
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from catalog.models import Box, BoxVersion
from lootbox.core.errors import ApiError, ErrorCode
from operators.services import NewOperator
from play.models import FundingDecision, Session
from play.services import opening
from purchases.models import Action, Funding, Mode, Round, RoundState
from purchases.requests import PurchaseRequest, ReelRequest
from purchases.services import buying, recovering
from tests.casino_wallet import Casino
from tests.factories.play import FundingDecisionFactory, LaunchFactory, SessionFactory


@pytest.fixture
def session(acme: NewOperator, boxes: dict[str, int]) -> Session:
    """Return a session with two free opens of Acme's Sure Item."""
    target = Box.objects.get(operator=acme.operator, slug="sure-item")
    launch = LaunchFactory.create(
        operator=acme.operator, box=target, funding=Funding.OPERATOR, funding_rounds=2, player__external_id="u_1"
    )
    session = SessionFactory.create(launch=launch)
    return Session.objects.select_related("operator", "player", "launch").get(pk=session.pk)


def request(session: Session, *, action_id: str | None = None, reels: int = 1) -> PurchaseRequest:
    """Return a purchase of the target box by the session's player."""
    version = BoxVersion.objects.get(box=session.launch.box, superseded_at=None)
    return PurchaseRequest(
        operator=session.operator,
        player=session.player.external_id,
        client_action_id=action_id or str(uuid4()),
        mode=Mode.OPEN,
        funding=Funding.PLAYER,
        game_key="mystery_box",
        currency="EUR",
        reels=tuple(ReelRequest(index, version.pk) for index in range(reels)),
        pinned_rate=None,
        expected_bet_minor=None,
    )


def purchase(session: Session, asked: PurchaseRequest) -> Funding:
    """Return who paid for what was bought."""
    answer = opening.purchase(session=session, request=asked, clock=timezone.now, secrets=secrets.token_hex)
    return answer.facts.funding


def all_at_once(session: Session, asked: list[PurchaseRequest]) -> Counter[Any]:
    """Return how often each outcome came out of purchases that run at once: who paid, or the code of the refusal."""

    def buy(one: PurchaseRequest) -> str:
        with closing(connection):
            try:
                return purchase(session, one).value
            except ApiError as refused:
                return refused.code

    with ThreadPoolExecutor(len(asked)) as pool:
        return Counter(pool.map(buy, asked))


class TestManyOpensAtOnce:
    def test_get_exactly_what_was_granted(self, session: Session, casino: Casino) -> None:
        outcomes = all_at_once(session, [request(session) for _ in range(20)])

        assert outcomes == {"operator": 2, "player": 18}
        assert Counter(Round.objects.values_list("funding", flat=True)) == {"operator": 2, "player": 18}
        assert casino.wallet.balance("u_1") == 1_000_000 - 18 * 500

    def test_would_get_more_without_the_lock(self, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        counted = threading.Barrier(6)

        def count_then_wait(**known: Any) -> int | None:
            left = free_opens_left(**known)
            counted.wait()
            return left

        free_opens_left = opening.free_opens_left
        monkeypatch.setattr(opening, "_lock", lambda _: None)
        monkeypatch.setattr(opening, "free_opens_left", count_then_wait)

        assert all_at_once(session, [request(session) for _ in range(6)]) == {"operator": 6}

    def test_get_as_many_boxes_as_were_granted(self, session: Session) -> None:
        outcomes = all_at_once(session, [request(session, reels=2) for _ in range(6)])

        assert outcomes == {"operator": 1, "player": 5}

    def test_of_one_action_are_one_open(self, session: Session) -> None:
        outcomes = all_at_once(session, [request(session, action_id="click-1") for _ in range(8)])

        assert outcomes == {"operator": 8}
        assert Round.objects.count() == 1
        assert opening.free_opens_left(session=session) == 1

    def test_of_one_action_never_open_more_reels_than_were_counted(self, session: Session) -> None:
        outcomes = all_at_once(session, [request(session, action_id="click-1", reels=1 + n % 2) for n in range(8)])

        assert outcomes == {"operator": 4, "IDEMPOTENCY_CONFLICT": 4}
        reels = Round.objects.get().reels.count()
        assert opening.free_opens_left(session=session) == 2 - reels


class TestADecision:
    def test_stands_when_its_caller_died_before_it_bought(self, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        first, second, third = request(session), request(session), request(session)
        with monkeypatch.context() as dying:
            dying.setattr(buying, "purchase", _die)
            for asked in (first, second, third):
                with pytest.raises(RuntimeError):
                    purchase(session, asked)

        assert [purchase(session, asked) for asked in (third, second, first)] == ["player", "operator", "operator"]

    def test_is_kept_while_another_call_rests_on_it(self, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = request(session)
        buy = buying.purchase

        def meet_a_twin(**given: Any) -> Any:
            monkeypatch.setattr(buying, "purchase", _refuse)
            with pytest.raises(ApiError):
                purchase(session, asked)
            assert FundingDecision.objects.get().callers == 1
            return buy(**given)

        monkeypatch.setattr(buying, "purchase", meet_a_twin)

        assert purchase(session, asked) == "operator"
        assert opening.free_opens_left(session=session) == 1

    def test_is_taken_back_by_the_last_to_be_refused(self, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(buying, "purchase", _refuse)

        with pytest.raises(ApiError):
            purchase(session, request(session))

        assert not FundingDecision.objects.exists()
        assert opening.free_opens_left(session=session) == 2

    def test_is_kept_when_the_refused_action_was_stored(self, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = request(session)
        buy = buying.purchase

        def buy_then_refuse(**given: Any) -> Any:
            buy(**given)
            _refuse()

        monkeypatch.setattr(buying, "purchase", buy_then_refuse)
        with pytest.raises(ApiError):
            purchase(session, asked)

        assert Action.objects.filter(client_action_id=asked.client_action_id).exists()
        assert opening.free_opens_left(session=session) == 1


class TestFreeOpensLeft:
    def test_counts_the_session_alone(self, session: Session) -> None:
        FundingDecisionFactory.create(session=session)
        FundingDecisionFactory.create(session=session, funding=Funding.PLAYER, reels=3)
        FundingDecisionFactory.create(reels=2)

        assert opening.free_opens_left(session=session) == 1

    def test_gives_back_what_never_came_to_its_draw(
        self, session: Session, monkeypatch: pytest.MonkeyPatch, settings: Settings
    ) -> None:
        settings.LOOTBOX_ABANDON_AFTER_S = 0
        asked = request(session)
        with monkeypatch.context() as dying:
            dying.setattr(buying, "finish", _die)
            with pytest.raises(RuntimeError):
                purchase(session, asked)
        assert opening.free_opens_left(session=session) == 1

        recovering.recover_due(clock=timezone.now)

        assert Round.objects.get().state == RoundState.VOIDED
        assert opening.free_opens_left(session=session) == 2

    def test_is_none_below_none(self, session: Session) -> None:
        FundingDecisionFactory.create(session=session, reels=5)

        assert opening.free_opens_left(session=session) == 0


def _die(**_: Any) -> Any:
    raise RuntimeError("the process died here")


def _refuse(**_: Any) -> Any:
    raise ApiError(ErrorCode.FX_RATE_MOVED)
