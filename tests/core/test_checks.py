"""Settings under which money could be handled wrongly stop the product before it serves anything."""

import pytest
from pytest_django import Settings

from lootbox import checks


class TestTimesOfAWalletCall:
    @pytest.mark.parametrize(
        ("timeout_s", "abandon_s", "refused"),
        [(10, 120, []), (10, 12, ["lootbox.E008"]), (10, 12.5, []), (15, 120, ["lootbox.E009"]), (14.9, 120, [])],
    )
    def test_fit_into_the_lease_and_into_a_restart(
        self, settings: Settings, timeout_s: float, abandon_s: float, refused: list[str]
    ) -> None:
        settings.LOOTBOX_WALLET_TIMEOUT_S, settings.LOOTBOX_ABANDON_AFTER_S = timeout_s, abandon_s
        assert [error.id for error in checks.a_wallet_call_fits()] == refused
