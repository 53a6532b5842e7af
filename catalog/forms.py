"""What people type of boxes, items and attributes: amounts in whole units, names by locale, read without loss."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from django import forms
from django.forms import BaseFormSet
from unfold.widgets import UnfoldAdminFileFieldWidget

from catalog.catalogue_file import ADDRESS, MAX_NAME, WORD, check_payload
from catalog.contents import Content
from catalog.drafts import MOST_PRIZES
from catalog.models import Attribute, AttributeType, BoxDraft, Item, ItemType, PrizeKind
from catalog.services import PrizeLine, item_line
from lootbox.core.errors import ApiError
from lootbox.core.fields import Problems
from lootbox.core.money import MAX_MINOR, exponent, in_units
from lootbox.core.strict_json import MalformedJSON, compact, loads
from operators.models import Operator

_NUMBER: Final = re.compile("[0-9]{1,16}")


class MinorField(forms.CharField):
    """An amount as people write it, such as 5.00, kept as an integer of the currency's minor unit."""

    def __init__(self, currency: str, **options: Any) -> None:
        """Read amounts of this currency."""
        self.currency, self.digits = currency, exponent(currency)
        super().__init__(**options)
        self.widget.attrs |= {"inputmode": "decimal", "autocomplete": "off"}

    def prepare_value(self, value: Any) -> Any:
        """Return what stands in the form: `5.00` for 500."""
        return f"{in_units(amount_minor=value, currency=self.currency):f}" if isinstance(value, int) else value

    def to_python(self, value: Any) -> Any:
        """Return minor units, None for nothing."""
        text = super().to_python(value)
        if not text:
            return None
        whole, _, fraction = text.partition(".")
        fits = _NUMBER.fullmatch(whole) and re.fullmatch(f"[0-9]{{0,{self.digits}}}", fraction)
        minor = int(whole + fraction.ljust(self.digits, "0")) if fits else MAX_MINOR + 1
        if minor > MAX_MINOR:
            example = f"{in_units(amount_minor=500, currency=self.currency):f}"
            raise forms.ValidationError(f"Type an amount such as {example}, without separators or a currency.")
        return minor


class WeightField(forms.CharField):
    """A weight: a whole number, 0 while nothing is typed."""

    def __init__(self, **options: Any) -> None:
        """Read digits only."""
        super().__init__(**options)
        self.widget.attrs |= {"inputmode": "numeric", "autocomplete": "off"}

    def to_python(self, value: Any) -> Any:
        """Return the number."""
        text = super().to_python(value) or "0"
        if not _NUMBER.fullmatch(text) or int(text) > MAX_MINOR:
            raise forms.ValidationError(f"Type a whole number up to {MAX_MINOR}.")
        return int(text)


def _address(text: str) -> None:
    if text and not ADDRESS.fullmatch(text):
        raise forms.ValidationError("Type an http or https address, a path from the root, or nothing.")


def _printable(text: str) -> None:
    if not text.isprintable():
        raise forms.ValidationError("Control characters can't stand here.")


class LocalizedForm(forms.Form):
    """A form about rows of one operator, with a field for each of its locales where a text is by locale."""

    def __init__(self, *args: Any, operator: Operator, **kwargs: Any) -> None:
        """Ask for what this operator has."""
        self.operator = operator
        # The default locale first: it is the one that is needed.
        self.locales = sorted(operator.locales, key=lambda locale: locale != operator.default_locale)
        super().__init__(*args, **kwargs)

    def add_localized(self, name: str, label: str) -> None:
        """Add the fields of a text by locale."""
        for locale in self.locales:
            shown = f"{label} ({locale})" if len(self.locales) > 1 else label
            self.fields[f"{name}_{locale}"] = forms.CharField(
                label=shown, max_length=MAX_NAME, required=False, validators=[_printable]
            )

    def localized(self, name: str) -> dict[str, str]:
        """Return what was typed, by locale."""
        typed = {locale: self.cleaned_data.get(f"{name}_{locale}", "") for locale in self.locales}
        return {locale: text for locale, text in typed.items() if text}


