"""Operators, their keys and players, straight into the database; `make_operator` of the conftest asks the service."""

from typing import Any

from django.utils import timezone
from factory.declarations import LazyAttribute, LazyFunction, Sequence, SubFactory
from factory.django import DjangoModelFactory

from operators.models import MYSTERY_BOX, ApiKey, Operator, Player


class OperatorFactory(DjangoModelFactory[Operator]):
    """A live operator in EUR and English."""

    class Meta:
        model = Operator

    slug = Sequence(lambda n: f"operator-{n}")
    name = LazyAttribute(lambda operator: operator.slug.title())
    created_at = LazyFunction(timezone.now)
    outbound_secret = "whsec_bm90LWEtc2VjcmV0LWJ1dC1mb3ItdGVzdHMtMTIzNDU="
    previous_outbound_secret = ""
    games = [MYSTERY_BOX]
    base_currency = "EUR"
    currencies: Any = LazyAttribute(lambda operator: [operator.base_currency])
    locales = ["en"]


class ApiKeyFactory(DjangoModelFactory[ApiKey]):
    """A key that may be used from anywhere and never expires."""

    class Meta:
        model = ApiKey

    operator = SubFactory(OperatorFactory)
    key_id = Sequence(lambda n: f"igk_test_{n:024}")
    secret = "demo-secret-not-real"
    created_at = LazyFunction(timezone.now)


class PlayerFactory(DjangoModelFactory[Player]):
    """A player who may play."""

    class Meta:
        model = Player

    operator = SubFactory(OperatorFactory)
    external_id = Sequence(lambda n: f"u_{n}")
