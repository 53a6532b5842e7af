"""What a draft holds, the prize table that it or an old version would be published as, and a digest to agree to."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from catalog import services
from catalog.figures import Table
from catalog.models import BoxDraft, BoxVersion, PrizeKind
from catalog.services import PrizeLine
from lootbox.core.strict_json import canonical


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a draft holds. `price_minor` is in the operator's base currency."""

    name: Mapping[str, str]
    price_minor: int
    prizes: Sequence[PrizeLine]
    refundable: bool = True
    image_url: str = ""
    image_webp_url: str = ""
    image_alt: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def box_fields(self) -> dict[str, Any]:
        """Return what becomes the box's own, beside its versions."""
        return {
            "name": dict(self.name),
            "refundable": self.refundable,
            "image_url": self.image_url,
            "image_webp_url": self.image_webp_url,
            "image_alt": dict(self.image_alt),
            "attributes": dict(self.attributes),
        }


def content_of(*, draft: BoxDraft) -> Content:
    """Return what the draft holds beside its prizes."""
    names = ("name", "price_minor", "refundable", "image_url", "image_webp_url", "image_alt", "attributes")
    return Content(prizes=(), **{name: getattr(draft, name) for name in names})


def lines_of(*, draft: BoxDraft) -> list[PrizeLine]:
    """Return the prize table of a draft, items named and valued as they are now."""
    return [_line(prize) for prize in draft.prizes.select_related("item").order_by("index")]


def lines_again(*, version: BoxVersion) -> list[PrizeLine]:
    """Return the prize table of a version, items named and valued as they are now."""
    return [_line(prize) for prize in version.prizes.select_related("item").order_by("index")]


def table_of(*, draft: BoxDraft) -> Table:
    """Return what the draft would be published as."""
    return Table(draft.price_minor, draft.operator.base_currency, lines_of(draft=draft))


def again(*, version: BoxVersion) -> Table:
    """Return what the version would be published as now."""
    return Table(version.price_minor, version.currency, lines_again(version=version))


def published_table(version: BoxVersion) -> Table:
    """Return what the version was published as."""
    return Table(version.price_minor, version.currency, services.published_lines(version=version))


def digest(*, draft: BoxDraft) -> str:
    """Return what tells whether anything has changed that publication would make public or supersede."""
    box = {"slug": draft.slug, **content_of(draft=draft).box_fields()}
    current = services.current_version(box=draft.box) if draft.box else None
    return _digest(box, current, table_of(draft=draft))


def again_digest(*, version: BoxVersion) -> str:
    """Return the same of an old version that is to be published again."""
    return _digest({"slug": version.box.slug}, services.current_version(box=version.box), again(version=version))


def _digest(box: Mapping[str, Any], current: BoxVersion | None, table: Table) -> str:
    lines = [{**services.published_fields(line), "kind": str(line.kind)} for line in table.lines]
    content = {"box": box, "over": current and current.pk, "price": table.price_minor, "lines": lines}
    return hashlib.sha256(canonical(content)).hexdigest()


def _line(prize: Any) -> PrizeLine:
    if prize.item is not None:
        return services.item_line(item=prize.item, weight=prize.weight)
    return PrizeLine(
        weight=prize.weight,
        kind=PrizeKind(prize.kind),
        name=prize.name,
        value_minor=prize.value_minor,
        bonus_code=prize.bonus_code,
        bonus_payload=prize.bonus_payload,
    )
