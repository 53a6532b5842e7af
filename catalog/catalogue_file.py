"""The catalogue as code: reading the file of `import_boxes` strictly, every mistake with its place in the file."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from catalog.models import AttributeType, ItemType, PrizeKind
from lootbox.core.fields import Problems, Reader
from lootbox.core.money import MAX_MINOR

ITEM_FIELDS: Final = ("sku", "name", "type", "valueMinor", "cashbackMinor", "shippable", "imageUrl")
BOX_FIELDS: Final = ("slug", "name", "priceMinor", "active", "refundable", "image", "attributes", "prizes")
MAX_NAME: Final = 200
MAX_PAYLOAD_TEXT: Final = 10_000
WORD: Final = re.compile(r"[A-Za-z0-9_-]+")
ADDRESS: Final = re.compile(r"(https?://|/)\S+")


@dataclass(frozen=True, kw_only=True)
class Row:
    """An item, attribute or box of the file: the model's fields that the file gives, the others stay as they are."""

    key: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class PrizeRow:
    """A prize of the file. An item is named by its sku and has its name and value from the item."""

    weight: int
    kind: PrizeKind
    sku: str = ""
    name: Mapping[str, str]
    value_minor: int
    bonus_code: str = ""
    bonus_payload: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class BoxRow(Row):
    """A box of the file; `path` is its place."""

    path: str
    price_minor: int
    prizes: tuple[PrizeRow, ...]


@dataclass(frozen=True, kw_only=True)
class CatalogueFile:
    """All that a file says, in its order."""

    attributes: tuple[Row, ...]
    items: tuple[Row, ...]
    boxes: tuple[BoxRow, ...]


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a file is read against: the operator's locales, and what its catalogue holds already."""

    default_locale: str
    locales: Collection[str]
    attribute_types: Mapping[str, str]
    skus: Collection[str]


def read(document: Any, *, surroundings: Surroundings, problems: Problems) -> CatalogueFile:
    """Return what the file says; each mistake is noted in `problems` under its place, such as `boxes[0].prizes[2].weight`."""
    return _FileReader(surroundings, problems).read(document)


class _Entry(Reader):
    """One object of the file. A field that nobody knows is a mistake: it would be a misspelt one."""

    def __init__(self, value: Any, *known: str, problems: Problems, path: str) -> None:
        self.data: dict[str, Any] = value if isinstance(value, dict) else {}
        self.place = path
        if not isinstance(value, dict):
            problems.add(path or "the file", "Write an object.")
            problems = Problems()  # what it lacks needs no words of its own
        super().__init__(self.data, problems=problems, path=f"{path}." if path else "")
        for name in self.data:
            if name not in known:
                self.wrong(
                    name if name.isprintable() else ascii(name), f"There is no such field; there are: {', '.join(known)}."
                )

    def child(self, name: str, *known: str) -> "_Entry":
        """Return the entry for a required object."""
        return _Entry(self.data.get(name), *known, problems=self.problems, path=self.at(name))

    def children(self, name: str, *known: str) -> Iterator["_Entry"]:
        """Yield an entry for each object of a list that may be left out."""
        value = self.data.get(name, [])
        if not isinstance(value, list):
            self.wrong(name, "Write a list of objects.")
            return
        for index, element in enumerate(value):
            yield _Entry(element, *known, problems=self.problems, path=f"{self.at(name)}[{index}]")

    def at(self, name: str) -> str:
        """Return where a field stands in the file."""
        return f"{self.place}.{name}" if self.place else name

    def key(self, name: str, *, seen: dict[str, str], maximum: int = 100) -> str:
        """Return a required text that stands once in the file."""
        text = self.text(name, maximum=maximum)
        if text in seen:
            self.wrong(name, f"{text} stands twice in the file, first at {seen[text]}.")
        elif text:
            seen[text] = self.place
        return text

    def word(self, name: str, *, seen: dict[str, str], maximum: int = 100) -> str:
        """Return a key that can stand in a query string, between commas."""
        text = self.key(name, seen=seen, maximum=maximum)
        if text and not WORD.fullmatch(text):
            self.wrong(name, "Use only the characters A-Z a-z 0-9 _ and -.")
        return text

    def address(self, name: str) -> str:
        """Return where a picture is, nothing for none."""
        if self.data.get(name) is None:
            return ""
        text = self.text(name, maximum=2048)
        if text and not ADDRESS.fullmatch(text):
            self.wrong(name, "Write an http or https address, a path from the root, or null.")
        return text


