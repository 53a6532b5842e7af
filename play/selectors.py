"""What the game app is told: the frozen bootstrap, and a box for guests (contract section 8)."""

from decimal import Decimal
from typing import Any

from catalog.catalogue import catalogue
from catalog.compiled import compiled
from catalog.selectors import box_row
from fairness import selectors as fairness
from lootbox.core.errors import ApiError, ErrorCode
from lootbox.core.fields import print_moment
from lootbox.core.pagination import Position
from operators.models import MYSTERY_BOX, Operator
from play.models import Session
from play.services.balances import Balance
from play.services.opening import free_opens_left
from play.services.sessions import expires_at
from purchases.selectors import player_rounds


def bootstrap(*, session: Session, token: str, balance: Balance) -> dict[str, Any]:
    """Return the frozen bootstrap of section 8. The session's rate must have been pinned in this request."""
    operator, launch = session.operator, session.launch
    target = None
    if launch.box_id is not None:
        target = {
            **_offer(
                operator=operator,
                box_id=launch.box_id,
                locale=session.locale,
                currency=session.currency,
                rate=session.pinned_rate or Decimal(1),
            ),
            "freeOpens": free_opens_left(session=session),
            "autoOpen": launch.auto_open,
        }
    return {
        "sessionToken": token,
        "expiresAt": print_moment(expires_at(session)),
        "player": {"externalId": session.player.external_id, **balance.as_json()},
        **_surroundings(operator=operator, locale=session.locale, currency=session.currency, target=target),
        "fairness": fairness.commitment(player=session.player),
        "policies": {
            "cashbackEnabled": operator.cashback,
            "shippingEnabled": operator.shipping,
            "refundEnabled": operator.refunds,
        },
    }


def rounds(*, session: Session, held_only: bool, position: Position | None, limit: int) -> dict[str, Any]:
    """Return a page of the session's player's rounds as purchases answer them, each reel with the `box` that it opened."""
    page = player_rounds(operator=session.operator, player=session.player, held_only=held_only, position=position, limit=limit)
    return page.as_json(lambda facts: _with_boxes(facts.as_json(operator=session.operator), session))


def _with_boxes(shown: dict[str, Any], session: Session) -> dict[str, Any]:
    # A version may have been superseded since, and then no other answer says which box it was of.
    operator = session.operator
    version_ids = {reel["boxVersionId"] for reel in shown["reels"]}
    versions = compiled(operator_id=operator.pk, version_ids=version_ids)
    for reel in shown["reels"]:
        box = catalogue(operator=operator).boxes[versions[reel["boxVersionId"]].box_id]
        row = box_row(box, operator=operator, locale=session.locale, currency=session.currency, rate=Decimal(1))
        reel["box"] = {name: row[name] for name in ("boxId", "name", "image")}
    return shown


def find_operator(*, slug: str) -> Operator | None:
    """Return the operator of a subdomain or a guest's address, None when there is none."""
    return Operator.objects.filter(slug=slug).first()


def guest_operator(*, slug: str) -> Operator:
    """Return the operator whose box a guest looks at. Raises `NOT_FOUND`, `TENANT_SUSPENDED`."""
    operator = find_operator(slug=slug)
    if operator is None:
        raise ApiError(ErrorCode.NOT_FOUND, "There is no such operator.")
    if operator.suspended:
        raise ApiError(ErrorCode.TENANT_SUSPENDED)
    return operator


def guest_bootstrap(*, operator: Operator, box_id: int | None, locale: str, currency: str, rate: Decimal) -> dict[str, Any]:
    """Return what anybody may see before signing in. Raises `UNKNOWN_BOX`, `BOX_NOT_PLAYABLE` for an inactive one."""
    target = None
    if box_id is not None:
        box, _ = catalogue(operator=operator).published(box_id)
        if not box.active:
            raise ApiError(ErrorCode.BOX_NOT_PLAYABLE, "This box is not active.")
        offer = _offer(operator=operator, box_id=box_id, locale=locale, currency=currency, rate=rate)
        target = {**offer, "freeOpens": 0, "autoOpen": False}
    return _surroundings(operator=operator, locale=locale, currency=currency, target=target)


def _surroundings(*, operator: Operator, locale: str, currency: str, target: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "tenant": {"name": operator.name, "locale": locale, "currency": currency, "logoUrl": operator.logo_url or None},
        "theme": {"tokens": operator.theme},
        "game": {"key": MYSTERY_BOX, "maxReels": operator.max_reels, "target": target},
    }


def _offer(*, operator: Operator, box_id: int, locale: str, currency: str, rate: Decimal) -> dict[str, Any]:
    box, _ = catalogue(operator=operator).published(box_id)
    row = box_row(box, operator=operator, locale=locale, currency=currency, rate=rate)
    return {name: row[name] for name in ("boxId", "boxVersionId", "name", "priceMinor", "currency")}
