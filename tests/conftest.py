"""The cast that tests share: Acme with its backend, wallet and boxes, and a stranger who must never see any of it."""

import json
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.test import TransactionTestCase
from django.test.client import ClientHandler
from django.utils import timezone
from pytest_django import Settings

from catalog.importing import import_boxes
from lootbox.core import http
from operators import services
from operators.services import NewOperator
from purchases import invariants
from tests import openapi
from tests.casino_wallet import Casino, CasinoWallet
from tests.emptying import emptying
from tests.faulty_server import FaultyServer
from tests.signed import SignedClient
from webhooks.models import Event

pytest_plugins = ["tests.sharing"]
hypothesis.settings.register_profile("untimed", deadline=None)  # tests time nothing
hypothesis.settings.load_profile("untimed")

COMPASS = {
    "sku": "compass",
    "name": "Brass Compass",
    "type": "physical",
    "valueMinor": 480,
    "cashbackMinor": 120,
    "shippable": True,
}
HARBOUR: dict[str, Any] = {
    "slug": "harbour",
    "name": "Harbour Crate",
    "priceMinor": 500,
    "prizes": [
        {"weight": 90, "item": "compass"},
        {"weight": 9, "cash": {"name": "5 euro", "valueMinor": 500}},
        {"weight": 1, "bonus": {"code": "FS10", "name": "10 free spins", "valueMinor": 100, "payload": {"spins": 10}}},
    ],
}
SURE_ITEM = HARBOUR | {"slug": "sure-item", "name": "Sure Item", "prizes": [{"weight": 1, "item": "compass"}]}
SURE_CASH = HARBOUR | {
    "slug": "sure-cash",
    "name": "Sure Cash",
    "prizes": [{"weight": 1, "cash": {"name": "2 euro", "valueMinor": 200}}],
}
SURE_BONUS = HARBOUR | {"slug": "sure-bonus", "name": "Sure Bonus", "prizes": [HARBOUR["prizes"][2]]}


def make_operator(slug: str = "acme", **options: Any) -> NewOperator:
    """Return an operator made as `create_operator` makes it."""
    given = {"name": slug.title(), "currency": "EUR", "currencies": [], "wallet_url": "", "webhook_url": ""} | options
    return services.create_operator(slug=slug, at=timezone.now(), **given)


def publish_boxes(made: NewOperator, *boxes: dict[str, Any]) -> dict[str, int]:
    """Return the current version of each box by slug, after importing them as `import_boxes` does."""
    document = {"items": [COMPASS], "boxes": list(boxes)}
    result = import_boxes(operator=made.operator, document=document, at=timezone.now())
    return {box.slug: box.box_version_id for box in result.boxes}


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """Empty the database after each test that commits in a tenth of the time."""
    with emptying() as empty, pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _: empty())
        yield


@pytest.fixture(autouse=True, scope="session")
def quick_requests() -> Iterator[None]:
    """Load the middleware once for all test clients: WhiteNoise lists a thousand files each time."""
    loaded = ClientHandler()
    loaded.load_middleware()

    def share(handler: ClientHandler) -> None:
        vars(handler).update({name: value for name, value in vars(loaded).items() if name.startswith("_")})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClientHandler, "load_middleware", share)
        yield


@pytest.fixture(autouse=True, scope="session")
def quick_passwords() -> Iterator[None]:
    """Hash people's passwords as always, but in one round: a million take half a second for each who is made or logs in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PBKDF2PasswordHasher, "iterations", 1)
        yield


@pytest.fixture
def casino(settings: Settings) -> Iterator[Casino]:
    """Return Acme's casino: a wallet on a real socket."""
    settings.LOOTBOX_ALLOW_PRIVATE_URLS = True
    settings.LOOTBOX_WALLET_TIMEOUT_S = 2.0
    wallet = CasinoWallet()
    with FaultyServer(wallet.answer) as server:
        yield Casino(wallet, server)
        http.close_connections()
        for request in server.received:
            openapi.check_sent(name=json.loads(request.body)["type"], body=request.body)


@pytest.fixture
def acme(transactional_db: None, casino: Casino) -> Iterator[NewOperator]:
    """Return the operator that tests are about; after each test, all that must hold of the money has to hold."""
    yield make_operator(wallet_url=casino.url)
    assert invariants.breaches() == []


@pytest.fixture
def boxes(acme: NewOperator) -> dict[str, int]:
    """Return the current box version of each of Acme's boxes."""
    return publish_boxes(acme, HARBOUR, SURE_ITEM, SURE_CASH, SURE_BONUS)


@pytest.fixture
def s2s(acme: NewOperator) -> Iterator[SignedClient]:
    """Return Acme's backend; what it was told of meanwhile, one event of each type, is as the API's description says."""
    yield SignedClient(key_id=acme.key.key_id, secret=acme.key.secret)
    for event in Event.objects.filter(operator=acme.operator).order_by("type", "-id").distinct("type"):
        openapi.check_sent(name="event", body=bytes(event.body))


@pytest.fixture
def stranger(transactional_db: None) -> NewOperator:
    """Return another operator, which must never see anything of Acme's."""
    return make_operator("stranger")


@pytest.fixture
def stranger_s2s(stranger: NewOperator) -> SignedClient:
    """Return the stranger's backend."""
    return SignedClient(key_id=stranger.key.key_id, secret=stranger.key.secret)
