"""The operators and boxes that the measurements use, made by the services that the commands use."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from django.conf import settings
from django.utils import timezone

from bench.load import Signer
from bench.setting import Prize, Setting
from catalog import rates
from catalog.compiled import compiled
from catalog.importing import import_boxes
from operators import services
from operators.services import NewOperator

PRIZES: Final = 12
PRICE_MINOR: Final = 500
PLAYERS: Final = [f"player-{number}" for number in range(200)]
MAX_REELS: Final = 100
OTHER_CURRENCY: Final = "USD"
_players = itertools.cycle(PLAYERS)


@dataclass(frozen=True)
class Casino:
    """An operator with a box of items only and a box of cash only; both by their version."""

    made: NewOperator
    wallet_port: int
    wallet_path: str
    items_box: int
    items_version: int
    cash_version: int

    def signer(self, port: int) -> Signer:
        """Return the operator's backend, calling at `port`."""
        return Signer(self.made.key.key_id, self.made.key.secret, port)

    def setting(self) -> Setting:
        """Return what the floor and the peer are told of this operator."""
        operator = self.made.operator
        version = compiled(operator_id=operator.pk, version_ids=[self.items_version])[self.items_version]
        database = settings.DATABASES["default"]
        return Setting(
            database=f"host={database['HOST']} port={database['PORT']} user={database['USER']} dbname={database['NAME']}",
            key_id=self.made.key.key_id,
            secret=self.made.key.secret,
            outbound_secret=operator.outbound_secret,
            wallet_host="127.0.0.1",
            wallet_port=self.wallet_port,
            wallet_path=self.wallet_path,
            version_id=version.id,
            snapshot_hash=version.snapshot_hash,
            price_minor=version.price_minor,
            currency=version.currency,
            max_reels=MAX_REELS,
            prizes=tuple(
                Prize(
                    prize_id=prize.prize_id,
                    item_id=prize.item_id or 0,
                    name=prize.name,
                    value_minor=prize.value_minor,
                    weight=prize.weight,
                )
                for prize in version.prizes
            ),
        )


def make_casino(slug: str, *, wallet_port: int, delay_ms: int) -> Casino:
    """Return a new operator whose wallet answers after `delay_ms`, without a limit to its rate, with its boxes."""
    path = f"/wallet/{delay_ms}"
    made = services.create_operator(
        slug=slug,
        name=slug.title(),
        currency="EUR",
        currencies=[OTHER_CURRENCY],
        wallet_url=f"http://127.0.0.1:{wallet_port}{path}",
        webhook_url=f"http://127.0.0.1:{wallet_port}/webhooks",  # events are stored for delivery, and nothing delivers here
        at=timezone.now(),
    )
    rates.set_rate(base="EUR", quote=OTHER_CURRENCY, rate="1.0825", source="bench", at=timezone.now())
    # As good as no limit: asking for it stays part of what is measured.
    services.change_settings(
        operator=made.operator, changes={"maxReels": str(MAX_REELS), "rateLimit": "1000000"}, at=timezone.now()
    )
    items = [
        {
            "sku": f"item-{number}",
            "name": f"Item {number}",
            "type": "digital",
            "valueMinor": 100 + 70 * number,
            "shippable": False,
        }
        for number in range(PRIZES)
    ]
    boxes: list[dict[str, Any]] = [
        {
            "slug": "items",
            "name": "Items",
            "priceMinor": PRICE_MINOR,
            "prizes": [{"weight": 10 + number, "item": item["sku"]} for number, item in enumerate(items)],
        },
        {
            "slug": "cash",
            "name": "Cash",
            "priceMinor": PRICE_MINOR,
            "prizes": [{"weight": 1, "cash": {"name": "2 euro", "valueMinor": 200}}],
        },
    ]
    imported = import_boxes(operator=made.operator, document={"items": items, "boxes": boxes}, at=timezone.now())
    by_slug = {box.slug: box for box in imported.boxes}
    return Casino(
        made=made,
        wallet_port=wallet_port,
        wallet_path=path,
        items_box=by_slug["items"].box_id,
        items_version=by_slug["items"].box_version_id,
        cash_version=by_slug["cash"].box_version_id,
    )


def orders(signer: Signer, *, version: int, count: int, reels: int = 1) -> list[bytes]:
    """Return that many signed purchases, the players taking turns."""
    return [
        signer.post(
            "/api/s2s/purchase",
            {
                "playerExternalId": next(_players),
                "gameKey": "mystery_box",
                "clientActionId": str(uuid4()),
                "reels": [{"reelIndex": index, "boxVersionId": version} for index in range(reels)],
            },
        )
        for _ in range(count)
    ]


def first_orders(signer: Signer, *, version: int) -> Sequence[bytes]:
    """Return a purchase for every player, since a player's first one makes the player."""
    return orders(signer, version=version, count=len(PLAYERS))
