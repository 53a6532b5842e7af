"""The cast that tests share: an operator with its backend, and a stranger."""

import pytest
from django.utils import timezone

from operators import services
from operators.services import NewOperator
from tests.signed import SignedClient


def make_operator(slug: str = "acme", **options: object) -> NewOperator:
    """Return an operator made as `create_operator` makes it."""
    given = {"name": slug.title(), "currency": "EUR", "currencies": [], "wallet_url": "", "webhook_url": ""} | options
    return services.create_operator(slug=slug, at=timezone.now(), **given)  # type: ignore[arg-type]


@pytest.fixture
def acme(transactional_db: None) -> NewOperator:  # noqa: ARG001 - real commits
    """Return the operator that tests are about, with its key and secrets."""
    return make_operator()


@pytest.fixture
def s2s(acme: NewOperator) -> SignedClient:
    """Return Acme's backend."""
    return SignedClient(key_id=acme.key.key_id, secret=acme.key.secret)


@pytest.fixture
def stranger(transactional_db: None) -> NewOperator:  # noqa: ARG001 - real commits
    """Return another operator, which must never see anything of Acme's."""
    return make_operator("stranger")


@pytest.fixture
def stranger_s2s(stranger: NewOperator) -> SignedClient:
    """Return the stranger's backend."""
    return SignedClient(key_id=stranger.key.key_id, secret=stranger.key.secret)
