"""What people may do about operators and their keys."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final

from django import forms
from django.contrib.auth.models import User

from lootbox.core.fields import print_moment
from operators import configuration, services
from operators.audit import By
from operators.guided import Clock, Doing, Guided, Making, ReasonForm, ShownOnce
from operators.models import ApiKey, Operator
from operators.settings_form import SettingsForm


class KeyForm(ReasonForm):
    """What a new key is for."""

    field_order = ("label", "test", "expires_at", "allowed_ips", "reason")
    label = forms.CharField(required=False, max_length=100, help_text="What it is for, such as the name of a server.")
    test = forms.BooleanField(required=False, label="Mark it as a test key")
    expires_at = forms.DateTimeField(
        required=False, label="Works until (UTC)", widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        help_text="Empty: until it is revoked.",
    )  # fmt: skip
    allowed_ips = forms.CharField(
        required=False,
        label="Allowed addresses",
        help_text="Comma list of addresses or ranges such as 203.0.113.0/24. Empty: any.",
    )

    def clean_allowed_ips(self) -> list[str]:
        """Return the ranges."""
        try:
            return [
                configuration.read_network(text.strip()) for text in self.cleaned_data["allowed_ips"].split(",") if text.strip()
            ]
        except ValueError as error:
            raise forms.ValidationError(f"This can't be the list: {error}") from error


class OverlapForm(ReasonForm):
    """How long two secrets sign."""

    field_order = ("overlap_hours", "reason")
    overlap_hours = forms.IntegerField(
        min_value=0, max_value=720, initial=72, help_text="So long calls carry a signature by the old secret too."
    )


class RateLimitForm(ReasonForm):
    """How much an operator may ask of the platform."""

    field_order = ("rate_limit", "reason")
    rate_limit = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=1_000_000,
        label="Requests a second a key",
        help_text="Empty: the platform's. 0: any.",
    )


class OperatorForm(ReasonForm):
    """A new operator's first settings."""

    field_order = ("slug", "name", "currency", "currencies", "wallet_url", "webhook_url", "reason")
    slug = forms.RegexField(
        r"^[a-z0-9-]{2,40}$", help_text="Its subdomain: 2 to 40 of the characters a-z 0-9 and -. It stays for ever."
    )
    name = forms.CharField(max_length=190, help_text="What people call it.")
    currency = forms.CharField(
        label="Base currency", max_length=3, initial="EUR", help_text="An ISO 4217 code. It stays for ever."
    )
    currencies = forms.CharField(label="Further currencies", required=False, help_text="Comma list of ISO 4217 codes.")
    wallet_url = forms.CharField(label="Wallet URL", required=False, max_length=2048, help_text="Can be set later.")
    webhook_url = forms.CharField(label="Webhook URL", required=False, max_length=2048, help_text="Can be set later.")

    def clean(self) -> dict[str, Any]:
        """Say at each field what can't be its value."""
        cleaned = self.cleaned_data
        readers = {
            "currency": configuration.read_currency,
            "wallet_url": configuration.read_url,
            "webhook_url": configuration.read_url,
        }
        for name, read in readers.items():
            try:
                read(cleaned.get(name, ""))
            except ValueError as error:
                self.add_error(name, f"This can't be the value: {error}")
        cleaned["currencies"] = [code.strip() for code in cleaned.get("currencies", "").split(",") if code.strip()]
        return cleaned


class OnOperators(Guided):
    """The base of what is done to operators, whichever app does it."""

    model, operator_path, related = Operator, "pk", ()
    permission = "operators.change_operator"

    def operator(self, row: Operator) -> Operator:
        """Return the row."""
        return row

    def subject(self, row: Operator) -> str:
        """Return the slug."""
        return row.slug

    def refusal(self, row: Operator) -> str | None:  # noqa: ARG002 - most can be done at any time
        """Return nothing."""
        return None


