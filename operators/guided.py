"""Guided actions: what people of the back-office may do, each with a preview, a reason and an entry in the audit log.

Every app says its own in `acting` and registers them here; the pages that ask and confirm are the same for all.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

from django import forms
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Model, QuerySet

from lootbox.core import db
from lootbox.core.errors import ApiError
from lootbox.core.money import exponent
from operators import audit
from operators.audit import By
from operators.configuration import InvalidSetting
from operators.models import ActionRequest, Operator, RequestState
from operators.staff import NotAllowed, scoped

Clock = Callable[[], dt.datetime]


class Refused(Exception):
    """An action was not done; the message says why."""


class ShownOnce(str):
    """What happened, with secrets that the next page shows this once: no message, session or log keeps them."""

    __slots__ = ("secrets",)
    secrets: Mapping[str, str]

    def __new__(cls, text: str, *, secrets: Mapping[str, str]) -> Self:
        """Return the sentence with its secrets by what they are called."""
        shown = super().__new__(cls, text)
        shown.secrets = secrets
        return shown


class ReasonForm(forms.Form):
    """What every action wants to know."""

    reason = forms.CharField(
        min_length=5, max_length=1000, widget=forms.Textarea(attrs={"rows": 2}), help_text="Goes into the audit log."
    )


@dataclass(frozen=True)
class Doing:
    """One act on one row: by whom, when, and the log's entry that goes into the act's transaction."""

    row: Any
    operator: Operator | None
    inputs: Mapping[str, Any]
    by: By
    clock: Clock
    action: str
    subject: str
    user: User

    def entry(self, *, before: Mapping[str, Any], after: Mapping[str, Any]) -> db.Witness:
        """Return what writes the entry."""
        return lambda: audit.record(
            by=self.by,
            action=self.action,
            operator=self.operator,
            subject=self.subject,
            before=before,
            after=after,
            at=self.clock(),
        )


class Guided:
    """One kind of action on rows of one model."""

    name: ClassVar[str]
    title: ClassVar[str]
    permission: ClassVar[str]
    model: ClassVar[type[Model]]
    form: ClassVar[type[ReasonForm]] = ReasonForm
    always_two: ClassVar[bool] = False
    operator_path: ClassVar[str] = "operator"
    related: ClassVar[tuple[str, ...]] = ("operator", "player")
    # A template for what sentences can't say of the preview, which finds what `details` returns under that name.
    details_template: ClassVar[str] = ""

    def fits(self, row: Any, user: User) -> bool:  # noqa: ARG002 - most fit every row
        """Return whether the action is one for rows like this, by this person."""
        return isinstance(row, self.model)

    def rows(self, user: User) -> QuerySet[Any]:
        """Return the rows that the person sees."""
        rows = self.model._default_manager.all()  # noqa: SLF001 - documented API
        return scoped(rows, user=user, path=self.operator_path).select_related(*self.related)

    def new_form(self, row: Any, user: User, data: Any) -> ReasonForm:  # noqa: ARG002 - most forms are the same for every row
        """Return the form that asks for what the action wants to know, filled in with `data` if there is any."""
        return self.form(data)

    def operator(self, row: Any) -> Operator | None:
        """Return the operator whose row it is; None for people of the platform's."""
        operator: Operator = row.operator
        return operator

    def subject(self, row: Any) -> str:
        """Return the id that the audit log knows the row by."""
        raise NotImplementedError

    def refusal(self, row: Any) -> str | None:
        """Return why it can't be done to the row now, None when it can."""
        raise NotImplementedError

    def preview(self, row: Any, at: dt.datetime) -> Sequence[str]:
        """Return in sentences what will happen."""
        raise NotImplementedError

    def details(self, row: Any) -> Mapping[str, Any]:  # noqa: ARG002 - most previews are sentences only
        """Return what `details_template` shows."""
        return {}

    def perform(self, doing: Doing) -> str:
        """Do it and return what happened in a sentence. Raises `ApiError`, `InvalidSetting`, `Refused`."""
        raise NotImplementedError

    def told(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what of the inputs the audit log keeps of a request for a second person."""
        return inputs

    def base_amount(self, row: Any) -> tuple[int, str]:  # noqa: ARG002 - most actions move nothing
        """Return how much it moves, in the operator's base currency."""
        return 0, "EUR"

    def needs_second(self, row: Any) -> bool:
        """Return whether it takes two people."""
        amount, currency = self.base_amount(row)
        return self.always_two or amount > settings.LOOTBOX_STAFF_ALONE_UP_TO * 10 ** exponent(currency)


class Making:
    """One kind of thing that people make. It is asked for as an action is, but there is no row yet."""

    name: ClassVar[str]
    title: ClassVar[str]
    permission: ClassVar[str]
    lists: ClassVar[str]

    def new_form(self, user: User, data: Any) -> ReasonForm:
        """Return the form that asks for it, with what this person may choose."""
        raise NotImplementedError

    def preview(self) -> Sequence[str]:
        """Return in sentences what will happen."""
        raise NotImplementedError

    def perform(self, *, inputs: Mapping[str, Any], user: User, by: By, clock: Clock) -> str:
        """Make it and return what happened in a sentence. Raises `InvalidSetting`, `Refused`."""
        raise NotImplementedError


ACTIONS: Final[dict[str, Guided]] = {}
MAKINGS: Final[dict[str, Making]] = {}


def register(*actions: Guided | Making) -> None:
    """Offer these actions in the back-office."""
    for action in actions:
        if isinstance(action, Guided):
            ACTIONS[action.name] = action
        else:
            MAKINGS[action.name] = action


def find_row(*, action: Guided, key: str, user: User) -> Any:
    """Return the row that an action is about, if the person sees it, else None."""
    return action.rows(user).filter(pk=key).first()


def offered(*, row: Any, user: User) -> list[Guided]:
    """Return the actions that the person may do to the row now."""
    fitting = (action for action in ACTIONS.values() if action.fits(row, user) and user.has_perm(action.permission))
    return [action for action in fitting if action.refusal(row) is None]


def start(*, action: Guided, row: Any, inputs: Mapping[str, Any], reason: str, user: User, clock: Clock) -> str:
    """Do the action, or ask for a second person where it takes one; return what happened. Raises `Refused`."""
    if not action.needs_second(row):
        return _perform(action, row, inputs, By(user.get_username(), reason), user=user, clock=clock)
    if (why := action.refusal(row)) is not None:
        raise Refused(why)
    subject, operator = action.subject(row), action.operator(row)
    assert operator is not None, "what takes two people is about an operator's rows"
    with transaction.atomic():
        request, created = ActionRequest.objects.get_or_create(
            operator=operator,
            action=action.name,
            subject=subject,
            state=RequestState.WAITING,
            defaults={
                "inputs": {"key": str(row.pk), **inputs},
                "reason": reason,
                "requested_by": user,
                "requested_at": clock(),
            },
        )
        if not created:
            raise Refused(f"{request.requested_by} has asked for this already; it waits for a second person.")
        by = By(user.get_username(), reason)
        audit.record(
            by=by, action=f"{action.name}.asked", operator=operator, subject=subject, after=action.told(inputs), at=clock()
        )
    return "A second person must confirm this. It waits under “Second person”."


def decide(*, request: ActionRequest, confirm: bool, user: User, clock: Clock) -> str:
    """Confirm and do what somebody else asked for, or decline it; return what happened. Raises `Refused`."""
    action = ACTIONS[request.action]
    if request.requested_by_id == user.pk:
        raise Refused("You asked for this yourself. Somebody else must confirm it.")
    if not user.has_perm(action.permission):
        raise Refused("Your roles do not allow this action.")
    by = By(request.requested_by.get_username(), request.reason, confirmed_by=user.get_username())
    state = RequestState.DONE if confirm else RequestState.DECLINED
    with transaction.atomic():
        # Of two that confirm at once, one finds nothing waiting.
        waiting = ActionRequest.objects.filter(pk=request.pk, state=RequestState.WAITING)
        if not waiting.update(state=state, decided_by=user, decided_at=clock()):
            raise Refused("This was decided already.")
        verb = "confirmed" if confirm else "declined"
        audit.record(
            by=By(user.get_username(), request.reason),
            action=f"{action.name}.{verb}",
            operator=request.operator,
            subject=request.subject,
            at=clock(),
        )
    if not confirm:
        return "Declined; nothing was done."
    row = find_row(action=action, key=request.inputs["key"], user=user)
    try:
        outcome = _perform(action, row, request.inputs, by, user=user, clock=clock)
    except Refused as refusal:
        ActionRequest.objects.filter(pk=request.pk).update(state=RequestState.FAILED, outcome=str(refusal))
        raise
    ActionRequest.objects.filter(pk=request.pk).update(outcome=str(outcome))
    return outcome


def make(*, making: Making, inputs: Mapping[str, Any], reason: str, user: User, clock: Clock) -> str:
    """Make something and return what happened. Raises `Refused`."""
    try:
        return making.perform(inputs=inputs, user=user, by=By(user.get_username(), reason), clock=clock)
    except (InvalidSetting, NotAllowed) as error:
        raise Refused(str(error)) from error


def _perform(action: Guided, row: Any, inputs: Mapping[str, Any], by: By, *, user: User, clock: Clock) -> str:
    why = action.refusal(row) if row is not None else "It is not there any more."
    if why is not None:
        raise Refused(why)
    try:
        return action.perform(Doing(row, action.operator(row), inputs, by, clock, action.name, action.subject(row), user))
    except ApiError as error:
        raise Refused(f"{error.message} ({error.code})") from error
    except (InvalidSetting, NotAllowed) as error:
        raise Refused(str(error)) from error
