"""Accounts of the back-office: made, put to work for operators, switched off, and let in again."""

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any

from django.contrib.auth.models import Group, User
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import ValidationError
from django.db import transaction
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django_otp.plugins.otp_totp.models import TOTPDevice

from operators import audit, staff
from operators.audit import By
from operators.models import Membership, Operator
from operators.staff import NotAllowed


def make_account(
    *,
    username: str,
    display_name: str,
    email: str,
    operators: Sequence[Operator],
    roles: Collection[str],
    giver: User,
    by: By,
    at: dt.datetime,
) -> User:
    """Return a new account without a password, which works for these operators with these roles. Raises `NotAllowed`."""
    everywhere = staff.operator_ids(giver) is None
    if not everywhere and not operators:
        raise NotAllowed("Choose the operator that the account is for.")
    for operator in operators:
        _check_operator(operator, giver)
    if staff.PLATFORM_ADMIN in roles and not everywhere:
        raise NotAllowed("Only the platform's own people can be platform administrators, made by one of them.")
    user = User(username=username, first_name=display_name, email=email, is_staff=True)
    user.set_unusable_password()
    try:
        user.full_clean()
    except ValidationError as error:
        raise NotAllowed(" ".join(error.messages)) from error
    with transaction.atomic():
        user.save()
        user.groups.set(Group.objects.filter(name__in=roles))
        Membership.objects.bulk_create(Membership(user=user, operator=operator) for operator in operators)
        after = {"email": email, "displayName": display_name, "roles": sorted(roles)}
        _record(user, "staff.account_made", by, at, after=after)
    return user


def password_link(*, user: User, giver: User, by: By, at: dt.datetime) -> str:
    """Return the path of a page where whoever has it sets the account's password, once. Raises `NotAllowed`."""
    with transaction.atomic():
        staff.check_reach(user=user, giver=giver)
        if by_ticket(user):
            raise NotAllowed("This account comes in by single sign-on and has no password.")
        _record(user, "staff.password_link", by, at)
    key = urlsafe_base64_encode(force_bytes(user.pk))
    return reverse("admin:set_password", args=[key, default_token_generator.make_token(user)])


def join(*, user: User, operator: Operator, giver: User, by: By, at: dt.datetime) -> None:
    """Let an account work for one more operator. Raises `NotAllowed`."""
    with transaction.atomic():
        staff.check_reach(user=user, giver=giver)
        _check_operator(operator, giver)
        if by_ticket(user):
            raise NotAllowed("This account came by its operator's word, so it works for that operator only.")
        Membership.objects.get_or_create(user=user, operator=operator)
        _record(user, "staff.joined", by, at, only=operator)


def leave(*, user: User, operator: Operator, giver: User, by: By, at: dt.datetime) -> None:
    """Let an account work for an operator no longer. Raises `NotAllowed`."""
    with transaction.atomic():
        staff.check_reach(user=user, giver=giver)
        _check_operator(operator, giver)
        if by_ticket(user):
            raise NotAllowed("This account came by its operator's word, which would let it in again. Switch it off instead.")
        Membership.objects.filter(user=user, operator=operator).delete()
        _record(user, "staff.left", by, at, only=operator)


def switch(*, user: User, on: bool, giver: User, by: By, at: dt.datetime) -> None:
    """Switch an account on, or off: then its sessions end and it can't log in. Raises `NotAllowed`."""
    with transaction.atomic():
        staff.check_reach(user=user, giver=giver)
        User.objects.filter(pk=user.pk).update(is_active=on)
        _record(user, "staff.switched_on" if on else "staff.switched_off", by, at)


def reset_second_factor(*, user: User, giver: User, by: By, at: dt.datetime) -> None:
    """Forget an account's second factor, so that it sets one up anew at its next log-in. Raises `NotAllowed`."""
    with transaction.atomic():
        staff.check_reach(user=user, giver=giver)
        TOTPDevice.objects.filter(user=user).delete()
        _record(user, "staff.second_factor_reset", by, at)


def by_ticket(user: User) -> bool:
    """Return whether the account came by an operator's word, by single sign-on."""
    return user.memberships.filter(external_id__isnull=False).exists()


def _check_operator(operator: Operator, giver: User) -> None:
    if not staff.operators_seen(giver).filter(pk=operator.pk).exists():
        raise NotAllowed("There is no such operator.")


def _record(user: User, action: str, by: By, at: dt.datetime, *, only: Operator | None = None, **change: Any) -> None:
    # Each of the account's operators finds it in its own log.
    concerned: list[Operator | None] = (
        [only] if only else [each.operator for each in user.memberships.select_related("operator")]
    )
    for operator in concerned or [None]:
        audit.record(by=by, action=action, operator=operator, subject=user.get_username(), at=at, **change)