class _FileReader:
    """Reads one file against its surroundings, from the attributes and items that the boxes then name."""

    def __init__(self, surroundings: Surroundings, problems: Problems) -> None:
        self._surroundings = surroundings
        self._problems = problems
        self._attribute_types = dict(surroundings.attribute_types)
        self._skus = set(surroundings.skus)

    def read(self, document: Any) -> CatalogueFile:
        file = _Entry(document, "attributes", "items", "boxes", problems=self._problems, path="")
        names: dict[str, str] = {}
        attributes = [self._attribute(entry, names) for entry in file.children("attributes", "name", "type", "default")]
        skus: dict[str, str] = {}
        items = [self._item(entry, skus) for entry in file.children("items", *ITEM_FIELDS)]
        slugs: dict[str, str] = {}
        boxes = [self._box(entry, slugs) for entry in file.children("boxes", *BOX_FIELDS)]
        return CatalogueFile(attributes=tuple(attributes), items=tuple(items), boxes=tuple(boxes))

    def _attribute(self, entry: _Entry, seen: dict[str, str]) -> Row:
        name = entry.word("name", seen=seen, maximum=60)
        kind = entry.choice("type", options=AttributeType.values)
        declared = self._attribute_types.setdefault(name, kind)
        if declared != kind:
            entry.wrong("type", f"The attribute {name} is declared as {declared} already. Use another name.")
        default = None if entry.data.get("default") is None else _attribute_value(entry, "default", kind)
        return Row(key=name, fields={"type": kind, "default": default})

    def _item(self, entry: _Entry, seen: dict[str, str]) -> Row:
        sku = entry.key("sku", seen=seen)
        self._skus.add(sku)
        fields: dict[str, Any] = {
            "name": self._localized(entry, "name"),
            "type": entry.choice("type", options=ItemType.values),
            "value_minor": entry.integer("valueMinor"),
            "cashback_minor": None if entry.data.get("cashbackMinor") is None else entry.integer("cashbackMinor"),
            "shippable": entry.boolean("shippable"),
        }
        if entry.has("imageUrl"):
            fields["image_url"] = entry.address("imageUrl")
        return Row(key=sku, fields=fields)

    def _box(self, entry: _Entry, seen: dict[str, str]) -> BoxRow:
        slug = entry.word("slug", seen=seen)
        fields: dict[str, Any] = {"name": self._localized(entry, "name")}
        fields |= {name: entry.boolean(name) for name in ("active", "refundable") if entry.has(name)}
        if entry.has("image"):
            fields |= self._image(entry)
        if entry.has("attributes"):
            fields["attributes"] = self._box_attributes(entry)
        price_minor = entry.integer("priceMinor", minimum=1)
        prizes = tuple(self._prize(prize) for prize in entry.children("prizes", "weight", "item", "cash", "bonus"))
        if not prizes:
            entry.wrong("prizes", "A box needs at least one prize.")
        return BoxRow(key=slug, fields=fields, path=entry.place, price_minor=price_minor, prizes=prizes)

    def _image(self, entry: _Entry) -> dict[str, Any]:
        if entry.data["image"] is None:
            return {"image_url": "", "image_webp_url": "", "image_alt": {}}
        image = entry.child("image", "alt", "webp", "default")
        if image.data.get("default") is None:
            image.wrong("default", "This field is required.")
        return {
            "image_url": image.address("default"),
            "image_webp_url": image.address("webp"),
            "image_alt": {} if image.data.get("alt") is None else self._localized(image, "alt"),
        }

    def _box_attributes(self, entry: _Entry) -> dict[str, Any]:
        values = entry.child("attributes", *self._attribute_types)
        return {
            name: _attribute_value(values, name, self._attribute_types[name])
            for name in values.data
            if name in self._attribute_types
        }

    def _prize(self, entry: _Entry) -> PrizeRow:
        weight = entry.integer("weight", minimum=1)
        kinds = [kind for kind in PrizeKind if entry.has(kind.value)]
        if len(kinds) != 1:
            self._problems.add(entry.place, "Write exactly one of: item, cash, bonus.")
            return PrizeRow(weight=weight, kind=PrizeKind.CASH, name={}, value_minor=0)
        if kinds == [PrizeKind.ITEM]:
            sku = entry.text("item", maximum=100)
            if sku and sku not in self._skus:
                entry.wrong("item", f"There is no item with the sku {sku}.")
            return PrizeRow(weight=weight, kind=PrizeKind.ITEM, sku=sku, name={}, value_minor=0)
        if kinds == [PrizeKind.CASH]:
            cash = entry.child("cash", "name", "valueMinor")
            name, value_minor = self._localized(cash, "name"), cash.integer("valueMinor")
            return PrizeRow(weight=weight, kind=PrizeKind.CASH, name=name, value_minor=value_minor)
        bonus = entry.child("bonus", "code", "name", "valueMinor", "payload")
        return PrizeRow(
            weight=weight,
            kind=PrizeKind.BONUS,
            name=self._localized(bonus, "name"),
            value_minor=bonus.integer("valueMinor"),
            bonus_code=bonus.text("code", maximum=100),
            bonus_payload=_payload(bonus),
        )

    def _localized(self, entry: _Entry, name: str) -> dict[str, str]:
        """Return texts by locale; a plain text is one in the default locale."""
        default, locales = self._surroundings.default_locale, self._surroundings.locales
        if not isinstance(entry.data.get(name), dict):
            return {default: entry.text(name, maximum=MAX_NAME)}
        texts = Reader(entry.data[name], problems=self._problems, path=f"{entry.at(name)}.")
        if not texts.has(default):
            entry.wrong(name, f"There is no text for the default locale {default}.")
        for locale in entry.data[name]:
            if locale not in locales:
                entry.wrong(name, f"{locale!a} is not one of the operator's locales: {', '.join(locales)}.")
        return {locale: texts.text(locale, maximum=MAX_NAME) for locale in entry.data[name] if locale in locales}


