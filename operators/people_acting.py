"""What people may do about people: make accounts, say what they may do and for whom, and let them in again."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final

from django import forms
from django.contrib.auth.models import Group, User
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.db.models import QuerySet
from django_otp import user_has_device

from operators import people, staff
from operators.audit import By
from operators.guided import Clock, Doing, Guided, Making, ReasonForm, ShownOnce
from operators.models import Operator

_ONCE: Final = "Whoever opens it first sets the password. It works once, for three days."


class AccountForm(ReasonForm):
    """Who gets an account, for whom, and with which roles."""

    field_order = ("username", "display_name", "email", "operators", "roles", "reason")
    username = forms.CharField(
        max_length=150, validators=[UnicodeUsernameValidator()], help_text="What the person logs in with."
    )
    display_name = forms.CharField(label="Name", max_length=150)
    email = forms.EmailField(max_length=254)
    operators = forms.ModelMultipleChoiceField(Operator.objects.none(), required=False, widget=forms.CheckboxSelectMultiple)
    roles = forms.MultipleChoiceField(required=False, widget=forms.CheckboxSelectMultiple)

    def __init__(self, user: User, data: Any) -> None:
        """Offer what the person may give."""
        super().__init__(data)
        self.fields["operators"].queryset = staff.operators_seen(user)  # type: ignore[attr-defined]
        self.fields["roles"].choices = _grantable(user)  # type: ignore[attr-defined]
        if staff.operator_ids(user) is None:
            self.fields["operators"].help_text = "None for the platform's own people."

    def clean_username(self) -> str:
        """Return a name that is free."""
        username: str = self.cleaned_data["username"]
        if User.objects.filter(username__iexact=username).exists():
            raise forms.ValidationError("There is an account of this name. Choose another.")
        return username


class RolesForm(ReasonForm):
    """What an account may do."""

    field_order = ("roles", "reason")
    roles = forms.MultipleChoiceField(required=False, widget=forms.CheckboxSelectMultiple)


class OperatorChoice(ReasonForm):
    """One operator."""

    field_order = ("operator", "reason")
    operator = forms.ModelChoiceField(Operator.objects.none(), empty_label=None)


class _OnPeople(Guided):
    model, permission = User, "auth.change_user"

    def fits(self, row: Any, user: User) -> bool:
        """Return whether it is somebody else's account."""
        return isinstance(row, User) and row.pk != user.pk

    def rows(self, user: User) -> QuerySet[User]:
        """Return the accounts that the person looks after."""
        return staff.accounts_under(user)

    def operator(self, row: User) -> Operator | None:
        """Return the first operator that the account works for."""
        membership = row.memberships.select_related("operator").first()
        return membership.operator if membership else None

    def subject(self, row: User) -> str:
        """Return the name that the person logs in with."""
        return row.get_username()

    def refusal(self, row: User) -> str | None:  # noqa: ARG002 - most can be done at any time
        """Return nothing."""
        return None


