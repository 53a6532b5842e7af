"""Admin single sign-on: an operator's signed word lets one of its people into the back-office (contract section 13)."""

import datetime as dt
import hashlib
import posixpath
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from lootbox.core.errors import ApiError, ErrorCode
from lootbox.core.fields import Reader
from lootbox.core.tokens import derived_token, request_hash, token_hash
from operators import audit
from operators.audit import By
from operators.models import Membership, Operator, SsoTicket

LIFETIME: Final = dt.timedelta(seconds=60)
HOME: Final = "/admin/"


class TicketRefused(Exception):
    """A ticket lets nobody in; the message says why, in words for the person who followed the link."""


@dataclass(frozen=True)
class SsoRequest:
    """Who is to come in, and to which page."""

    external_id: str
    email: str
    display_name: str
    return_path: str


@dataclass(frozen=True)
class IssuedTicket:
    """A ticket as it is told, and whether the same signed request was answered before."""

    ticket: str
    expires_at: dt.datetime
    replayed: bool


def read_request(body: Reader) -> SsoRequest:
    """Return the request. Raises `VALIDATION_FAILED` with the fields."""
    request = SsoRequest(
        external_id=body.text("adminExternalId", maximum=190),
        email=body.text("email", maximum=254),
        display_name=body.text("displayName", maximum=150),
        return_path=body.optional_text("returnPath", maximum=2048) or HOME,
    )
    try:
        validate_email(request.email)
    except ValidationError:
        body.wrong("email", "Send an e-mail address.")
    if not stays_inside(request.return_path):
        body.wrong("returnPath", f"Send a path inside the administration, such as {HOME}purchases/round/.")
    body.check()
    return request


def stays_inside(path: str) -> bool:
    """Return whether a path leads to a page of the administration on this host, however a browser reads it."""
    parts = urlsplit(path)
    plain = unquote(unquote(parts.path))
    return (
        path.startswith(HOME)
        and not parts.netloc
        and not re.search(r"[\\\x00-\x20\x7f]|//", plain)
        and (posixpath.normpath(plain) + "/").startswith(HOME)
    )


def issue(*, request: SsoRequest, operator: Operator, key_id: str, signature: str, at: dt.datetime) -> IssuedTicket:
    """Return a ticket that lets the person in once, for a minute; the same signed request again returns the same one."""
    ticket = derived_token(purpose="operators.sso", key_id=key_id, signature=signature)
    made, created = SsoTicket.objects.get_or_create(
        request_hash=request_hash(key_id=key_id, signature=signature),
        defaults={
            "operator": operator,
            "ticket_hash": token_hash(ticket),
            "external_id": request.external_id,
            "email": request.email,
            "display_name": request.display_name,
            "return_path": request.return_path,
            "created_at": at,
            "expires_at": at + LIFETIME,
        },
    )
    if made.ticket_hash != token_hash(ticket):
        # The platform's key changed since, so the first ticket can't be told again; a second one is never made.
        raise ApiError(ErrorCode.INVALID_SIGNATURE, "This request was answered before. Sign a new one.")
    return IssuedTicket(ticket, made.expires_at, replayed=not created)


def redeem(*, ticket: str, at: dt.datetime, host_operator: str | None) -> tuple[User, str]:
    """Use the ticket up; return the account it lets in, made by its first ticket without a role, and the page to go to.

    `host_operator` is the operator that the host names, None on a bare host. Raises `TicketRefused`.
    """
    with transaction.atomic():
        made = SsoTicket.objects.select_for_update(of=("self",)).select_related("operator")
        found = made.filter(ticket_hash=token_hash(ticket)).first()
        if found is None or (host_operator is not None and host_operator != found.operator.slug):
            raise TicketRefused("This link is not known.")
        if found.used_at is not None:
            raise TicketRefused("This link was used before; each lets you in once.")
        if found.expires_at <= at:
            raise TicketRefused("This link has expired; each holds for one minute.")
        if found.operator.suspended:
            raise TicketRefused("This operator is suspended.")
        found.used_at = at
        found.save(update_fields=["used_at"])
        user = _account(found, at)
    if not user.is_active:
        raise TicketRefused("Your account here is switched off. Ask an administrator.")
    return user, found.return_path


def _account(ticket: SsoTicket, at: dt.datetime) -> User:
    membership = Membership.objects.filter(operator=ticket.operator, external_id=ticket.external_id).first()
    if membership is not None:
        user = membership.user
        user.email, user.first_name = ticket.email, ticket.display_name
        user.save(update_fields=["email", "first_name"])
        return user
    name = hashlib.sha256(ticket.external_id.encode()).hexdigest()[:16]
    # Two first tickets of one person at once: the operator's row decides which makes the account.
    Operator.objects.select_for_update(no_key=True, of=("self",)).get(pk=ticket.operator_id)
    user, created = User.objects.get_or_create(
        username=f"{ticket.operator.slug}:{name}",
        defaults={"email": ticket.email, "first_name": ticket.display_name, "is_staff": True},
    )
    if created:
        user.set_unusable_password()
        user.save(update_fields=["password"])
        Membership.objects.create(user=user, operator=ticket.operator, external_id=ticket.external_id)
        audit.record(
            by=By(user.get_username(), "first single sign-on"),
            action="staff.account_made",
            operator=ticket.operator,
            subject=user.get_username(),
            after={"adminExternalId": ticket.external_id, "email": ticket.email, "displayName": ticket.display_name},
            at=at,
        )
    return user
