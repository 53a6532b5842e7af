"""People of the back-office: which operators they see, and the roles that say what they may do."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from django.apps import AppConfig
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, Group, Permission, User
from django.db import transaction
from django.db.models import QuerySet

from operators import audit
from operators.audit import By
from operators.models import Membership, Operator

PLATFORM_ADMIN: Final = "Platform admin"
OPERATOR_ADMIN: Final = "Operator admin"
CATALOGUE_MANAGER: Final = "Catalogue manager"
SUPPORT: Final = "Support"
FINANCE: Final = "Finance"
AUDITOR: Final = "Auditor"

_CATALOGUE: Final = (
    "catalog.view_item",
    "catalog.view_attribute",
    "catalog.view_box",
    "catalog.view_boxversion",
    "catalog.view_boxdraft",
    "catalog.view_catalogueupload",
)
_PLAY: Final = (
    "operators.view_operator",
    "operators.view_player",
    "purchases.view_round",
    "vault.view_inventoryitem",
    "vault.view_shippingorder",
    "webhooks.view_delivery",
    "webhooks.view_deliveryattempt",
    "webhooks.view_endpoint",
    "finance.view_flag",
)
_MONEY: Final = (
    "wallet.view_walletcall",
    "operators.view_actionrequest",
    "operators.see_dashboard",
    "finance.see_reports",
    "finance.view_export",
    "finance.view_statement",
    "finance.view_closedday",
)
_SUPPORT_ACTS: Final = (
    "operators.refund_round",
    "operators.ask_wallet",
    "operators.advance_order",
    "operators.block_player",
    "webhooks.send_again",
    "finance.handle_flag",
)
_CATALOGUE_ACTS: Final = (
    "operators.publish_box",
    "operators.view_actionrequest",
    "catalog.add_boxdraft",
    "catalog.change_boxdraft",
    "catalog.add_item",
    "catalog.change_item",
    "catalog.add_attribute",
    "catalog.change_attribute",
    "catalog.add_catalogueupload",
)
_BOOKS: Final = ("finance.match_statement", "finance.close_day", "finance.reopen_day")
_LOG: Final = ("operators.view_auditentry", "operators.export_audit")
_PEOPLE: Final = (
    "auth.view_user", "auth.add_user", "auth.change_user", "operators.grant_roles",
    "operators.view_membership", "operators.add_membership", "operators.delete_membership",
)  # fmt: skip
_SETTINGS: Final = ("operators.change_operator", "operators.view_apikey", "operators.add_apikey", "operators.change_apikey")
_OPERATOR_ADMIN: Final = (
    *_CATALOGUE, *_PLAY, *_MONEY, *_SUPPORT_ACTS, *_CATALOGUE_ACTS, *_BOOKS, *_LOG, *_PEOPLE, *_SETTINGS,
    "operators.resolve_call", "webhooks.operate_endpoint",
)  # fmt: skip

# What each role may do, by "app.codename". A role says nothing of whose rows: that is membership.
ROLES: Final[Mapping[str, frozenset[str]]] = {
    PLATFORM_ADMIN: frozenset(
        {*_OPERATOR_ADMIN, "operators.all_operators", "catalog.view_exchangerate", "catalog.add_exchangerate",
         "operators.add_operator", "operators.suspend_operator"}
    ),
    OPERATOR_ADMIN: frozenset(_OPERATOR_ADMIN),
    CATALOGUE_MANAGER: frozenset({*_CATALOGUE, *_CATALOGUE_ACTS}),
    SUPPORT: frozenset({*_CATALOGUE, *_PLAY, "wallet.view_walletcall", "operators.view_actionrequest", *_SUPPORT_ACTS}),
    FINANCE: frozenset({*_CATALOGUE, *_PLAY, *_MONEY, "operators.ask_wallet", "operators.resolve_call", "finance.handle_flag",
                        *_BOOKS}),
    AUDITOR: frozenset({*_CATALOGUE, *_PLAY, *_MONEY, *_LOG, "auth.view_user", "operators.view_membership"}),
}  # fmt: skip
# What an operator's own administrators may grant.
GRANTABLE: Final = tuple(role for role in ROLES if role != PLATFORM_ADMIN)

Account = AbstractBaseUser | AnonymousUser


class NotAllowed(Exception):
    """A person may not do this; the message says why."""


def give_roles_their_permissions(*, sender: AppConfig, **_: Any) -> None:
    """Bring every role's permissions on one app up to date; receives `post_migrate`, which an app's permissions precede."""
    known = {
        f"{sender.label}.{permission.codename}": permission
        for permission in Permission.objects.filter(content_type__app_label=sender.label)
    }
    for name, allowed in ROLES.items():
        role, _created = Group.objects.get_or_create(name=name)
        role.permissions.remove(*(known[code] for code in known.keys() - allowed))
        role.permissions.add(*(known[code] for code in known.keys() & allowed))


def operator_ids(user: Account) -> Sequence[int] | None:
    """Return the operators that an account sees, None for all of them. Asked for once a request."""
    if not isinstance(user, User):
        return []
    known: Sequence[int] | None = getattr(user, "seen_operator_ids", ())
    if known == ():
        memberships = list(user.memberships.all())
        # Who came by an operator's word never sees more than that operator, whatever was granted.
        foreign = any(membership.external_id is not None for membership in memberships)
        sees_all = not foreign and user.has_perm("operators.all_operators")
        known = None if sees_all else [membership.operator_id for membership in memberships] or [0]
        user.seen_operator_ids = known  # type: ignore[attr-defined]
    return known


def scoped(queryset: QuerySet[Any], *, user: Account, path: str) -> QuerySet[Any]:
    """Return the rows whose operator, at the lookup `path`, the account sees; an empty path: whoever sees all operators."""
    ids = operator_ids(user)
    if ids is None:
        return queryset
    if not path:
        return queryset.none()
    # One operator is asked for by equality, which lets an index on (operator, …) give the rows in order.
    return queryset.filter(**({path: ids[0]} if len(ids) == 1 else {f"{path}__in": list(ids)}))


def accounts_under(user: Account) -> QuerySet[User]:
    """Return the accounts that belong to operators that `user` sees, and to no other; of the platform's own none."""
    ids = operator_ids(user)
    if ids is None:
        return User.objects.all()
    elsewhere = Membership.objects.exclude(operator__in=ids).values("user")
    own = User.objects.filter(memberships__operator__in=ids, is_superuser=False)
    return own.exclude(pk__in=elsewhere).exclude(groups__name=PLATFORM_ADMIN).distinct()


