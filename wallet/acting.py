"""What people may do about an operator's wallet: ask it something harmless, and change where it is."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final

from django import forms
from django.contrib.auth.models import User

from lootbox.core.wording import money
from operators import configuration
from operators import services as operators
from operators.acting import OnOperators
from operators.guided import Doing, ReasonForm, Refused
from operators.models import Operator
from wallet import client, services
from wallet.client import BalanceUnavailable


class PlayerForm(ReasonForm):
    """Whose balance is asked for."""

    field_order = ("player", "reason")
    player = forms.CharField(
        max_length=190, label="A player's id", help_text="One that the operator's wallet knows. No money moves."
    )


class WalletUrlForm(ReasonForm):
    """Where a wallet is, and a player to try it with."""

    field_order = ("url", "player", "reason")
    url = forms.CharField(label="Wallet URL", required=False, max_length=2048, help_text="Empty: nothing can be bought.")
    player = forms.CharField(
        required=False, max_length=190, label="A player's id",
        help_text="The new wallet is asked for this player's balance first, signed; without a good answer nothing changes.",
    )  # fmt: skip

    def clean_url(self) -> str:
        """Return a URL that the platform may call."""
        url: str = self.cleaned_data["url"]
        try:
            return configuration.read_url(url)
        except ValueError as error:
            raise forms.ValidationError(f"This can't be the URL: {error}") from error

    def clean(self) -> dict[str, Any]:
        """Want a player where there is a wallet to try."""
        if self.cleaned_data.get("url") and not self.cleaned_data.get("player"):
            self.add_error("player", "Say a player that the new wallet knows.")
        return self.cleaned_data


class TestWallet(OnOperators):
    """Ask a wallet for a balance."""

    name, title, permission, form = "test_wallet", "Test the wallet", "operators.ask_wallet", PlayerForm

    def refusal(self, row: Operator) -> str | None:
        """Return that there is none."""
        return None if row.wallet_url else "The operator has no wallet URL. Give it one first."

    def preview(self, row: Operator, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say what is asked."""
        return [f"The wallet is sent a signed wallet.balance in {row.base_currency}. No money moves."]

    def perform(self, doing: Doing) -> str:
        """Ask, and write down that somebody did."""
        shown = _ask(doing.row, doing.row.wallet_url, doing)
        operators.note(operator=doing.row, action="wallet.tested", by=doing.by, at=doing.clock())
        return f"The wallet answered: {doing.inputs['player']} has {shown}."


class ChangeWalletUrl(OnOperators):
    """Change where a wallet is; always by two people, and only to one that answers."""

    name, title, form, always_two = "change_wallet_url", "Change the wallet URL", WalletUrlForm, True

    def new_form(self, row: Operator, user: User, data: Any) -> ReasonForm:  # noqa: ARG002 - the frame's signature
        """Return the form with the URL as it is."""
        return WalletUrlForm(data, initial={"url": row.wallet_url})

    def told(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the inputs without what may be secret in a URL."""
        return {**inputs, "url": configuration.for_the_log(inputs["url"])}

    def preview(self, row: Operator, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say what changes."""
        return [
            f"Every debit and credit goes to {row.wallet_url or 'nowhere'} now, and to the new URL once this is confirmed.",
            "The new wallet is first asked for a balance, signed. Without a good answer nothing changes.",
            "Calls of unknown fate are asked about at the new URL too, so it must know what the old one did.",
        ]

    def perform(self, doing: Doing) -> str:
        """Try the new wallet, then change to it."""
        url = doing.inputs["url"]
        answered = f" It answered: {doing.inputs['player']} has {_ask(doing.row, url, doing)}." if url else ""
        operators.change_settings(operator=doing.row, changes={"walletUrl": url}, at=doing.clock(), by=doing.by)
        return f"The wallet is at {configuration.for_the_log(url)} now.{answered}" if url else "There is no wallet now."


def _ask(operator: Operator, url: str, doing: Doing) -> str:
    at = doing.clock()
    known = services.endpoint(operator=operator, at=at)
    try:
        minor = client.balance(
            endpoint=client.WalletEndpoint(url, known.secret, known.previous_secret),
            player_external_id=doing.inputs["player"],
            currency=operator.base_currency,
            at=at,
        )
    except BalanceUnavailable as error:
        raise Refused(f"The wallet gave no usable answer: {error} Nothing was changed.") from error
    return money(minor, operator.base_currency)


ACTIONS: Final = (TestWallet(), ChangeWalletUrl())
