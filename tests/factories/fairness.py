"""Rounds as far as verifying them needs: held, or drawn with a player's seeds, rightly or wrongly. No money moves for them."""

import datetime as dt
import itertools
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.db.models import F

from catalog.models import BoxVersion, PrizeKind
from catalog.services import PrizeLine, item_line
from fairness import algorithm
from fairness.models import SeedPair, SeedState
from lootbox.core.ids import Prefix, new_id, public_id
from lootbox.core.money import convert
from operators.models import Operator, Player
from purchases.models import Draw, Funding, Mode, Reel, Round, RoundState
from tests.factories.catalog import BoxVersionFactory, ItemFactory, bonus_line, cash_line

NOON = dt.datetime(2026, 6, 3, 12, tzinfo=dt.UTC)


class CountedSeeds:
    """A seed source whose seeds are 1, 2, 3 and so on, so that a test can name them."""

    def __init__(self) -> None:
        """Start at 1."""
        self.made = 0

    def __call__(self, size: int) -> str:
        """Return the next number as that many bytes in hex."""
        self.made += 1
        return f"{self.made:0{2 * size}x}"


def harbour(operator: Operator, *, names: Sequence[str] = ()) -> BoxVersion:
    """Return the current version of a new box: an item, cash, a bonus, and a likelier cash prize for each of `names`."""
    compass = ItemFactory.create(operator=operator, name={"en": "Brass Compass", "de": "Messingkompass"})
    lines = [
        item_line(item=compass, weight=90),
        cash_line(500, weight=9),
        bonus_line(),
        *(PrizeLine(weight=1_000, kind=PrizeKind.CASH, name={"en": name}, value_minor=1) for name in names),
    ]
    return BoxVersionFactory.create(box__operator=operator, prizes=lines, at=NOON)


def held_round(player: Player, versions: Sequence[BoxVersion], *, currency: str = "EUR", rate: Decimal = Decimal(1)) -> Round:
    """Return a round that is bought, at the operator's expense, and not opened."""
    bet = sum(version.price_minor for version in versions)
    played = Round.objects.create(
        id=new_id(),
        operator_id=player.operator_id,
        player=player,
        mode=Mode.PREPAY,
        funding=Funding.OPERATOR,
        state=RoundState.HELD,
        currency=currency,
        bet_minor=bet,
        base_currency="EUR",
        base_bet_minor=bet,
        fx_rate=rate,
        purchased_at=NOON,
    )
    Reel.objects.bulk_create(
        Reel(
            operator_id=player.operator_id,
            round=played,
            position=position + 1,
            reel_index=position,
            box_version=version,
            bet_minor=version.price_minor,
            base_bet_minor=version.price_minor,
        )
        for position, version in enumerate(versions)
    )
    return played


def settled_round(
    player: Player,
    versions: Sequence[BoxVersion],
    *,
    currency: str = "EUR",
    rate: Decimal = Decimal(1),
    drawn: Mapping[str, Any] | None = None,
    settled: Mapping[str, Any] | None = None,
) -> Round:
    """Return a round drawn with the player's active seed pair, with its next nonce.

    `drawn` stands in place of what the first reel drew, `settled` in place of what the round says of itself, for a round that
    was tampered with.
    """
    played = held_round(player, versions, currency=currency, rate=rate)
    pair = SeedPair.objects.get(player=player, state=SeedState.ACTIVE)
    draws = [_draw(played, pair, index, version, (drawn or {}) if index == 0 else {}) for index, version in enumerate(versions)]
    Draw.objects.bulk_create(draws)
    SeedPair.objects.filter(pk=pair.pk).update(next_nonce=F("next_nonce") + 1)
    outcome = {
        "state": RoundState.SETTLED,
        "settled_at": NOON,
        "seed_pair": pair,
        "nonce": pair.next_nonce,
        "payout_minor": sum(draw.value_minor for draw in draws),
        "base_payout_minor": sum(draw.base_value_minor for draw in draws),
    }
    Round.objects.filter(pk=played.pk).update(**outcome | dict(settled or {}))
    return Round.objects.get(pk=played.pk)


def shown_id(played: Round) -> str:
    """Return the id that clients see."""
    return public_id(Prefix.ROUND, played.pk)


def _draw(played: Round, pair: SeedPair, reel_index: int, version: BoxVersion, tampered: Mapping[str, Any]) -> Draw:
    prizes = list(version.prizes.order_by("index"))
    roll = algorithm.roll(
        server_seed=pair.server_seed,
        client_seed=pair.client_seed,
        nonce=pair.next_nonce,
        reel_index=reel_index,
        snapshot_hash=version.snapshot_hash,
        total_weight=version.total_weight,
    )
    prize = prizes[algorithm.pick(list(itertools.accumulate(prize.weight for prize in prizes)), roll)]
    value = convert(amount_minor=prize.value_minor, source="EUR", target=played.currency, rate=played.fx_rate)
    fields = {
        "operator_id": played.operator_id,
        "round": played,
        "reel_index": reel_index,
        "box_version": version,
        "seed_pair": pair,
        "nonce": pair.next_nonce,
        "roll": roll,
        "prize": prize,
        "value_minor": value,
        "base_value_minor": prize.value_minor,
    }
    return Draw(**fields | dict(tampered))
