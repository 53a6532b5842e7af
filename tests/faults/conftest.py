"""One running product for all fault tests of a test process; each test brings operators of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.evidence import assert_sound
from tests.faults.rig import Rig, Shop


@pytest.fixture(scope="session")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Return the product, running."""
    with Rig(Path(tmp_path_factory.mktemp("rig")) / "home") as rig:
        yield rig


@pytest.fixture
def shop(rig: Rig) -> Iterator[Shop]:
    """Return a new operator; after the test, once nothing is unresolved any more, all books have to agree."""
    shop = rig.open_shop()
    yield shop
    shop.server.play(shop.wallet.answer)
    assert_sound(rig, shop)
