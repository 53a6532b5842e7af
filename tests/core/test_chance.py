"""What chance gives, against published tables."""

import math

import pytest

from lootbox.core.chance import chi_square_tail


class TestTheChiSquareTail:
    @pytest.mark.parametrize(
        ("statistic", "degrees", "known"),
        [
            (3.841458820694124, 1, 0.05),
            (18.307038053275146, 10, 0.05),
            (10, 5, 0.07523524614651217),
            (100, 1, 1.5239706048321052e-23),
            (2 * math.log(1000), 2, 0.001),
            (0, 7, 1.0),
            (124.34211340400407, 100, 0.05),
            (0.01579077409343121, 1, 0.9),
            (1074.6794488014346, 1000, 0.05),
        ],
    )
    def test_is_what_tables_say(self, statistic: float, degrees: int, known: float) -> None:
        assert chi_square_tail(statistic=statistic, degrees=degrees) == pytest.approx(known, rel=1e-9)

    def test_is_a_half_in_the_middle_of_many_degrees(self) -> None:
        assert chi_square_tail(statistic=9_999.33, degrees=10_000) == pytest.approx(0.5, abs=1e-4)
