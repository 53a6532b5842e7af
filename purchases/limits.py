"""What a player may spend: blocks and caps set by the operator (contract section 3)."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db.models import Sum

from lootbox.core import db
from lootbox.core.errors import ApiError, ErrorCode
from operators.models import Operator, Player
from purchases.models import CapPeriod, Funding, Round, RoundState, SpendingCap

GIVEN_BACK = (RoundState.VOIDED, RoundState.REFUNDED, RoundState.EXPIRED)


class Cap(NamedTuple):
    """How much may be spent of one currency in a period, in minor units."""

    period: CapPeriod
    currency: str
    amount_minor: int


def set_limits(
    *, operator: Operator, external_id: str, blocked: bool, caps: Sequence[Cap], witness: db.Witness | None = None
) -> Player:
    """Replace what holds a player back, from the next purchase on, and return the player (contract section 3).

    `witness` is called in the transaction of the change.
    """
    with db.phase():
        player, _ = Player.objects.get_or_create(operator=operator, external_id=external_id)
        Player.objects.select_for_update(of=("self",)).get(pk=player.pk)
        SpendingCap.objects.filter(player=player).delete()
        SpendingCap.objects.bulk_create(
            SpendingCap(operator=operator, player=player, period=period, currency=currency, amount_minor=amount)
            for period, currency, amount in caps
        )
        player.blocked, player.capped = blocked, bool(caps)
        player.save(update_fields=["blocked", "capped"])
        if witness is not None:
            witness()
    return player


def limits_json(*, operator: Operator, external_id: str, at: dt.datetime) -> dict[str, Any]:
    """Return what holds a player back, and what is spent of each cap in its period (contract section 3)."""
    player = Player.objects.filter(operator=operator, external_id=external_id).first()
    caps = SpendingCap.objects.filter(player=player).order_by("pk") if player else []
    return {
        "blocked": player.blocked if player else False,
        "caps": [
            {
                "period": cap.period,
                "currency": cap.currency,
                "amountMinor": cap.amount_minor,
                "spentMinor": spent_minor(
                    player=cap.player,
                    currency=cap.currency,
                    since=period_start(period=CapPeriod(cap.period), at=at),
                ),
            }
            for cap in caps
        ],
    }


def period_start(*, period: CapPeriod, at: dt.datetime) -> dt.datetime:
    """Return the start of the calendar day, week (from Monday) or month in UTC that `at` lies in."""
    day = at.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period is CapPeriod.WEEK:
        return day - dt.timedelta(days=day.weekday())
    return day.replace(day=1) if period is CapPeriod.MONTH else day


def spent_minor(*, player: Player, currency: str, since: dt.datetime) -> int:
    """Return what the player paid for rounds since then, in minor units; voided and refunded ones were given back."""
    paid = Round.objects.filter(player=player, funding=Funding.PLAYER, currency=currency, purchased_at__gte=since)
    total: int | None = paid.exclude(state__in=GIVEN_BACK).aggregate(total=Sum("bet_minor"))["total"]
    return total or 0


def check_caps(*, player: Player, currency: str, bet_minor: int, at: dt.datetime) -> None:
    """Raise `PLAYER_BLOCKED` when a bet would break a cap of the player's.

    Locks the player, inside the caller's transaction, so that of two purchases at once the second counts the first.
    """
    Player.objects.select_for_update(of=("self",)).get(pk=player.pk)
    for cap in SpendingCap.objects.filter(player=player, currency=currency):
        since = period_start(period=CapPeriod(cap.period), at=at)
        if spent_minor(player=player, currency=currency, since=since) + bet_minor > cap.amount_minor:
            message = f"The player's spending cap of this {cap.period} does not allow this purchase."
            raise ApiError(ErrorCode.PLAYER_BLOCKED, message, money_moved="none")
