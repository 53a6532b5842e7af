"""People of the back-office as tests play them."""

from typing import Any

from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.test import Client
from django.urls import reverse

from operators.audit import COMMAND_LINE
from operators.models import AuditEntry, Membership, Operator


def person(name: str, *, role: str | None = None, at: Operator | None = None) -> User:
    """Return an account with this role, if any, that works for this operator, if any."""
    user = User.objects.create_user(name, password="correct horse battery", is_staff=True)
    if role is not None:
        user.groups.add(Group.objects.get(name=role))
    if at is not None:
        Membership.objects.create(user=user, operator=at)
    return user


def browser(user: User) -> Client:
    """Return a browser that this person is logged in with."""
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def page(view: str, *args: Any) -> str:
    """Return the address of a page of the administration."""
    return reverse(f"admin:{view}", args=args)


def acts() -> QuerySet[AuditEntry]:
    """Return what people did, in order; the operators themselves were made on the command line."""
    return AuditEntry.objects.exclude(actor=COMMAND_LINE.actor).order_by("sequence")
