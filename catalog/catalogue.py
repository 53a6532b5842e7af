"""An operator's catalogue as it is now, kept by the process and read without a query as long as nothing changes."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.db.models import Prefetch

from catalog.models import Attribute, Box, BoxVersion
from lootbox.core.errors import ApiError, ErrorCode
from operators.models import Operator


@dataclass(frozen=True, slots=True)
class CurrentVersion:
    """What the lists show of a box's current version. `price_minor` is in `currency`."""

    id: int
    number: int
    price_minor: int
    currency: str
    house_edge_bps: int


@dataclass(frozen=True, slots=True)
class ListedBox:
    """A box with its current version, None before its first. `attributes` has the declared defaults filled in."""

    id: int
    slug: str
    name: Mapping[str, str]
    active: bool
    image_url: str
    image_webp_url: str
    image_alt: Mapping[str, str]
    attributes: Mapping[str, Any]
    version: CurrentVersion | None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All boxes of an operator by id, in the order of their ids, and the types of its attributes."""

    boxes: Mapping[int, ListedBox]
    attribute_types: Mapping[str, str]

    def published(self, box_id: int) -> tuple[ListedBox, CurrentVersion]:
        """Return a box and its current version. Raises `UNKNOWN_BOX`: a box without one is nobody's business yet."""
        box = self.boxes.get(box_id)
        if box is None or box.version is None:
            raise ApiError(ErrorCode.UNKNOWN_BOX)
        return box, box.version


def catalogue(*, operator: Operator) -> Catalogue:
    """Return the operator's catalogue, by three queries when it changed since `operator` was read, else by none.

    `operator` must have been read in this request. Triggers move its version on with every change of its catalogue, in the
    transaction of the change, so what is kept under a version is never older than that version.
    """
    return _load(operator.pk, operator.version)


@lru_cache(maxsize=256)
def _load(operator_id: int, _version: int) -> Catalogue:
    attributes = list(Attribute.objects.filter(operator_id=operator_id).order_by("id"))
    current = Prefetch("versions", BoxVersion.objects.filter(superseded_at=None).defer("snapshot"), to_attr="current")
    boxes = Box.objects.filter(operator_id=operator_id).order_by("id").prefetch_related(current)
    return Catalogue(
        boxes={box.pk: _listed(box, attributes) for box in boxes},
        attribute_types={attribute.name: attribute.type for attribute in attributes},
    )


def _listed(box: Box, attributes: list[Attribute]) -> ListedBox:
    values = {attribute.name: box.attributes.get(attribute.name, attribute.default) for attribute in attributes}
    versions: list[BoxVersion] = getattr(box, "current")  # noqa: B009 - set by the prefetch
    return ListedBox(
        id=box.pk,
        slug=box.slug,
        name=box.name,
        active=box.active,
        image_url=box.image_url,
        image_webp_url=box.image_webp_url,
        image_alt=box.image_alt,
        attributes={name: value for name, value in values.items() if value is not None},
        version=next((_current(version) for version in versions), None),
    )


def _current(version: BoxVersion) -> CurrentVersion:
    return CurrentVersion(
        id=version.pk,
        number=version.number,
        price_minor=version.price_minor,
        currency=version.currency,
        house_edge_bps=version.house_edge_bps,
    )