class BoxForm(LocalizedForm):
    """What a draft holds beside its prizes."""

    seen_at = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *, operator: Operator, attributes: Sequence[Attribute], draft: BoxDraft) -> None:
        """Show the draft as it is."""
        super().__init__(data, operator=operator)
        self.declared = attributes
        self.add_localized("name", "Name")
        self.fields["price"] = MinorField(operator.base_currency, label=f"Price in {operator.base_currency}", required=False)
        self.fields["refundable"] = forms.BooleanField(
            label="Can be refunded", required=False, help_text="While it is bought and not opened."
        )
        for attribute in attributes:
            self.fields[f"attribute_{attribute.name}"] = _attribute_field(attribute, optional=True)
        self.fields["image_url"] = forms.CharField(label="Picture", max_length=2048, required=False, validators=[_address])
        self.fields["image_webp_url"] = forms.CharField(
            label="Picture as WebP", max_length=2048, required=False, validators=[_address]
        )
        self.add_localized("image_alt", "What the picture shows")
        self.initial = {
            "seen_at": draft.edited_at.isoformat(),
            "price": draft.price_minor or None,
            "refundable": draft.refundable,
            "image_url": draft.image_url,
            "image_webp_url": draft.image_webp_url,
            **{f"name_{locale}": text for locale, text in draft.name.items()},
            **{f"image_alt_{locale}": text for locale, text in draft.image_alt.items()},
            **{f"attribute_{name}": _shown_attribute(value) for name, value in draft.attributes.items()},
        }

    def main(self) -> Iterator[forms.BoundField]:
        """Yield the fields that a box needs."""
        names = [*(f"name_{locale}" for locale in self.locales), "price"]
        return (self[name] for name in names)

    def more(self) -> Iterator[forms.BoundField]:
        """Yield the others."""
        shown = {field.name for field in self.main()} | {"seen_at", "refundable"}
        return (self[name] for name in self.fields if name not in shown)

    def content(self, prizes: Sequence[PrizeLine]) -> Content:
        """Return what was typed, with these prizes."""
        values = {row.name: _typed_attribute(row, self.cleaned_data.get(f"attribute_{row.name}")) for row in self.declared}
        return Content(
            name=self.localized("name"),
            price_minor=self.cleaned_data.get("price") or 0,
            prizes=prizes,
            refundable=self.cleaned_data.get("refundable", False),
            image_url=self.cleaned_data.get("image_url", ""),
            image_webp_url=self.cleaned_data.get("image_webp_url", ""),
            image_alt=self.localized("image_alt"),
            attributes={name: value for name, value in values.items() if value is not None},
        )


class PrizeForm(LocalizedForm):
    """One prize of a draft."""

    kind = forms.ChoiceField(choices=PrizeKind.choices)
    item = forms.CharField(required=False, max_length=100)
    weight = WeightField(required=False)
    bonus_code = forms.CharField(required=False, max_length=100, validators=[_printable])
    bonus_payload = forms.CharField(required=False, max_length=10_000)

    def __init__(self, *args: Any, operator: Operator, items: Mapping[str, Item], **kwargs: Any) -> None:
        """Take prizes of this operator; `items` are its own, by sku."""
        super().__init__(*args, operator=operator, **kwargs)
        self.items = items
        self.fields["kind"].widget.attrs |= {"aria-label": "Kind", "data-part": "kind"}
        self.fields["item"].widget.attrs |= {
            "aria-label": "Item", "list": "items", "data-part": "item", "autocomplete": "off", "placeholder": "Item's sku",
        }  # fmt: skip
        self.add_localized("name", "Name")
        for locale in self.locales:
            place = f"Name ({locale})" if len(self.locales) > 1 else "Name"
            self.fields[f"name_{locale}"].widget.attrs |= {"aria-label": place, "placeholder": place, "data-part": "name"}
        self.fields["value"] = MinorField(operator.base_currency, required=False)
        self.fields["value"].widget.attrs |= {"aria-label": "Worth", "data-part": "value"}
        self.fields["weight"].widget.attrs |= {"aria-label": "Weight", "data-part": "weight"}
        self.fields["bonus_code"].widget.attrs |= {"aria-label": "Code", "placeholder": "Code", "data-part": "code"}
        self.fields["bonus_payload"].widget.attrs |= {
            "aria-label": "Payload", "placeholder": 'Payload, such as {"spins": 10}', "data-part": "payload",
        }  # fmt: skip

    def names(self) -> Iterator[forms.BoundField]:
        """Yield the fields of the name."""
        return (self[f"name_{locale}"] for locale in self.locales)

    def clean_item(self) -> Item | None:
        """Return the item of the sku."""
        sku = self.cleaned_data["item"]
        if self.cleaned_data.get("kind") != PrizeKind.ITEM:
            return None
        if sku not in self.items:
            raise forms.ValidationError(f"There is no item {sku}. Choose one from the list." if sku else "Choose an item.")
        return self.items[sku]

    def clean_bonus_payload(self) -> Any:
        """Return the object, None for nothing."""
        text = self.cleaned_data["bonus_payload"]
        if not text or self.cleaned_data.get("kind") != PrizeKind.BONUS:
            return None
        try:
            payload = loads(text.encode())
            problems = Problems()
            check_payload(payload, problems=problems, path="payload")
            problems.raise_any()
        except (MalformedJSON, UnicodeEncodeError, ApiError) as error:
            raise forms.ValidationError("This is not JSON that the platform takes.") from error
        if not isinstance(payload, dict):
            raise forms.ValidationError('Type a JSON object such as {"spins": 10}, or nothing.')
        return payload

    def line(self) -> PrizeLine:
        """Return the prize, of a form that is valid."""
        kind, weight = PrizeKind(self.cleaned_data["kind"]), self.cleaned_data["weight"]
        if kind == PrizeKind.ITEM:
            return item_line(item=self.cleaned_data["item"], weight=weight)
        bonus = kind == PrizeKind.BONUS
        return PrizeLine(
            weight=weight,
            kind=kind,
            name=self.localized("name"),
            value_minor=self.cleaned_data["value"] or 0,
            bonus_code=self.cleaned_data["bonus_code"] if bonus else "",
            bonus_payload=self.cleaned_data["bonus_payload"] if bonus else None,
        )


