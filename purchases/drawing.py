"""What a round draws: from seed, nonce and frozen versions to prizes with their values. Pure: it reads and writes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from catalog.compiled import CompiledPrize, CompiledVersion
from catalog.models import PrizeKind
from fairness import algorithm
from lootbox.core.money import convert


@dataclass(frozen=True, slots=True)
class Seed:
    """The seed pair that a round is drawn with, and its nonce."""

    pair_id: int
    server_seed: str
    server_seed_hash: str
    client_seed: str
    nonce: int


@dataclass(frozen=True, slots=True)
class BoughtReel:
    """One box of a round as it was bought, in minor units of the round's currency and of the base."""

    reel_index: int
    box_version_id: int
    bet_minor: int
    base_bet_minor: int


@dataclass(frozen=True, slots=True)
class DrawnReel:
    """What a reel drew. Values in minor units of the round's currency and of the base; `item_id` only for an item."""

    reel_index: int
    version: CompiledVersion
    roll: int
    prize: CompiledPrize
    value_minor: int
    base_value_minor: int
    inventory_item_id: int | None


def draw(
    *,
    reels: Sequence[BoughtReel],
    versions: Mapping[int, CompiledVersion],
    seed: Seed,
    currency: str,
    rate: Decimal,
    item_ids: Sequence[int],
) -> list[DrawnReel]:
    """Return one draw a reel (contract section 9), each prize valued at the round's rate.

    `item_ids` are reserved inventory ids, at least one a reel; those of reels that win no item stay unused.
    """
    drawn = []
    for reel, item_id in zip(reels, item_ids, strict=True):
        version = versions[reel.box_version_id]
        roll = algorithm.roll(
            server_seed=seed.server_seed,
            client_seed=seed.client_seed,
            nonce=seed.nonce,
            reel_index=reel.reel_index,
            snapshot_hash=version.snapshot_hash,
            total_weight=version.total_weight,
        )
        prize = version.prizes[algorithm.pick(version.cumulative, roll)]
        drawn.append(
            DrawnReel(
                reel_index=reel.reel_index,
                version=version,
                roll=roll,
                prize=prize,
                value_minor=price(prize.value_minor, version=version, currency=currency, rate=rate),
                base_value_minor=prize.value_minor,
                inventory_item_id=item_id if prize.kind == PrizeKind.ITEM else None,
            )
        )
    return drawn


def price(amount_minor: int, *, version: CompiledVersion, currency: str, rate: Decimal) -> int:
    """Return an amount of the version's currency in the round's, rounded half up (contract section 4)."""
    if currency == version.currency:
        return amount_minor
    return convert(amount_minor=amount_minor, source=version.currency, target=currency, rate=rate)
