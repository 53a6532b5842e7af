"""`GET boxes`: which boxes, in which order, which page of them (contract section 4)."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from catalog.catalogue import Catalogue, ListedBox
from catalog.models import AttributeType
from lootbox.core.fields import Query

PER_PAGE: Final = 100
MOST_PER_PAGE: Final = 200
MOST_IDS: Final = 200
LAST_PAGE: Final = 10**15
_FILTER = re.compile(r"filter\[(.+)\]")
_META: Final = "meta."
_ID = re.compile(r"[0-9]{1,16}")
_NUMBER = re.compile(r"-?[0-9]{1,16}(\.[0-9]{1,16})?")


@dataclass(frozen=True, slots=True)
class Listing:
    """What a caller wants listed. Without `ids` and filters: the boxes that are active and have a current version."""

    page: int = 1
    per_page: int = PER_PAGE
    ids: frozenset[int] | None = None
    filters: tuple[tuple[str, frozenset[Any]], ...] = ()
    sort: str = "name"
    descending: bool = False


class ListedPage(NamedTuple):
    """A page of boxes, and where it stands."""

    boxes: list[ListedBox]
    page: int
    total: int
    last_page: int


def read_listing(query: Query, *, names: Iterable[str], catalogue: Catalogue) -> Listing:
    """Return what a query string with these parameter names asks for; what is wrong is noted in `query.problems`."""
    sort = query.optional_text("sort", maximum=100) or "name"
    key = sort.removeprefix("-")
    if key not in {"name", "price"} and _attribute(key) not in catalogue.attribute_types:
        query.problems.add("sort", "Sort by name, price or meta.<attribute>, with a - before it for descending.")
    limit = query.positive("limit", default=PER_PAGE, largest=MOST_PER_PAGE)
    return Listing(
        page=query.positive("page", default=1, largest=LAST_PAGE),
        per_page=query.positive("perPage", default=limit, largest=MOST_PER_PAGE),
        ids=_ids(query),
        filters=tuple(_filter(query, name, catalogue) for name in names if name.startswith("filter")),
        sort=key,
        descending=sort != key,
    )


def arrange(listing: Listing, *, catalogue: Catalogue, text: Callable[[ListedBox], str]) -> ListedPage:
    """Return the page that a listing asks for; beyond the last one it is the last. `text` gives a box's name as shown."""
    boxes = [box for box in catalogue.boxes.values() if _wanted(box, listing, text)]
    valued = [(_sortable(_value(box, listing.sort, text)), box) for box in boxes]
    present = sorted((pair for pair in valued if pair[0] is not None), key=lambda pair: pair[0], reverse=listing.descending)
    # A box without the value comes last in both directions.
    ordered = [box for _, box in present] + [box for value, box in valued if value is None]
    last_page = max(1, -(-len(ordered) // listing.per_page))
    page = min(listing.page, last_page)
    return ListedPage(ordered[(page - 1) * listing.per_page : page * listing.per_page], page, len(ordered), last_page)


def _ids(query: Query) -> frozenset[int] | None:
    text = query.optional_text("ids", maximum=MOST_IDS * 17)
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) > MOST_IDS or not all(_ID.fullmatch(part) and int(part) > 0 for part in parts):
        query.problems.add("ids", f"Send 1 to {MOST_IDS} box ids with commas between them, such as 1,2.")
        return None
    return frozenset(map(int, parts))


def _filter(query: Query, name: str, catalogue: Catalogue) -> tuple[str, frozenset[Any]]:
    match = _FILTER.fullmatch(name)
    key = match[1] if match else ""
    kind = _KINDS.get(key) or catalogue.attribute_types.get(_attribute(key) or "")
    if kind is None:
        query.problems.add(name if name.isprintable() else ascii(name), "Filter by name, slug, isActive or meta.<attribute>.")
        return key, frozenset()
    try:
        return key, frozenset(_READERS[kind](part) for part in (query.optional_text(name, maximum=2000) or "").split(","))
    except ValueError as error:
        query.problems.add(name, str(error))
        return key, frozenset()


def _attribute(key: str) -> str | None:
    return key.removeprefix(_META) if key.startswith(_META) else None


def _boolean(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError("Send true or false.")
    return text == "true"


def _number(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise ValueError("Send a number such as 3 or 4.5.")
    return float(text)


_KINDS: Final = {"name": AttributeType.TEXT, "slug": AttributeType.TEXT, "isActive": AttributeType.BOOLEAN}
_READERS: Final[dict[str, Callable[[str], Any]]] = {
    AttributeType.BOOLEAN: _boolean,
    AttributeType.NUMBER: _number,
    AttributeType.TEXT: str,
}


def _wanted(box: ListedBox, listing: Listing, text: Callable[[ListedBox], str]) -> bool:
    if listing.ids is None and not listing.filters:
        return box.active and box.version is not None
    return (listing.ids is None or box.id in listing.ids) and all(
        _value(box, key, text) in wanted for key, wanted in listing.filters
    )


def _value(box: ListedBox, key: str, text: Callable[[ListedBox], str]) -> Any:
    match key:
        case "name":
            return text(box)
        case "slug":
            return box.slug
        case "isActive":
            return box.active
        case "price":
            return None if box.version is None else box.version.price_minor
        case _:
            return box.attributes.get(key.removeprefix(_META))


def _sortable(value: Any) -> Any:
    # People expect "apple" before "Zebra".
    return (value.casefold(), value) if isinstance(value, str) else value