PrizeForms: type[BaseFormSet[PrizeForm]] = forms.formset_factory(
    PrizeForm, extra=0, max_num=MOST_PRIZES, validate_max=True, absolute_max=MOST_PRIZES + 1
)


def prize_initial(line: PrizeLine) -> dict[str, Any]:
    """Return what stands in a prize's form."""
    return {
        "kind": line.kind,
        "item": line.item.sku if line.item else "",
        "weight": line.weight,
        "value": None if line.item else line.value_minor,
        "bonus_code": line.bonus_code,
        "bonus_payload": "" if line.bonus_payload is None else compact(line.bonus_payload).decode(),
        **({} if line.item else {f"name_{locale}": text for locale, text in line.name.items()}),
    }


def lines_typed(formset: BaseFormSet[PrizeForm]) -> list[PrizeLine]:
    """Return the prizes of forms that are valid, in their order."""
    return [form.line() for form in formset.forms]


class ReasonedForm(LocalizedForm):
    """A form whose change goes into the audit log with a reason."""

    def add_reason(self) -> None:
        """Ask why, at the end."""
        self.fields["reason"] = forms.CharField(
            min_length=5, max_length=1000, widget=forms.Textarea(attrs={"rows": 2}), help_text="Goes into the audit log."
        )

    def entry(self) -> dict[str, Any]:
        """Return what was typed as an entry of a catalogue file."""
        raise NotImplementedError

    def add_problems(self, error: ApiError) -> None:
        """Show what the catalogue refuses, each beside its field; paths are such as `items[0].valueMinor`."""
        for path, problem in (error.fields or {}).items():
            field = FIELDS.get(path.split(".")[1] if "." in path else path)
            self.add_error(f"{field}_{self.locales[0]}" if field == "name" else field, problem)


# Where the catalogue file's fields stand in the forms.
FIELDS: Final = {
    "sku": "sku", "name": "name", "type": "type", "valueMinor": "value", "cashbackMinor": "cashback", "imageUrl": "image_url",
    "default": "default",
}  # fmt: skip


