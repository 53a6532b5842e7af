"""What every measured program is told: whose purchases, of which box, paid by which wallet."""

import json
import os
from dataclasses import asdict, dataclass
from typing import Final, Self

VARIABLE: Final = "LOOTBOX_BENCH"


@dataclass(frozen=True, kw_only=True)
class Prize:
    """A line of the box's prize table; all prizes are items."""

    prize_id: int
    item_id: int
    name: str
    value_minor: int
    weight: int


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The operator, its wallet and its box, the same for all programs; `database` is a connection string of libpq."""

    database: str
    key_id: str
    secret: str
    outbound_secret: str
    wallet_host: str
    wallet_port: int
    wallet_path: str
    version_id: int
    snapshot_hash: str
    price_minor: int
    currency: str
    max_reels: int
    prizes: tuple[Prize, ...]

    @classmethod
    def of_environment(cls) -> Self:
        """Return what the process was told."""
        told = json.loads(os.environ[VARIABLE])
        return cls(**told | {"prizes": tuple(Prize(**prize) for prize in told["prizes"])})

    def as_environment(self) -> dict[str, str]:
        """Return what to tell a process."""
        return {VARIABLE: json.dumps(asdict(self))}
