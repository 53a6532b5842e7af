"""One running product for all fault tests, which one test process does; each test brings operators of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from django.db.backends.base.creation import TEST_DATABASE_PREFIX

from tests.faults.evidence import assert_sound
from tests.faults.rig import Rig, Shop, dump


@pytest.fixture(scope="session")
def rig(tmp_path_factory: pytest.TempPathFactory, django_db_setup: None) -> Iterator[Rig]:
    """Return the product, running.

    Where other tests have made their database already, its own is a copy of that, which saves migrating a second time.
    """
    directory = Path(tmp_path_factory.mktemp("rig"))
    schema = directory / "schema.sql" if connection.settings_dict["NAME"].startswith(TEST_DATABASE_PREFIX) else None
    if schema is not None:
        dump(connection.settings_dict, schema)
    with Rig(directory / "home", schema=schema) as rig:
        yield rig


@pytest.fixture
def shop(rig: Rig) -> Iterator[Shop]:
    """Return a new operator; after the test, once nothing is unresolved any more, all books have to agree."""
    shop = rig.open_shop()
    yield shop
    shop.server.play(shop.wallet.answer)
    assert_sound(rig, shop)
