"""An operator's settings as a form: the same settings, read in the same way, as `set_operator` takes as text."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from django import forms
from django.db.models import BooleanField, IntegerField, JSONField

from operators import configuration
from operators.configuration import SETTINGS, InvalidSetting
from operators.guided import ReasonForm
from operators.models import Operator


class Asked(NamedTuple):
    """How a setting is asked for."""

    name: str
    label: str
    help: str = ""


# Addresses and limits of the platform's are changed by acts of their own.
ELSEWHERE: Final = frozenset({"walletUrl", "webhookUrl", "rateLimit"})
GROUPS: Final[Mapping[str, tuple[Asked, ...]]] = {
    "Who it is": (
        Asked("name", "Name", "What people call it, in the game and here."),
        Asked("timeZone", "Time zone", "Where its days begin in reports, such as Europe/Stockholm."),
    ),
    "Languages and currencies": (
        Asked("locales", "Languages", "Comma list, such as en, sv. It must hold the default one."),
        Asked("defaultLocale", "Default language"),
        Asked("currencies", "Currencies", "Comma list of ISO 4217 codes. It must hold the base currency."),
        Asked("fxToleranceBps", "Exchange rate tolerance", "In hundredths of a percent: 100 is 1 %."),
    ),
    "Purchases": (
        Asked("games", "Games", "mystery_box, or nothing to take no purchases."),
        Asked("maxReels", "Most boxes at once"),
        Asked("refunds", "Unopened boxes can be given back"),
        Asked("heldExpiryDays", "Unopened boxes expire after days", "Empty: never. Who paid gets the money back."),
        Asked("walletRollback", "The wallet knows wallet.rollback", "Debits of unknown fate are then rolled back."),
    ),
    "Won items": (
        Asked("cashback", "Items can be cashed"),
        Asked("cashbackRateBps", "Cashback rate", "In hundredths of a percent of an item's value: 2500 is 25 %. Empty: none."),
        Asked("shipping", "Items can be shipped"),
        Asked("shippingCostMinor", "Shipping cost", "In the minor unit of the base currency: 500 is 5.00 EUR."),
        Asked("itemExpiryDays", "Items expire after days", "Empty: never."),
    ),
    "Safeguards": (
        Asked("houseEdgeMinBps", "Lowest house edge", "In hundredths of a percent. Boxes below are not published."),
        Asked("houseEdgeMaxBps", "Highest house edge", "In hundredths of a percent. Boxes above are not published."),
        Asked("prizeMaxMinor", "Most valuable prize", "In the minor unit of the base currency. Empty: any."),
        Asked("publishByTwo", "Publishing takes two people"),
        Asked("bigWinMinor", "Flag prizes from", "In the minor unit of the base currency. Empty: none."),
        Asked("rtpPause", "Take boxes offline whose payout is out of tolerance"),
    ),
    "Embedding and look": (
        Asked("origins", "Sites that may embed the game", "Comma list, such as https://casino.example. Empty: none."),
        Asked("theme", "Theme", 'An object of texts, such as {"brandColor": "#0a7f5a"}.'),
        Asked("logoUrl", "Logo", "An https URL, or nothing."),
    ),
}


def as_shown(operator: Operator) -> dict[str, list[tuple[str, str]]]:
    """Return an operator's settings for people to read, as label and text under the groups' titles."""
    return {
        title: [(each.label, _in_words(getattr(operator, SETTINGS[each.name].field))) for each in group]
        for title, group in GROUPS.items()
    }


def _in_words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return configuration.as_text(value) or "none"


class SettingsForm(ReasonForm):
    """All settings of one operator. What it comes to is those that the person changed, as text by name."""

    def __init__(self, operator: Operator, data: Any) -> None:
        """Show the settings as they are."""
        super().__init__(data)
        self._operator = operator
        asked = {each.name: _field(each, operator) for group in GROUPS.values() for each in group}
        self.fields = {**asked, "reason": self.fields["reason"]}

    def groups(self) -> Iterator[tuple[str, list[forms.BoundField]]]:
        """Return the fields under the groups' titles."""
        for title, group in GROUPS.items():
            yield title, [self[each.name] for each in group]
        yield "Why", [self["reason"]]

    def clean(self) -> dict[str, Any]:
        """Return the changes; each value that is refused is said at its field."""
        cleaned = self.cleaned_data
        # Against what the page showed, so that what somebody else changed meanwhile stays changed.
        changes = {name: configuration.as_text(cleaned[name]) for name in self.changed_data if name in SETTINGS}
        whole = copy.copy(self._operator)
        for name, text in changes.items():
            try:
                setattr(whole, SETTINGS[name].field, SETTINGS[name].read(text))
            except ValueError as error:
                self.add_error(name, f"This can't be the value: {error}")
        try:
            configuration.check_whole(whole)
        except InvalidSetting as error:
            self.add_error(error.setting or None, str(error))
        if not changes:
            self.add_error(None, "Nothing is changed yet.")
        return cleaned if self.errors else {"changes": changes, "reason": cleaned["reason"]}


def _field(asked: Asked, operator: Operator) -> forms.Field:
    name = SETTINGS[asked.name].field
    kept, value = Operator._meta.get_field(name), getattr(operator, name)  # noqa: SLF001 - documented API
    options: dict[str, Any] = {
        "label": asked.label, "help_text": asked.help, "required": False, "show_hidden_initial": True,
    }  # fmt: skip
    if isinstance(kept, BooleanField):
        return forms.BooleanField(initial=value, **options)
    widget: forms.Widget = forms.TextInput()
    if isinstance(kept, IntegerField):
        widget = forms.NumberInput(attrs={"min": 0})
    elif isinstance(kept, JSONField):
        widget = forms.Textarea(attrs={"rows": 3, "spellcheck": "false"})
    return forms.CharField(initial=configuration.as_text(value), widget=widget, **options)