def _attribute_value(entry: _Entry, name: str, kind: str) -> Any:
    if kind == AttributeType.BOOLEAN:
        return entry.boolean(name)
    if kind == AttributeType.TEXT:
        return entry.text(name, minimum=0, maximum=MAX_NAME)
    value = entry.data[name]
    if not _is_number(value):
        entry.wrong(name, f"Write a number from -{MAX_MINOR} to {MAX_MINOR}.")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -MAX_MINOR <= value <= MAX_MINOR


def _payload(bonus: _Entry) -> dict[str, Any] | None:
    payload = bonus.data.get("payload")
    if payload is None:
        return None
    if not isinstance(payload, dict):
        bonus.wrong("payload", "Write an object.")
        return None
    check_payload(payload, problems=bonus.problems, path=bonus.at("payload"))
    return payload


def check_payload(value: Any, *, problems: Problems, path: str) -> None:
    """Note texts that the API would refuse and numbers that a program in another language could misread."""
    if isinstance(value, dict):
        for key, child in value.items():
            check_payload(key, problems=problems, path=path)
            check_payload(child, problems=problems, path=f"{path}.{key}" if key.isprintable() else path)
    elif isinstance(value, list):
        for index, child in enumerate(value):
            check_payload(child, problems=problems, path=f"{path}[{index}]")
    elif isinstance(value, str):
        Reader({path: value}, problems=problems).text(path, minimum=0, maximum=MAX_PAYLOAD_TEXT)
    elif not _is_number(value) and value is not None and not isinstance(value, bool):
        problems.add(path, f"Write a number from -{MAX_MINOR} to {MAX_MINOR}.")
