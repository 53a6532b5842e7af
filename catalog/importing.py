"""`import_boxes`: a catalogue file brought into the catalogue, all of it or nothing, and publishing only what changed."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db.models import Model, Prefetch

from catalog import services
from catalog.catalogue_file import BoxRow, CatalogueFile, PrizeRow, Row, Surroundings, read
from catalog.models import Attribute, Box, BoxVersion, Item
from catalog.services import PrizeLine
from lootbox.core import db
from lootbox.core.fields import Problems
from operators.models import Operator

Kept = TypeVar("Kept", Attribute, Box, Item)


@dataclass(frozen=True)
class ImportedItem:
    """An item of the file."""

    sku: str
    item_id: int


@dataclass(frozen=True)
class ImportedBox:
    """A box of the file with its current version, which is new when `published`."""

    slug: str
    box_id: int
    box_version_id: int
    version_number: int
    published: bool


@dataclass(frozen=True)
class ImportResult:
    """What a file became, in its order."""

    items: tuple[ImportedItem, ...]
    boxes: tuple[ImportedBox, ...]


def import_boxes(*, operator: Operator, document: Any, at: dt.datetime) -> ImportResult:
    """Return what the file's items and boxes became: made, changed or left alone, and published where a version would differ.

    `document` is the file's JSON value. What is not in the file stays as it is; so does a box outside it with an item that the
    file changes, which keeps the name and value that it was published with. The same file again writes nothing. Raises
    `VALIDATION_FAILED` with every mistake by its place in the file; then nothing is imported.
    """
    with db.phase():
        return _Import(services.lock_catalogue(operator_id=operator.pk), at).run(document)


class _Import:
    """One import, inside its transaction and under the catalogue's lock."""

    def __init__(self, operator: Operator, at: dt.datetime) -> None:
        self._operator = operator
        self._at = at
        self._problems = Problems()
        self._attributes = {row.name: row for row in Attribute.objects.filter(operator=operator)}
        self._items = {row.sku: row for row in Item.objects.filter(operator=operator)}

    def run(self, document: Any) -> ImportResult:
        surroundings = Surroundings(
            default_locale=self._operator.default_locale,
            locales=self._operator.locales,
            attribute_types={name: row.type for name, row in self._attributes.items()},
            skus=self._items.keys(),
        )
        file = read(document, surroundings=surroundings, problems=self._problems)
        self._problems.raise_any()
        boxes = self._save(file)
        for row in file.boxes:
            self._check(row)
        self._problems.raise_any()
        return ImportResult(
            items=tuple(ImportedItem(sku=row.key, item_id=self._items[row.key].pk) for row in file.items),
            boxes=tuple(self._publish(boxes[row.key], row) for row in file.boxes),
        )

    def _save(self, file: CatalogueFile) -> Mapping[str, Box]:
        current = Prefetch(
            "versions", BoxVersion.objects.filter(superseded_at=None).prefetch_related("prizes"), to_attr="current"
        )
        found = Box.objects.filter(operator=self._operator, slug__in=[row.key for row in file.boxes])
        boxes: dict[str, Box] = {
            box.slug: box for box in found.select_for_update(no_key=True, of=("self",)).order_by("pk").prefetch_related(current)
        }
        self._save_rows(Attribute, "name", self._attributes, file.attributes)
        self._save_rows(Item, "sku", self._items, file.items, currency=self._operator.base_currency)
        self._save_rows(Box, "slug", boxes, [_with_kept_attributes(row, boxes.get(row.key)) for row in file.boxes])
        return boxes

    def _save_rows(self, model: type[Kept], key: str, kept: dict[str, Kept], rows: Sequence[Row], **only_when_new: Any) -> None:
        made = []
        for row in rows:
            if row.key in kept:
                _change(kept[row.key], row.fields)
            else:
                kept[row.key] = model(operator=self._operator, **{key: row.key}, **row.fields, **only_when_new)
                made.append(kept[row.key])
        model.objects.bulk_create(made)

    def _check(self, row: BoxRow) -> None:
        found = services.problems(operator=self._operator, price_minor=row.price_minor, prizes=self._lines(row))
        for path, problem in found.items():
            self._problems.add(f"{row.path}.{path}", problem)

    def _publish(self, box: Box, row: BoxRow) -> ImportedBox:
        lines = self._lines(row)
        version = next(iter(getattr(box, "current", ())), None)
        changed = version is None or not self._is_published(version, box, row.price_minor, lines)
        if changed:
            version = services.publish(box=box, price_minor=row.price_minor, prizes=lines, at=self._at)
        assert version is not None
        return ImportedBox(
            slug=box.slug, box_id=box.pk, box_version_id=version.pk, version_number=version.number, published=changed
        )

    def _is_published(self, version: BoxVersion, box: Box, price_minor: int, lines: Sequence[PrizeLine]) -> bool:
        """Return whether publishing would make the same version again, but for its number."""
        snapshot = services.snapshot_of(
            operator=self._operator, box=box, number=version.number, price_minor=price_minor, prizes=lines
        )
        # The snapshot holds neither translations nor what a bonus entitles to.
        return snapshot == bytes(version.snapshot) and all(
            getattr(prize, name) == value
            for prize, line in zip(version.prizes.all(), lines, strict=True)
            for name, value in services.published_fields(line).items()
        )

    def _lines(self, row: BoxRow) -> list[PrizeLine]:
        return [self._line(prize) for prize in row.prizes]

    def _line(self, prize: PrizeRow) -> PrizeLine:
        if prize.sku:
            return services.item_line(item=self._items[prize.sku], weight=prize.weight)
        return PrizeLine(
            weight=prize.weight,
            kind=prize.kind,
            name=prize.name,
            value_minor=prize.value_minor,
            bonus_code=prize.bonus_code,
            bonus_payload=prize.bonus_payload,
        )


def _with_kept_attributes(row: BoxRow, box: Box | None) -> Row:
    if box is None or "attributes" not in row.fields:
        return row
    return Row(key=row.key, fields={**row.fields, "attributes": {**box.attributes, **row.fields["attributes"]}})


def _change(row: Model, fields: Mapping[str, Any]) -> None:
    changed = [name for name, value in fields.items() if getattr(row, name) != value]
    if changed:
        for name in changed:
            setattr(row, name, fields[name])
        row.save(update_fields=changed)
