"""An operator's catalogue as the file that `import_boxes` reads; importing it again changes nothing."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Prefetch

from catalog.models import Attribute, Box, BoxVersion, Item, Prize, PrizeKind
from operators.models import Operator


def export_boxes(*, operator: Operator) -> dict[str, Any]:
    """Return attributes, items and all boxes that were published, with the prize tables of their current versions.

    A prize that is an item stands there by its sku. So where an item was renamed or revalued since a box with it was published,
    importing the file publishes that box anew, as any import does that holds both.
    """
    current = Prefetch(
        "versions",
        BoxVersion.objects.filter(superseded_at=None).prefetch_related("prizes__item"),
        to_attr="current",
    )
    boxes = Box.objects.filter(operator=operator).order_by("slug").prefetch_related(current)
    return {
        "attributes": [
            {"name": row.name, "type": row.type, "default": row.default}
            for row in Attribute.objects.filter(operator=operator).order_by("name")
        ],
        "items": [_item(row) for row in Item.objects.filter(operator=operator).order_by("sku")],
        "boxes": [_box(box, version) for box in boxes for version in getattr(box, "current")],  # noqa: B009 - set by the prefetch
    }


def _item(item: Item) -> dict[str, Any]:
    return {
        "sku": item.sku,
        "name": item.name,
        "type": item.type,
        "valueMinor": item.value_minor,
        "cashbackMinor": item.cashback_minor,
        "shippable": item.shippable,
        "imageUrl": item.image_url or None,
    }


def _box(box: Box, version: BoxVersion) -> dict[str, Any]:
    return {
        "slug": box.slug,
        "name": box.name,
        "priceMinor": version.price_minor,
        "active": box.active,
        "refundable": box.refundable,
        "image": _image(box),
        "attributes": box.attributes,
        "prizes": [{"weight": prize.weight, **_prize(prize)} for prize in version.prizes.all()],
    }


def _image(box: Box) -> Mapping[str, Any] | None:
    if not box.image_url:
        return None
    return {"default": box.image_url, "webp": box.image_webp_url or None, "alt": box.image_alt or None}


def _prize(prize: Prize) -> dict[str, Any]:
    if prize.item is not None:
        return {"item": prize.item.sku}
    worth: dict[str, Any] = {"name": prize.name, "valueMinor": prize.value_minor}
    if prize.kind == PrizeKind.CASH:
        return {"cash": worth}
    return {"bonus": {"code": prize.bonus_code, **worth, "payload": prize.bonus_payload}}