def grant_roles(*, user: User, roles: Iterable[Group], giver: User, reason: str, at: dt.datetime) -> None:
    """Give an account exactly these roles, with an audit entry. Raises `NotAllowed`."""
    wanted = {role.name for role in roles}
    foreign = user.memberships.filter(external_id__isnull=False).exists()
    if PLATFORM_ADMIN in wanted and (foreign or operator_ids(giver) is not None):
        raise NotAllowed("Only the platform's own people can be platform administrators, made by one of them.")
    with transaction.atomic():
        check_reach(user=user, giver=giver)
        before = sorted(user.groups.values_list("name", flat=True))
        user.groups.set(Group.objects.filter(name__in=wanted))
        membership = user.memberships.select_related("operator").first()
        audit.record(
            by=By(giver.get_username(), reason),
            action="staff.roles",
            operator=membership.operator if membership else None,
            subject=user.get_username(),
            before={"roles": before},
            after={"roles": sorted(wanted)},
            at=at,
        )


def check_reach(*, user: User, giver: User) -> None:
    """Raise `NotAllowed` unless `giver` may change the account `user`: never one's own, and none that has more to say."""
    if user.pk == giver.pk:
        raise NotAllowed("Nobody changes an account of their own. Ask a colleague.")
    if not accounts_under(giver).filter(pk=user.pk).exists() or (user.is_superuser and not giver.is_superuser):
        raise NotAllowed("This account belongs to others than your operator.")


def operators_seen(user: Account) -> QuerySet[Operator]:
    """Return the operators that an account sees, by name."""
    return scoped(Operator.objects.order_by("name"), user=user, path="pk")
