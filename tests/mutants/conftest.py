"""The same cast as everywhere, without the check after each test: here it is the test."""

import pytest
from pytest_django import Settings

from operators.services import NewOperator
from tests.casino_wallet import Casino
from tests.conftest import make_operator


@pytest.fixture
def acme(transactional_db: None, casino: Casino, settings: Settings) -> NewOperator:
    """Return the operator that the mutants are tried on, with everything due at once."""
    settings.LOOTBOX_ABANDON_AFTER_S = 0.001
    settings.LOOTBOX_RECOVERY_STEPS_S = [0.001]
    settings.LOOTBOX_WALLET_TIMEOUT_S = 1.0
    return make_operator(wallet_url=casino.url)