class ChangeRoles(_OnPeople):
    """Say what an account may do."""

    name, title, permission = "change_roles", "Change roles", "operators.grant_roles"

    def new_form(self, row: User, user: User, data: Any) -> ReasonForm:
        """Return the form with the roles as they are."""
        form = RolesForm(data, initial={"roles": list(row.groups.values_list("name", flat=True))})
        form.fields["roles"].choices = _grantable(user)  # type: ignore[attr-defined]
        return form

    def preview(self, row: User, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say what a role does."""
        return ["The account may do what its roles allow, from its next click on, for the operators that it works for."]

    def perform(self, doing: Doing) -> str:
        """Grant exactly these."""
        roles = Group.objects.filter(name__in=doing.inputs["roles"])
        staff.grant_roles(user=doing.row, roles=roles, giver=doing.user, reason=doing.by.reason, at=doing.clock())
        return f"{doing.subject} is now: {', '.join(doing.inputs['roles']) or 'without a role'}."


class Join(_OnPeople):
    """Let an account work for one more operator."""

    name, title, permission = "join_operator", "Add to an operator", "operators.add_membership"

    def new_form(self, row: User, user: User, data: Any) -> ReasonForm:
        """Offer the operators that the account does not work for yet."""
        form = OperatorChoice(data)
        form.fields["operator"].queryset = staff.operators_seen(user).exclude(members__user=row)  # type: ignore[attr-defined]
        return form

    def preview(self, row: User, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say what it sees then."""
        return [f"{row} sees the operator's rows from the next click on, and may do there what its roles allow."]

    def perform(self, doing: Doing) -> str:
        """Add it."""
        operator: Operator = doing.inputs["operator"]
        people.join(user=doing.row, operator=operator, giver=doing.user, by=doing.by, at=doing.clock())
        return f"{doing.subject} works for {operator} now."


class Leave(_OnPeople):
    """Let an account work for an operator no longer."""

    name, title, permission = "leave_operator", "Remove from an operator", "operators.delete_membership"

    def new_form(self, row: User, user: User, data: Any) -> ReasonForm:
        """Offer the operators that the account works for."""
        form = OperatorChoice(data)
        form.fields["operator"].queryset = staff.operators_seen(user).filter(members__user=row)  # type: ignore[attr-defined]
        return form

    def refusal(self, row: User) -> str | None:
        """Return that there is none."""
        return None if row.memberships.exists() else "The account works for no operator."

    def preview(self, row: User, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say what it sees then."""
        return [f"{row} sees nothing of the operator from the next click on. The account and what it did stay on record."]

    def perform(self, doing: Doing) -> str:
        """Remove it."""
        operator: Operator = doing.inputs["operator"]
        people.leave(user=doing.row, operator=operator, giver=doing.user, by=doing.by, at=doing.clock())
        return f"{doing.subject} does not work for {operator} any more."


class SwitchOff(_OnPeople):
    """Switch an account off."""

    name, title = "switch_off", "Switch this account off"

    def refusal(self, row: User) -> str | None:
        """Return that it is off."""
        return None if row.is_active else "It is off."

    def preview(self, row: User, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say what ends."""
        return [f"{row} is logged out at once and can't come in, by a password or by single sign-on, until it is switched on."]

    def perform(self, doing: Doing) -> str:
        """Switch it off."""
        people.switch(user=doing.row, on=False, giver=doing.user, by=doing.by, at=doing.clock())
        return f"{doing.subject} is off."


class SwitchOn(_OnPeople):
    """Switch an account on."""

    name, title = "switch_on", "Switch this account on"

    def refusal(self, row: User) -> str | None:
        """Return that it is on."""
        return "It is on." if row.is_active else None

    def preview(self, row: User, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say what begins."""
        return [f"{row} can come in again, with the roles that it had."]

    def perform(self, doing: Doing) -> str:
        """Switch it on."""
        people.switch(user=doing.row, on=True, giver=doing.user, by=doing.by, at=doing.clock())
        return f"{doing.subject} is on."


class NewPassword(_OnPeople):
    """Let a person set a new password."""

    name, title = "password_link", "Make a link to set the password"

    def refusal(self, row: User) -> str | None:
        """Return that there is no password."""
        return "This account comes in by single sign-on and has no password." if people.by_ticket(row) else None

    def preview(self, row: User, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say what the link does."""
        return [f"A link is shown on the next page, once: give it to {row} and to nobody else.", _ONCE]

    def perform(self, doing: Doing) -> str:
        """Make the link."""
        link = people.password_link(user=doing.row, giver=doing.user, by=doing.by, at=doing.clock())
        return ShownOnce(f"A link for {doing.subject}. {_ONCE}", secrets={"Link": link})


class ResetSecondFactor(_OnPeople):
    """Forget a second factor."""

    name, title = "reset_second_factor", "Reset the second factor"

    def refusal(self, row: User) -> str | None:
        """Return that there is none."""
        return None if user_has_device(row) else "No second factor is set up."

    def preview(self, row: User, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say what follows."""
        return [f"{row} sets up a new authenticator app at the next log-in. Be sure of who asks for this."]

    def perform(self, doing: Doing) -> str:
        """Forget it."""
        people.reset_second_factor(user=doing.row, giver=doing.user, by=doing.by, at=doing.clock())
        return f"The second factor of {doing.subject} is forgotten."


class MakeAccount(Making):
    """Make an account."""

    name, title, permission, lists = "account", "Make an account", "auth.add_user", "auth_user_changelist"

    def new_form(self, user: User, data: Any) -> ReasonForm:
        """Return the form."""
        return AccountForm(user, data)

    def preview(self) -> Sequence[str]:
        """Say how its person comes in."""
        return ["The account has no password. A link to set one is shown on the next page, once.", _ONCE]

    def perform(self, *, inputs: Mapping[str, Any], user: User, by: By, clock: Clock) -> str:
        """Make it, and the link to its password."""
        made = people.make_account(**inputs, giver=user, by=by, at=clock())
        link = people.password_link(user=made, giver=user, by=by, at=clock())
        return ShownOnce(f"The account {made} is made. Give its person this link.", secrets={"Link": link})


def _grantable(user: User) -> list[tuple[str, str]]:
    roles = staff.ROLES if staff.operator_ids(user) is None else staff.GRANTABLE
    return [(role, role) for role in roles]


ACTIONS: Final = (
    ChangeRoles(), Join(), Leave(), SwitchOff(), SwitchOn(), NewPassword(), ResetSecondFactor(), MakeAccount(),
)  # fmt: skip