class ChangeSettings(OnOperators):
    """Change what `set_operator` changes."""

    name, title = "change_settings", "Change settings"

    def new_form(self, row: Operator, user: User, data: Any) -> ReasonForm:  # noqa: ARG002 - the frame's signature
        """Return the form with the settings as they are."""
        return SettingsForm(row, data)

    def preview(self, row: Operator, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say from when it holds."""
        return ["What you change holds from the next request on. What was bought before keeps its price, odds and currency."]

    def perform(self, doing: Doing) -> str:
        """Change them."""
        changes = doing.inputs["changes"]
        services.change_settings(operator=doing.row, changes=changes, at=doing.clock(), by=doing.by)
        return f"Changed: {', '.join(changes)}."


class SetRateLimit(OnOperators):
    """Set how much an operator may ask of the platform."""

    name, title, permission = "set_rate_limit", "Set the rate limit", "operators.suspend_operator"

    def new_form(self, row: Operator, user: User, data: Any) -> ReasonForm:  # noqa: ARG002 - the frame's signature
        """Return the form with the limit as it is."""
        return RateLimitForm(data, initial={"rate_limit": row.rate_limit})

    def preview(self, row: Operator, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say what it does."""
        return ["A key that asks for more is answered 429 with the time to wait. Bursts of five times the limit pass."]

    def perform(self, doing: Doing) -> str:
        """Set it."""
        changes = {"rateLimit": configuration.as_text(doing.inputs["rate_limit"])}
        services.change_settings(operator=doing.row, changes=changes, at=doing.clock(), by=doing.by)
        return "The limit holds from the next request on."


class Suspend(OnOperators):
    """Refuse all of an operator's requests."""

    name, title, permission = "suspend_operator", "Suspend this operator", "operators.suspend_operator"

    def refusal(self, row: Operator) -> str | None:
        """Return that it is suspended."""
        return "It is suspended." if row.suspended else None

    def preview(self, row: Operator, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say what stops and what goes on."""
        return [
            f"All requests of {row} and its players are refused from the next one on.",
            "What is owed is still paid, and what is under way ends. Its people can look, but can't come by single sign-on.",
        ]

    def perform(self, doing: Doing) -> str:
        """Suspend it."""
        services.change_settings(operator=doing.row, changes={}, suspended=True, at=doing.clock(), by=doing.by)
        return f"{doing.row} is suspended."


class Resume(OnOperators):
    """Let an operator work again."""

    name, title, permission = "resume_operator", "Let this operator work again", "operators.suspend_operator"

    def refusal(self, row: Operator) -> str | None:
        """Return that it is live."""
        return None if row.suspended else "It is live."

    def preview(self, row: Operator, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say what starts."""
        return [f"Requests of {row} and its players are taken again from the next one on."]

    def perform(self, doing: Doing) -> str:
        """Let it work."""
        services.change_settings(operator=doing.row, changes={}, suspended=False, at=doing.clock(), by=doing.by)
        return f"{doing.row} is live."


class CreateKey(OnOperators):
    """Make a key."""

    name, title, permission, form = "create_key", "Make a key", "operators.add_apikey", KeyForm

    def preview(self, row: Operator, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say what it lets in."""
        return [
            f"Whoever has the key acts as {row}: it can buy, cash and cancel for any player.",
            "Its secret is shown once, on the next page.",
        ]

    def perform(self, doing: Doing) -> str:
        """Make it."""
        key = services.create_key(operator=doing.row, at=doing.clock(), by=doing.by, **doing.inputs)
        return ShownOnce(f"The key {key.key_id} works from now on.", secrets={"Key id": key.key_id, "Secret": key.secret})


class RotateSecret(OnOperators):
    """Give an operator a new outbound secret; always by two people."""

    name, title, form, always_two = "rotate_secret", "Rotate the outbound secret", OverlapForm, True

    def preview(self, row: Operator, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say what changes, and who sees it."""
        return [
            "Wallet calls and webhooks are signed with the new secret as soon as a second person confirms.",
            "The one who confirms sees it, once. Until the overlap ends, calls carry a signature by the old one too.",
            "The overlap is the time to give the new secret to wallet and receiver. Without one they refuse at once.",
        ]

    def perform(self, doing: Doing) -> str:
        """Rotate it."""
        at, overlap = doing.clock(), dt.timedelta(hours=doing.inputs["overlap_hours"])
        secret = services.rotate_outbound_secret(operator=doing.row, at=at, overlap=overlap, by=doing.by)
        return ShownOnce(f"The old secret signs along until {print_moment(at + overlap)}.", secrets={"Outbound secret": secret})


class RevokeKey(Guided):
    """Revoke a key."""

    name, title, permission, model = "revoke_key", "Revoke this key", "operators.change_apikey", ApiKey
    related = ("operator",)

    def subject(self, row: ApiKey) -> str:
        """Return the public key id."""
        return row.key_id

    def refusal(self, row: ApiKey) -> str | None:
        """Return that it is revoked."""
        return "It is revoked." if row.revoked_at else None

    def preview(self, row: ApiKey, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say what stops."""
        used = f"was last used at {print_moment(row.last_used_at)}" if row.last_used_at else "was never used"
        return [f"No request can use it from the next one on. It {used}. This can't be undone."]

    def perform(self, doing: Doing) -> str:
        """Revoke it."""
        services.revoke_key(key_id=doing.row.key_id, at=doing.clock(), by=doing.by)
        return f"{doing.row.key_id} is revoked."


class MakeOperator(Making):
    """Make an operator with its first key."""

    name, title, permission, lists = "operator", "Make an operator", "operators.add_operator", "operators_operator_changelist"

    def new_form(self, user: User, data: Any) -> ReasonForm:  # noqa: ARG002 - whoever may make one makes any
        """Return the form."""
        return OperatorForm(data)

    def preview(self) -> Sequence[str]:
        """Say what is made."""
        return ["An operator is made with its first key. Key and outbound secret are shown once, on the next page."]

    def perform(self, *, inputs: Mapping[str, Any], user: User, by: By, clock: Clock) -> str:  # noqa: ARG002 - the frame's signature
        """Make it."""
        made = services.create_operator(at=clock(), by=by, **inputs)
        secrets = {"Key id": made.key.key_id, "Secret": made.key.secret, "Outbound secret": made.outbound_secret}
        return ShownOnce(f"{made.operator} is live.", secrets=secrets)


ACTIONS: Final = (
    ChangeSettings(), SetRateLimit(), Suspend(), Resume(), CreateKey(), RotateSecret(), RevokeKey(), MakeOperator(),
)  # fmt: skip
