"""The stage."""

from collections.abc import Iterator
from random import Random

import pytest
from pytest_django import Settings

from operators.services import NewOperator
from tests.faulty_server import FaultyServer, answer
from tests.services.webhooks.cast import Clock, Stage, listening
from webhooks.delivery import Dispatcher


@pytest.fixture
def stage(acme: NewOperator, settings: Settings) -> Iterator[Stage]:
    """Return Acme with a receiver that says yes to everything until told otherwise."""
    settings.LOOTBOX_ALLOW_PRIVATE_URLS = True
    clock = Clock()
    dispatcher = Dispatcher(clock=clock, random=Random(7))  # noqa: S311 - jitter
    with FaultyServer(answer(b"")) as receiver:
        yield Stage(listening(acme.operator, receiver), acme.outbound_secret, receiver, dispatcher, clock)
        dispatcher.close()
