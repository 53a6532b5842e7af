"""Sessions: from a launch token to logout or expiry (contract section 8)."""

import datetime as dt
from decimal import Decimal
from typing import Final

from django.conf import settings

from catalog import rates
from fairness import services as fairness
from fairness.services import SeedSource
from lootbox.core import db
from lootbox.core.errors import ApiError, ErrorCode
from lootbox.core.tokens import token_hash
from operators.models import Operator
from play.models import Launch, Session
from play.services.launching import check_locale

# Being active is written down this many times an idle limit, so that it costs nothing on most requests.
SEEN_STEPS: Final = 30


def start(*, launch_token: str, slug: str | None, session_token: str, at: dt.datetime, secrets: SeedSource) -> Session:
    """Consume the launch token and return the session that it opens, known by `session_token` from now on.

    `slug` is the operator that the host names, None on a bare host. Raises `LAUNCH_TOKEN_INVALID`, `TENANT_SUSPENDED`,
    `LAUNCH_TOKEN_CONSUMED`, `LAUNCH_TOKEN_EXPIRED`, and `UNSUPPORTED_CURRENCY` where the launch's has no rate any more, which
    leaves the token unused.
    """
    launch = find_launch(token=launch_token, slug=slug)
    if launch is None:
        raise ApiError(ErrorCode.LAUNCH_TOKEN_INVALID)
    if launch.operator.suspended:
        raise ApiError(ErrorCode.TENANT_SUSPENDED)
    if launch.consumed_at is not None:
        raise ApiError(ErrorCode.LAUNCH_TOKEN_CONSUMED)
    if at >= launch.expires_at:
        raise ApiError(ErrorCode.LAUNCH_TOKEN_EXPIRED)
    operator, player = launch.operator, launch.player
    rate = _rate_to_pin(operator=operator, currency=launch.currency, at=at)
    fairness.ensure_pairs(operator_id=operator.pk, player_id=player.pk, at=at, secrets=secrets)
    with db.phase():
        if not Launch.objects.filter(pk=launch.pk, consumed_at=None).update(consumed_at=at):
            raise ApiError(ErrorCode.LAUNCH_TOKEN_CONSUMED)
        return Session.objects.create(
            operator=operator,
            player=player,
            launch=launch,
            token_hash=token_hash(session_token),
            locale=launch.locale,
            currency=launch.currency,
            pinned_rate=rate,
            started_at=at,
            last_seen_at=at,
        )


def find_launch(*, token: str, slug: str | None) -> Launch | None:
    """Return the launch of a token, None for one that is not known, or is of another operator than the host's."""
    launch = Launch.objects.select_related("operator", "player").filter(token_hash=token_hash(token)).first()
    return launch if launch is not None and slug in (None, launch.operator.slug) else None


def find(*, token: str, slug: str | None, at: dt.datetime) -> Session:
    """Return the live session of a token, with its operator, player and launch, by one query; it counts as active now.

    `slug` as in `start`. Raises `SESSION_INVALID` (also after logout), `SESSION_EXPIRED`, `TENANT_SUSPENDED`.
    """
    related = Session.objects.select_related("operator", "player", "launch")
    session = related.filter(token_hash=token_hash(token), revoked_at=None).first()
    if session is None or slug not in (None, session.operator.slug):
        raise ApiError(ErrorCode.SESSION_INVALID)
    if at >= expires_at(session):
        raise ApiError(ErrorCode.SESSION_EXPIRED)
    if session.operator.suspended:
        raise ApiError(ErrorCode.TENANT_SUSPENDED)
    if at - session.last_seen_at > dt.timedelta(seconds=settings.LOOTBOX_SESSION_IDLE_S / SEEN_STEPS):
        touch(session=session, at=at)
    return session


def expires_at(session: Session) -> dt.datetime:
    """Return when the session ends if nothing more is heard of the player."""
    idle, longest = (dt.timedelta(seconds=limit) for limit in (settings.LOOTBOX_SESSION_IDLE_S, settings.LOOTBOX_SESSION_MAX_S))
    return min(session.last_seen_at + idle, session.started_at + longest)


def touch(*, session: Session, at: dt.datetime) -> None:
    """Count the idle limit from now on."""
    session.last_seen_at = at
    session.save(update_fields=["last_seen_at"])


def end(*, session: Session, at: dt.datetime) -> None:
    """Revoke the session's token."""
    session.revoked_at = at
    session.save(update_fields=["revoked_at"])


def switch_currency(*, session: Session, currency: str, at: dt.datetime) -> None:
    """Show prices in another currency, at the rate pinned now. Raises `UNSUPPORTED_CURRENCY`, and nothing changes."""
    session.pinned_rate = _rate_to_pin(operator=session.operator, currency=currency, at=at)
    session.currency = currency
    session.save(update_fields=["currency", "pinned_rate"])


def switch_locale(*, session: Session, locale: str, at: dt.datetime) -> None:
    """Speak another language, and pin the rate anew. Raises `UNSUPPORTED_LOCALE`, and nothing changes."""
    check_locale(operator=session.operator, locale=locale)
    session.pinned_rate = _rate_to_pin(operator=session.operator, currency=session.currency, at=at)
    session.locale = locale
    session.save(update_fields=["locale", "pinned_rate"])


def price_rate(*, session: Session, at: dt.datetime) -> Decimal:
    """Return the rate to show prices at, and pin it as the one shown in this session (contract section 4).

    Writes only when it differs from the one pinned. Raises `UNSUPPORTED_CURRENCY`.
    """
    rate = rates.quoted_rate(operator=session.operator, currency=session.currency, at=at).rate
    if session.currency != session.operator.base_currency and rate != session.pinned_rate:
        # Not after a switch meanwhile, which pinned the rate of another currency.
        Session.objects.filter(pk=session.pk, currency=session.currency).update(pinned_rate=rate)
    return rate


def _rate_to_pin(*, operator: Operator, currency: str, at: dt.datetime) -> Decimal | None:
    rate = rates.quoted_rate(operator=operator, currency=currency, at=at).rate
    return None if currency == operator.base_currency else rate
