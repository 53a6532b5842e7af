"""Publishing: a prize table becomes a numbered, hashed, frozen version of its box (contract sections 4 and 9)."""

import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypedDict

from django.db import transaction
from django.db.models import Max

from catalog.models import Box, BoxVersion, Item, Prize, PrizeKind
from catalog.signals import box_published
from lootbox.core.errors import ApiError, ErrorCode
from lootbox.core.money import MAX_MINOR
from lootbox.core.strict_json import canonical
from lootbox.core.wording import money, points
from operators import audit
from operators.audit import By
from operators.models import Operator

ALGORITHM_KEY: Final = "hmac_sha256_v1"
LOWEST_EDGE_BPS: Final = -2_000_000_000


class _Priced(TypedDict):
    operator: Operator
    price_minor: int
    prizes: "Sequence[PrizeLine]"


@dataclass(frozen=True, kw_only=True)
class PrizeLine:
    """One line of a prize table that is to be published.

    `name` maps locales to texts; `value_minor` is in minor units of the operator's base currency; `weight` is a share of the
    table's total weight.
    """

    weight: int
    kind: PrizeKind
    name: Mapping[str, str]
    value_minor: int
    item: Item | None = None
    bonus_code: str = ""
    bonus_payload: Mapping[str, Any] | None = None


def item_line(*, item: Item, weight: int) -> PrizeLine:
    """Return the line for an item, named and valued as the item is now."""
    return PrizeLine(weight=weight, kind=PrizeKind.ITEM, name=item.name, value_minor=item.value_minor, item=item)


def publish(*, box: Box, price_minor: int, prizes: Sequence[PrizeLine], at: dt.datetime) -> BoxVersion:
    """Return the new current version of the box; the old one is superseded. Contract sections 4 and 9.

    `price_minor` is in minor units of the operator's base currency. Tells the layers above by `signals.box_published`, and may
    be part of a larger transaction. Raises `VALIDATION_FAILED` with the fields' paths.
    """
    with transaction.atomic():
        operator = lock_catalogue(operator_id=box.operator_id)
        box = Box.objects.select_for_update(no_key=True, of=("self",)).get(pk=box.pk)
        table: _Priced = {"operator": operator, "price_minor": price_minor, "prizes": prizes}
        if wrong := problems(**table) or limit_problems(**table):
            raise ApiError(ErrorCode.VALIDATION_FAILED, fields=wrong)
        number = 1 + (box.versions.aggregate(latest=Max("number"))["latest"] or 0)
        snapshot = snapshot_of(operator=operator, box=box, number=number, price_minor=price_minor, prizes=prizes)
        box.versions.filter(superseded_at=None).update(superseded_at=at)
        version = BoxVersion.objects.create(
            operator=operator,
            box=box,
            number=number,
            price_minor=price_minor,
            currency=operator.base_currency,
            total_weight=sum(line.weight for line in prizes),
            house_edge_bps=house_edge_bps(price_minor=price_minor, prizes=prizes),
            snapshot=snapshot,
            snapshot_hash=hashlib.sha256(snapshot).hexdigest(),
            algorithm_key=ALGORITHM_KEY,
            published_at=at,
        )
        Prize.objects.bulk_create(
            Prize(operator=operator, version=version, index=index, **published_fields(line))
            for index, line in enumerate(prizes)
        )
        box_published.send(sender=BoxVersion, version=version, at=at)
    return version


def lock_catalogue(*, operator_id: int) -> Operator:
    """Return the operator as it is now, its catalogue locked until the transaction ends.

    Every write of a catalogue moves the operator's version on, by trigger. So it takes this lock first and those of boxes
    after it: two writers that took them in different orders would wait for each other.
    """
    return Operator.objects.select_for_update(no_key=True, of=("self",)).get(pk=operator_id)


def set_active(*, box: Box, active: bool, by: By, at: dt.datetime) -> bool:
    """Offer a box for sale, or take it offline, with an audit entry; return whether that changed anything.

    What players hold of it can still be opened and cancelled.
    """
    with transaction.atomic():
        operator = lock_catalogue(operator_id=box.operator_id)
        if not Box.objects.filter(pk=box.pk).exclude(active=active).update(active=active):
            return False
        audit.record(
            by=by,
            action="box.online" if active else "box.offline",
            operator=operator,
            subject=box.slug,
            before={"active": not active},
            after={"active": active},
            at=at,
        )
    return True


def problems(*, operator: Operator, price_minor: int, prizes: Sequence[PrizeLine]) -> dict[str, str]:
    """Return what keeps a prize table from being published: a sentence by the field's path."""
    found = dict(_field_problems(operator, price_minor, prizes))
    if not found and house_edge_bps(price_minor=price_minor, prizes=prizes) < LOWEST_EDGE_BPS:
        found["priceMinor"] = "A prize is on average worth more than 200,000 times this price. Check the price and the values."
    return found


