"""Launches: an operator's signed word that a player may come in (contract section 8)."""

import datetime as dt
from dataclasses import dataclass

from django.conf import settings

from catalog import rates
from catalog.catalogue import catalogue
from lootbox.core.errors import ApiError, ErrorCode
from lootbox.core.tokens import request_hash, token_hash
from operators.models import MYSTERY_BOX, Operator, Player
from play import tokens
from play.models import Launch
from play.serializers import LaunchRequest


@dataclass(frozen=True)
class LaunchAnswer:
    """A launch with its token, and whether the same signed request was answered before."""

    token: str
    expires_at: dt.datetime
    replayed: bool


def launch(*, request: LaunchRequest, operator: Operator, key_id: str, signature: str, at: dt.datetime) -> LaunchAnswer:
    """Return a launch for the player; the same signed request again returns the same one (contract sections 2 and 8).

    `operator` must have been read in this request. Raises `GAME_DISABLED`, `UNKNOWN_BOX`, `BOX_NOT_PLAYABLE`,
    `UNSUPPORTED_LOCALE`, `UNSUPPORTED_CURRENCY`, and nothing is stored.
    """
    asked = request_hash(key_id=key_id, signature=signature)
    token = tokens.launch_token(key_id=key_id, signature=signature)
    made = Launch.objects.filter(request_hash=asked).first()
    created = made is None
    if made is None:
        locale, currency = _check(request, operator, at)
        player, _ = Player.objects.get_or_create(operator=operator, external_id=request.player)
        # Of two replays at once the second finds what the first one made.
        made, created = Launch.objects.get_or_create(
            request_hash=asked,
            defaults={
                "operator": operator,
                "player": player,
                "token_hash": token_hash(token),
                "game_key": request.game_key,
                "box_id": request.box_id,
                "auto_open": request.auto_open,
                "locale": locale,
                "currency": currency,
                "return_url": request.return_url,
                "balance_minor": request.balance_minor,
                "funding": request.funding,
                "funding_rounds": request.funding_rounds,
                "created_at": at,
                "expires_at": at + dt.timedelta(seconds=settings.LOOTBOX_LAUNCH_TTL_S),
            },
        )
    if made.token_hash != token_hash(token):
        # The platform's key changed since, so the first token can't be told again; a second one is never made.
        raise ApiError(ErrorCode.INVALID_SIGNATURE, "This request was answered before. Sign a new one.")
    return LaunchAnswer(token, made.expires_at, replayed=not created)


def _check(request: LaunchRequest, operator: Operator, at: dt.datetime) -> tuple[str, str]:
    """Return locale and currency of the launch."""
    if request.game_key != MYSTERY_BOX or MYSTERY_BOX not in operator.games:
        raise ApiError(ErrorCode.GAME_DISABLED)
    if request.box_id is not None:
        box, _ = catalogue(operator=operator).published(request.box_id)
        if not box.active:
            raise ApiError(ErrorCode.BOX_NOT_PLAYABLE, "This box is not active.")
    locale = request.locale or operator.default_locale
    check_locale(operator=operator, locale=locale)
    currency = request.currency or operator.base_currency
    rates.quoted_rate(operator=operator, currency=currency, at=at)
    return locale, currency


def check_locale(*, operator: Operator, locale: str) -> None:
    """Raise `UNSUPPORTED_LOCALE` for a locale that is not one of the operator's."""
    if locale not in operator.locales:
        raise ApiError(ErrorCode.UNSUPPORTED_LOCALE, f"This operator's locales are: {', '.join(operator.locales)}.")
