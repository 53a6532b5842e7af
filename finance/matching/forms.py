"""The forms of the statements' pages."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final
from zoneinfo import available_timezones

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminFileFieldWidget

from finance.matching.files import CSV, DELIMITERS, ENCODINGS, LARGEST_FILE
from finance.matching.formats import BY_COLUMN, BY_TYPE, COLUMNS, DECIMALS, SIGNS, TIMES, UNITS, Format
from finance.services.statements import Sample
from lootbox.core.money import MAX_MINOR, is_currency
from operators.models import Operator

_NONE: Final = ("", "(not in the file)")


class UploadForm(forms.Form):
    """A casino's file and the days that it is of."""

    operator = forms.ModelChoiceField(Operator.objects.none(), empty_label=None)
    file = forms.FileField(
        label="The casino's file",
        help_text=f"CSV or XLSX, up to {LARGEST_FILE // 2**20} MB.",
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,.txt,.tsv,.xlsx"}),  # the theme's script expects its own
        error_messages={"required": f"Choose a file of at most {LARGEST_FILE // 2**20} MB."},
    )
    first_day = forms.DateField(widget=forms.DateInput(attrs={"type": "date"}))
    last_day = forms.DateField(
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="Both days belong to it. Days begin in the operator's time zone.",
    )
    tolerance_minor = forms.IntegerField(
        label="Tolerance",
        min_value=0,
        max_value=MAX_MINOR,
        initial=0,
        help_text="Amounts may differ by so many minor units, such as cents, and still match.",
    )

    def __init__(self, data: Any, files: Any, *, operators: Any, today: dt.date) -> None:
        """Offer these operators, and yesterday."""
        yesterday = today - dt.timedelta(days=1)
        super().__init__(data, files, initial={"first_day": yesterday, "last_day": yesterday, "tolerance_minor": 0})
        field = self.fields["operator"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = operators


class WordsField(forms.CharField):
    """Words that a comma separates."""

    def __init__(self, **kwargs: Any) -> None:
        """Leave it optional."""
        super().__init__(required=False, max_length=1000, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        """Return the words as one text."""
        return ", ".join(value) if isinstance(value, (tuple, list)) else value

    def clean(self, value: Any) -> Any:
        """Return the words."""
        return tuple(word.strip() for word in super().clean(value).split(",") if word.strip())


class ColumnsForm(forms.Form):
    """Which column is what, and how amounts, signs and times are written."""

    encoding = forms.ChoiceField(choices=list(ENCODINGS.items()))
    delimiter = forms.ChoiceField(choices=list(DELIMITERS.items()))
    header_row = forms.IntegerField(min_value=0, max_value=50, help_text="The line of the headings; 0 if there are none.")
    unit = forms.ChoiceField(label="Amounts are in", choices=list(UNITS.items()))
    decimal = forms.ChoiceField(label="Decimals follow a", choices=list(DECIMALS.items()))
    sign = forms.ChoiceField(label="Debit or credit", choices=list(SIGNS.items()))
    debit_words = WordsField(
        label="Types that take from the player", help_text="Separated by commas; only if the type says so."
    )
    credit_words = WordsField(label="Types that give to the player")
    booked_words = WordsField(label="Statuses that count", help_text="Lines of other statuses are left out. Empty: all count.")
    one_currency = forms.CharField(label="Currency, where no column has it", max_length=3, required=False)
    time_format = forms.ChoiceField(label="Times look like", choices=list(TIMES.items()))
    time_zone = forms.ChoiceField(
        label="Times without a zone are of", choices=[(name, name) for name in sorted(available_timezones())]
    )

    def __init__(self, data: Any, *, begins: Sample, form: Format) -> None:
        """Offer the columns of the file, with `form` chosen."""
        super().__init__(data, initial=form.as_json())
        self._kind = begins.layout.kind
        header_row = form.header_row
        if self.is_bound:
            typed = self.data.get("header_row", "")
            header_row = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 4 else header_row
        names = [name for name in begins.names(header_row) if not name.startswith("column ") or header_row == 0]
        for column, label in COLUMNS.items():
            self.fields[column] = forms.ChoiceField(
                label=label, required=False, choices=[_NONE, *((name, name) for name in names)]
            )
        if self._kind != CSV:
            del self.fields["encoding"], self.fields["delimiter"]
        self.order_fields([*COLUMNS])

    def clean(self) -> dict[str, Any]:
        """Say what a mapping lacks."""
        chosen = super().clean() or {}
        self._check_amounts(chosen)
        if not chosen.get("key") and not chosen.get("reference"):
            self.add_error("key", "Choose the column that has our key, or the one that has their transaction id.")
        one = chosen["one_currency"] = chosen.get("one_currency", "").upper()
        if not chosen.get("currency") and not is_currency(one):
            self.add_error("one_currency", "Choose the column that has the currency, or type a currency such as EUR.")
        if chosen.get("sign") == BY_TYPE and not chosen.get("type"):
            self.add_error("type", "Choose the column that has the type, or say otherwise what is a debit.")
        if chosen.get("booked_words") and not chosen.get("status"):
            self.add_error("status", "Choose the column that has the status, or let all lines count.")
        columns = [chosen[column] for column in COLUMNS if chosen.get(column)]
        if len(columns) != len(set(columns)):
            raise ValidationError("A column stands for two things. Choose another one for each.")
        return chosen

    def _check_amounts(self, chosen: Mapping[str, Any]) -> None:
        two = [column for column in ("debit", "credit") if chosen.get(column)]
        if chosen.get("sign") == BY_COLUMN:
            for column in {"debit", "credit"} - set(two):
                self.add_error(column, f"Choose the column that has the {column}s.")
            if chosen.get("amount"):
                self.add_error("amount", "Leave it out, as debits and credits have columns of their own.")
        elif two and not chosen.get("amount"):
            self.add_error("sign", f"Choose “{SIGNS[BY_COLUMN]}”, or the column that has the amount.")
        elif two:
            self.add_error(two[0], "Leave it out, as debits and credits stand in one column of amounts.")
        elif not chosen.get("amount"):
            self.add_error("amount", "Choose the column that has the amount, or one for debits and one for credits.")

    @property
    def form(self) -> Format:
        """Return the mapping that was chosen."""
        return Format.from_json({**self.cleaned_data, "kind": self._kind})
