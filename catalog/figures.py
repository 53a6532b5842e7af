"""What a prize table comes to, in whole numbers: odds, RTP, house edge, largest prize; and these in words.

`static/catalog/draft.js` computes the same as one types; `tests/browser/test_catalogue_day.py` holds the two together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from catalog.services import PrizeLine, house_edge_bps

MAX_DIGITS = 15


@dataclass(frozen=True)
class Table:
    """A prize table with its price; amounts are minor units of `currency`."""

    price_minor: int
    currency: str
    lines: Sequence[PrizeLine]

    @cached_property
    def total_weight(self) -> int:
        """Return the sum of the weights."""
        return sum(line.weight for line in self.lines)

    @cached_property
    def house_edge_bps(self) -> int | None:
        """Return what the house keeps in basis points, None while there is no price or weight to say it of."""
        if self.price_minor < 1 or self.total_weight < 1:
            return None
        return house_edge_bps(price_minor=self.price_minor, prizes=self.lines)

    @property
    def rtp_bps(self) -> int | None:
        """Return what is paid out of a price on average, in basis points."""
        return None if self.house_edge_bps is None else 10_000 - self.house_edge_bps

    @cached_property
    def largest_minor(self) -> int:
        """Return the value of the largest prize, 0 when there is none."""
        return max((line.value_minor for line in self.lines), default=0)

    def odds(self, line: PrizeLine) -> str:
        """Return the chance of a line in words."""
        return share(line.weight, self.total_weight)

    def payout_share(self, line: PrizeLine) -> float:
        """Return which part of all that is paid out comes from a line; for charts."""
        won = sum(each.weight * each.value_minor for each in self.lines)
        return line.weight * line.value_minor / won if won else 0.0


def share(part: int, whole: int) -> str:
    """Return a part of a whole such as `12.50 %`, a small one with two digits that are not 0, rounded half up."""
    if whole < 1:
        return "-"
    digits = 2
    while part and digits < MAX_DIGITS and 100 * part * 10**digits < 10 * whole:
        digits += 1
    scaled = (2 * 100 * part * 10**digits + whole) // (2 * whole)
    return f"{scaled // 10**digits:,}.{scaled % 10**digits:0{digits}} %"
