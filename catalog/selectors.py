"""The catalogue as callers see it: in their language and currency, rendered once and kept (contract section 4).

`operator` must have been read in this request (see `catalogue`); `rate` is how many units of `currency` one unit of the
operator's base currency is worth.
"""

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from catalog.catalogue import CurrentVersion, ListedBox, catalogue
from catalog.listing import Listing, arrange
from catalog.models import Prize
from catalog.rendering import Rendered, render
from lootbox.core.money import convert
from operators.models import Operator


def boxes(*, operator: Operator, listing: Listing, locale: str, currency: str, rate: Decimal) -> Rendered:
    """Return the answer of `GET boxes`."""
    return _boxes(operator, operator.version, listing, locale, currency, rate)


def box(*, operator: Operator, box_id: int, locale: str, currency: str, rate: Decimal) -> Rendered:
    """Return the answer of `GET boxes/{boxId}`, by one query when it is not kept. Raises `UNKNOWN_BOX`."""
    return _box(operator, operator.version, box_id, locale, currency, rate)


def box_version(*, operator: Operator, box_id: int, currency: str, rate: Decimal) -> Rendered:
    """Return the answer of `GET boxes/{boxId}/version`. Raises `UNKNOWN_BOX`."""
    listed, version = catalogue(operator=operator).published(box_id)
    return render({"boxId": listed.id, **_offer(version, currency, rate)})


def box_row(box: ListedBox, *, operator: Operator, locale: str, currency: str, rate: Decimal) -> dict[str, Any]:
    """Return a box as a row of `GET boxes`. Before its first version it has neither price nor version."""
    version = box.version
    return {
        "boxId": box.id,
        "boxVersionId": version and version.id,
        "name": _text(box.name, operator, locale),
        "slug": box.slug,
        "isActive": box.active,
        "isPublished": version is not None,
        "versionNumber": version and version.number,
        "priceMinor": version and _converted(version.price_minor, version.currency, currency, rate),
        "currency": currency,
        "houseEdgeBps": version and version.house_edge_bps,
        "image": _image(box, operator, locale),
        "customAttributes": box.attributes,
    }


# An operator equals itself in every version, so the version is a key of its own.
@lru_cache(maxsize=512)
def _boxes(operator: Operator, _version: int, listing: Listing, locale: str, currency: str, rate: Decimal) -> Rendered:
    page = arrange(listing, catalogue=catalogue(operator=operator), text=lambda box: _text(box.name, operator, locale))
    rows = [box_row(box, operator=operator, locale=locale, currency=currency, rate=rate) for box in page.boxes]
    pagination = {"page": page.page, "perPage": listing.per_page, "total": page.total, "lastPage": page.last_page}
    return render({"boxes": rows, "pagination": pagination})


@lru_cache(maxsize=2048)
def _box(operator: Operator, _version: int, box_id: int, locale: str, currency: str, rate: Decimal) -> Rendered:
    listed, version = catalogue(operator=operator).published(box_id)
    prizes = list(Prize.objects.filter(version_id=version.id, operator=operator).select_related("item").order_by("index"))
    total_weight = sum(prize.weight for prize in prizes)
    return render(
        {
            "box": {
                "boxId": listed.id,
                "name": _text(listed.name, operator, locale),
                **_offer(version, currency, rate),
                "houseEdgeBps": version.house_edge_bps,
                "snapshotUrl": f"/fairness/box-version/{version.id}/snapshot",
                "customAttributes": listed.attributes,
                "prizes": [
                    {
                        "itemId": prize.item_id,
                        "kind": prize.kind,
                        "name": _text(prize.name, operator, locale),
                        "valueMinor": _converted(prize.value_minor, version.currency, currency, rate),
                        "currency": currency,
                        "imageUrl": (prize.item and prize.item.image_url) or None,
                        "odds": prize.weight / total_weight,
                    }
                    for prize in prizes
                ],
            }
        }
    )


def _offer(version: CurrentVersion, currency: str, rate: Decimal) -> dict[str, Any]:
    return {
        "boxVersionId": version.id,
        "versionNumber": version.number,
        "priceMinor": _converted(version.price_minor, version.currency, currency, rate),
        "currency": currency,
    }


def _converted(amount_minor: int, source: str, currency: str, rate: Decimal) -> int:
    if source == currency:
        return amount_minor
    return convert(amount_minor=amount_minor, source=source, target=currency, rate=rate)


def _text(texts: Mapping[str, str], operator: Operator, locale: str) -> str:
    """Return the text in `locale`, else in the default one, else the first: a default may be newer than what was published."""
    return texts.get(locale) or texts.get(operator.default_locale) or next(iter(texts.values()))


def _image(box: ListedBox, operator: Operator, locale: str) -> dict[str, str | None]:
    if not box.image_url:
        return {"alt": None, "webp": None, "default": None}
    return {
        "alt": _text(box.image_alt or box.name, operator, locale),
        "webp": box.image_webp_url or None,
        "default": box.image_url,
    }