def _field_problems(operator: Operator, price_minor: int, prizes: Sequence[PrizeLine]) -> Iterator[tuple[str, str]]:
    if not 1 <= price_minor <= MAX_MINOR:
        yield "priceMinor", f"Send an integer from 1 to {MAX_MINOR}."
    if not prizes:
        yield "prizes", "A box needs at least one prize."
    if sum(line.weight for line in prizes) > MAX_MINOR:
        yield "prizes", f"The weights add up to more than {MAX_MINOR}."
    for index, line in enumerate(prizes):
        if line.weight < 1:
            yield f"prizes[{index}].weight", "A weight is 1 or more."
        if not 0 <= line.value_minor <= MAX_MINOR:
            yield f"prizes[{index}].valueMinor", f"Send an integer from 0 to {MAX_MINOR}."
        if operator.default_locale not in line.name:
            yield f"prizes[{index}].name", f"There is no text for the default locale {operator.default_locale}."
        if line.item is not None and line.item.currency != operator.base_currency:
            yield f"prizes[{index}].item", f"The item is valued in {line.item.currency}, the box in {operator.base_currency}."


def limit_problems(*, operator: Operator, price_minor: int, prizes: Sequence[PrizeLine]) -> dict[str, str]:
    """Return what the operator's own limits keep from being published: a sentence by the field's path.

    Asked of a table that has no other problem. Without limits, which is the default, nothing.
    """
    found: dict[str, str] = {}
    edge = house_edge_bps(price_minor=price_minor, prizes=prizes)
    lowest, highest, largest = operator.house_edge_min_bps, operator.house_edge_max_bps, operator.prize_max_minor
    if lowest is not None and edge < lowest:
        found["prizes"] = (
            f"The house edge is {points(edge)}, and {operator.name} publishes none below {points(lowest)}. "
            "Raise the price, or lower values or weights of the larger prizes."
        )
    if highest is not None and edge > highest:
        found["prizes"] = (
            f"The house edge is {points(edge)}, and {operator.name} publishes none above {points(highest)}. "
            "Lower the price, or raise values or weights of the larger prizes."
        )
    for index, line in enumerate(prizes):
        if largest is not None and line.value_minor > largest:
            found[f"prizes[{index}].valueMinor"] = (
                f"It is worth {money(line.value_minor, operator.base_currency)}, and {operator.name} gives no prize above "
                f"{money(largest, operator.base_currency)}."
            )
    return found


def house_edge_bps(*, price_minor: int, prizes: Sequence[PrizeLine]) -> int:
    """Return what the house keeps of a price on average, in basis points, rounded half up; below 0 when it pays more out."""
    staked = price_minor * sum(line.weight for line in prizes)
    won = sum(line.weight * line.value_minor for line in prizes)
    return (20_000 * (staked - won) + staked) // (2 * staked)


def snapshot_of(*, operator: Operator, box: Box, number: int, price_minor: int, prizes: Sequence[PrizeLine]) -> bytes:
    """Return the canonical JSON that is hashed, with names in the operator's default locale (contract section 9)."""
    return canonical(
        {
            "algorithmKey": ALGORITHM_KEY,
            "boxId": box.pk,
            "currency": operator.base_currency,
            "priceMinor": price_minor,
            "totalWeight": sum(line.weight for line in prizes),
            "versionNumber": number,
            "prizes": [
                {
                    "index": index,
                    "itemId": line.item and line.item.pk,
                    "kind": line.kind.value,
                    "name": line.name[operator.default_locale],
                    "valueMinor": line.value_minor,
                    "weight": line.weight,
                }
                for index, line in enumerate(prizes)
            ],
        }
    )


def is_published(*, version: BoxVersion, operator: Operator, price_minor: int, prizes: Sequence[PrizeLine]) -> bool:
    """Return whether publishing this table would make the same version again, but for its number."""
    snapshot = snapshot_of(operator=operator, box=version.box, number=version.number, price_minor=price_minor, prizes=prizes)
    # The snapshot holds neither translations nor what a bonus entitles to.
    return snapshot == bytes(version.snapshot) and all(
        getattr(prize, name) == value
        for prize, line in zip(version.prizes.all(), prizes, strict=True)
        for name, value in published_fields(line).items()
    )


def current_version(*, box: Box) -> BoxVersion | None:
    """Return the version that can be bought, with its prizes, None before the first."""
    return BoxVersion.objects.filter(box=box, superseded_at=None).select_related("box").prefetch_related("prizes__item").first()


def published_lines(*, version: BoxVersion) -> list[PrizeLine]:
    """Return the prize table of a version as it was published."""
    return [
        PrizeLine(
            weight=prize.weight,
            kind=PrizeKind(prize.kind),
            name=prize.name,
            value_minor=prize.value_minor,
            item=prize.item,
            bonus_code=prize.bonus_code,
            bonus_payload=prize.bonus_payload,
        )
        for prize in version.prizes.all()
    ]


def published_fields(line: PrizeLine) -> dict[str, Any]:
    """Return what a line is kept as: the fields of `Prize` that are its own."""
    return {
        "kind": line.kind,
        "item_id": line.item and line.item.pk,
        "item_type": line.item.type if line.item else "",
        "name": dict(line.name),
        "value_minor": line.value_minor,
        "weight": line.weight,
        "bonus_code": line.bonus_code,
        "bonus_payload": line.bonus_payload,
    }
