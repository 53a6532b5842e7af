"""Launches and sessions, straight into the database; `tests.player.enter` goes the way that players go."""

import datetime as dt

from django.utils import timezone
from factory.declarations import LazyAttribute, LazyFunction, SelfAttribute, Sequence, SubFactory
from factory.django import DjangoModelFactory

from lootbox.core.tokens import token_hash
from play.models import FundingDecision, Launch, Session
from purchases.models import Funding
from tests.factories.operators import OperatorFactory, PlayerFactory


class LaunchFactory(DjangoModelFactory[Launch]):
    """A launch into the lobby that may still be used."""

    class Meta:
        model = Launch

    operator = SubFactory(OperatorFactory)
    player = SubFactory(PlayerFactory, operator=SelfAttribute("..operator"))
    request_hash = Sequence(lambda n: f"{n:064x}")
    token_hash = Sequence(lambda n: token_hash(f"lt_{n}"))
    game_key = "mystery_box"
    locale = "en"
    currency = "EUR"
    created_at = LazyFunction(timezone.now)
    expires_at = LazyAttribute(lambda launch: launch.created_at + dt.timedelta(minutes=1))


class SessionFactory(DjangoModelFactory[Session]):
    """A session that has just begun, in its launch's language and currency."""

    class Meta:
        model = Session

    launch = SubFactory(LaunchFactory)
    operator = SelfAttribute("launch.operator")
    player = SelfAttribute("launch.player")
    token_hash = Sequence(lambda n: token_hash(f"ps_{n}"))
    locale = SelfAttribute("launch.locale")
    currency = SelfAttribute("launch.currency")
    started_at = LazyFunction(timezone.now)
    last_seen_at = SelfAttribute("started_at")


class FundingDecisionFactory(DjangoModelFactory[FundingDecision]):
    """One box that the operator funds."""

    class Meta:
        model = FundingDecision

    session = SubFactory(SessionFactory)
    operator = SelfAttribute("session.operator")
    client_action_id = Sequence(lambda n: f"action-{n}")
    reels = 1
    funding = Funding.OPERATOR
    decided_at = LazyFunction(timezone.now)
