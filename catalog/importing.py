"""`import_boxes`: a catalogue file brought into the catalogue, all of it or nothing, and publishing only what changed."""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Model, Prefetch

from catalog import services
from catalog.catalogue_file import BoxRow, CatalogueFile, PrizeRow, Row, Surroundings, read
from catalog.comparing import Change, Difference, compare
from catalog.contents import published_table
from catalog.exporting import export_boxes
from catalog.figures import Table
from catalog.models import Attribute, Box, BoxVersion, CatalogueUpload, Item
from catalog.services import PrizeLine
from lootbox.core import db, strict_json
from lootbox.core.errors import invalid
from lootbox.core.fields import Problems
from operators import audit
from operators.audit import By
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


def save_entry(*, operator: Operator, kind: str, entry: Mapping[str, Any], by: By, at: dt.datetime) -> Item | Attribute:
    """Return the item or attribute that one entry of a file's `items` or `attributes` became; `kind` names the list.

    Raises `VALIDATION_FAILED` as the import of a file does.
    """
    key = {"items": "sku", "attributes": "name"}[kind]
    with db.phase():
        operator = services.lock_catalogue(operator_id=operator.pk)
        before = _entry_of(export_boxes(operator=operator), kind, key, entry[key])
        _Import(operator, at).run({kind: [entry]})
        audit.record(
            by=by,
            action=f"save_{kind.removesuffix('s')}",
            operator=operator,
            subject=entry[key],
            before=before,
            after=_entry_of(export_boxes(operator=operator), kind, key, entry[key]),
            at=at,
        )
        if kind == "items":
            return Item.objects.get(operator=operator, sku=entry[key])
        return Attribute.objects.get(operator=operator, name=entry[key])


def upload(*, operator: Operator, file_name: str, raw: bytes, by: By, at: dt.datetime) -> CatalogueUpload:
    """Return a file as it was uploaded, not imported yet. Raises `MalformedJSON`."""
    strict_json.loads(raw)
    with db.phase():
        made = CatalogueUpload.objects.create(
            operator=operator,
            file_name=file_name[:150],
            content=raw.decode(),
            sha256=hashlib.sha256(raw).hexdigest(),
            uploaded_by=by.actor,
            uploaded_at=at,
        )
        audit.record(
            by=by, action="upload_boxes", operator=operator, subject=made.file_name, after={"sha256": made.sha256}, at=at
        )
        return made


def import_upload(*, upload: CatalogueUpload, by: By, at: dt.datetime) -> ImportResult:
    """Import a file that was uploaded, once. Raises as `import_boxes` does, and for one imported before."""
    with db.phase():
        operator = services.lock_catalogue(operator_id=upload.operator_id)
        if not CatalogueUpload.objects.filter(pk=upload.pk, imported_at=None).update(imported_at=at):
            raise invalid("file", "It was imported already.")
        result = _Import(operator, at).run(strict_json.loads(upload.content.encode()))
        audit.record(
            by=by,
            action="import_boxes",
            operator=operator,
            subject=upload.file_name,
            after={
                "sha256": upload.sha256,
                "published": [f"{box.slug} v{box.version_number}" for box in result.boxes if box.published],
            },
            at=at,
        )
        return result


@dataclass(frozen=True)
class FileChange:
    """What an import would do to one attribute, item or box; `difference` is of prize tables, where they change."""

    kind: str
    key: str
    fields: Sequence[Change]
    difference: Difference | None = None

    @property
    def shown_kind(self) -> str:
        """Return what it is in the singular."""
        return {"attributes": "Attribute", "items": "Item", "boxes": "Box"}[self.kind]


def preview(*, operator: Operator, document: Any, at: dt.datetime) -> list[FileChange]:
    """Return what an import would change: it is done, looked at and undone. Raises `VALIDATION_FAILED` as the import would."""
    with db.phase():
        operator = services.lock_catalogue(operator_id=operator.pk)
        before, tables = export_boxes(operator=operator), _tables(operator)
        _Import(operator, at).run(document)
        after, new_tables = export_boxes(operator=operator), _tables(operator)
        transaction.set_rollback(True)
    found = []
    for kind, key in (("attributes", "name"), ("items", "sku"), ("boxes", "slug")):
        old = {entry[key]: entry for entry in before[kind]}
        for entry in after[kind]:
            fields = _changes(old.get(entry[key], {}), entry)
            published = kind == "boxes" and tables.get(entry[key]) != new_tables[entry[key]]
            difference = (
                compare(before=tables.get(entry[key]), after=new_tables[entry[key]], locale=operator.default_locale)
                if published
                else None
            )
            if fields or difference:
                found.append(FileChange(kind, entry[key], fields, difference))
    return found


def _tables(operator: Operator) -> dict[str, Table]:
    current = BoxVersion.objects.filter(operator=operator, superseded_at=None).select_related("box")
    return {row.box.slug: published_table(row) for row in current.prefetch_related("prizes__item")}


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    names = [name for name in after if name not in {"prizes", "priceMinor"} and before.get(name) != after[name]]
    return [Change(name, _shown(before[name]) if before else "", _shown(after[name])) for name in names]


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _entry_of(document: Mapping[str, Any], kind: str, key: str, wanted: str) -> Mapping[str, Any]:
    return next((entry for entry in document[kind] if entry[key] == wanted), {})


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
        changed = {row.key: self._check(boxes[row.key], row) for row in file.boxes}
        self._problems.raise_any()
        return ImportResult(
            items=tuple(ImportedItem(sku=row.key, item_id=self._items[row.key].pk) for row in file.items),
            boxes=tuple(self._publish(boxes[row.key], row, changed=changed[row.key]) for row in file.boxes),
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

    def _check(self, box: Box, row: BoxRow) -> bool:
        """Return whether the row is to be published, after noting what keeps it from that."""
        lines = self._lines(row)
        found = services.problems(operator=self._operator, price_minor=row.price_minor, prizes=lines)
        version = self._current(box)
        changed = bool(found) or version is None or not self._is_published(version, row)
        if not found and changed:
            # What is published already may stay, whatever the limits are by now.
            found = services.limit_problems(operator=self._operator, price_minor=row.price_minor, prizes=lines)
        for path, problem in found.items():
            self._problems.add(f"{row.path}.{path}", problem)
        return changed

    def _publish(self, box: Box, row: BoxRow, *, changed: bool) -> ImportedBox:
        version = self._current(box)
        if changed:
            version = services.publish(box=box, price_minor=row.price_minor, prizes=self._lines(row), at=self._at)
        assert version is not None
        return ImportedBox(
            slug=box.slug, box_id=box.pk, box_version_id=version.pk, version_number=version.number, published=changed
        )

    def _current(self, box: Box) -> BoxVersion | None:
        return next(iter(getattr(box, "current", ())), None)

    def _is_published(self, version: BoxVersion, row: BoxRow) -> bool:
        return services.is_published(
            version=version, operator=self._operator, price_minor=row.price_minor, prizes=self._lines(row)
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