class ItemForm(ReasonedForm):
    """An item."""

    sku = forms.CharField(max_length=100, help_text="Your own id of the item. It can't change later.")

    def __init__(self, data: Any = None, *, operator: Operator, item: Item | None) -> None:
        """Show the item, if there is one."""
        super().__init__(data, operator=operator)
        self.fields["sku"].disabled = item is not None
        self.add_localized("name", "Name")
        self.fields["type"] = forms.ChoiceField(choices=ItemType.choices)
        self.fields["value"] = MinorField(
            operator.base_currency,
            label=f"Worth in {operator.base_currency}",
            help_text="A published box keeps the value and name that it was published with.",
        )
        self.fields["cashback"] = MinorField(
            operator.base_currency,
            label=f"Cashback in {operator.base_currency}",
            required=False,
            help_text="What a player gets for giving it back. Empty: the operator's rate, if any.",
        )
        self.fields["shippable"] = forms.BooleanField(label="Can be shipped", required=False)
        self.fields["image_url"] = forms.CharField(label="Picture", max_length=2048, required=False)
        self.add_reason()
        if item is not None:
            self.initial = {
                "sku": item.sku, "type": item.type, "value": item.value_minor, "cashback": item.cashback_minor,
                "shippable": item.shippable, "image_url": item.image_url,
                **{f"name_{locale}": text for locale, text in item.name.items()},
            }  # fmt: skip

    def entry(self) -> dict[str, Any]:
        """Return the item as the file has it."""
        return {
            "sku": self.cleaned_data["sku"],
            "name": self.localized("name"),
            "type": self.cleaned_data["type"],
            "valueMinor": self.cleaned_data["value"],
            "cashbackMinor": self.cleaned_data["cashback"],
            "shippable": self.cleaned_data["shippable"],
            "imageUrl": self.cleaned_data["image_url"] or None,
        }


class AttributeForm(ReasonedForm):
    """A custom attribute of boxes."""

    name = forms.CharField(max_length=60, help_text="A-Z a-z 0-9 _ and -. It can't change later.")
    type = forms.ChoiceField(choices=AttributeType.choices, help_text="It can't change later.")

    def __init__(self, data: Any = None, *, operator: Operator, attribute: Attribute | None) -> None:
        """Show the attribute, if there is one."""
        super().__init__(data, operator=operator)
        self.fields["default"] = (
            forms.CharField(required=False, help_text="true or false, a number, or a text. Empty: none.")
            if attribute is None
            else _attribute_field(attribute, optional=True)
        )
        self.fields["default"].label = "Of boxes that say nothing"
        self.attribute = attribute
        self.add_reason()
        if attribute is not None:
            self.fields["name"].disabled = self.fields["type"].disabled = True
            default = _shown_attribute(attribute.default)
            self.initial = {"name": attribute.name, "type": attribute.type, "default": default}

    def add_problems(self, error: ApiError) -> None:
        """Show what is refused; here the name is the attribute's own."""
        for path, problem in (error.fields or {}).items():
            self.add_error(path.rpartition(".")[2], problem)

    def entry(self) -> dict[str, Any]:
        """Return the attribute as the file has it."""
        kind, text = self.cleaned_data["type"], self.cleaned_data["default"]
        typed = _typed_attribute(Attribute(type=kind), text)
        return {"name": self.cleaned_data["name"], "type": kind, "default": typed}


def _attribute_field(attribute: Attribute, *, optional: bool) -> forms.Field:
    label = attribute.name
    if attribute.type == AttributeType.BOOLEAN:
        choices = [("", "not said"), ("true", "yes"), ("false", "no")]
        return forms.ChoiceField(label=label, choices=choices, required=not optional)
    return forms.CharField(label=label, max_length=MAX_NAME, required=not optional, validators=_validators(attribute))


def _validators(attribute: Attribute) -> list[Any]:
    def number(text: str) -> None:
        if not isinstance(_typed_attribute(attribute, text), int | float):
            raise forms.ValidationError("Type a number.")

    return [number] if attribute.type == AttributeType.NUMBER else []


def _typed_attribute(attribute: Attribute, text: str | None) -> Any:
    """Return the value that a text stands for, None for nothing; what is none of the type stays a text, and is refused."""
    if not text:
        return None
    if attribute.type == AttributeType.BOOLEAN:
        return {"true": True, "false": False}.get(text, text)
    if attribute.type == AttributeType.NUMBER and re.fullmatch(r"-?[0-9]{1,16}(\.[0-9]{1,9})?", text):
        return float(text) if "." in text else int(text)
    return text


def _shown_attribute(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


class SlugForm(forms.Form):
    """What a new box is to be called in addresses."""

    slug = forms.RegexField(
        rf"^{WORD.pattern}\Z",
        max_length=100,
        help_text="A-Z a-z 0-9 _ and -, such as harbour-crate. It can't change later.",
        error_messages={"invalid": "Use only the characters A-Z a-z 0-9 _ and -."},
    )


class UploadForm(forms.Form):
    """A catalogue file."""

    file = forms.FileField(
        label="Catalogue file",
        help_text="JSON, as the export and import_boxes have it; 2 MiB at most.",
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".json,application/json"}),  # the theme's script expects its own
    )
