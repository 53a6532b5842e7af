"""Published versions as the draw needs them: immutable, and compiled once a process."""

import json
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Any, Final

from catalog.models import BoxVersion, Prize, PrizeKind

KEPT: Final = 1024


@dataclass(frozen=True, slots=True)
class CompiledPrize:
    """A line of a version's prize table. `value_minor` is in the version's currency, which an item's own currency equals."""

    prize_id: int
    index: int
    kind: PrizeKind
    item_id: int | None
    item_type: str | None
    item_currency: str | None
    name: str
    value_minor: int
    weight: int
    bonus_code: str
    bonus_payload: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class CompiledVersion:
    """A published version. `cumulative[i]` is the sum of the weights of `prizes[0]` to `prizes[i]` (contract section 9)."""

    id: int
    operator_id: int
    box_id: int
    number: int
    price_minor: int
    currency: str
    snapshot_hash: str
    total_weight: int
    cumulative: tuple[int, ...]
    prizes: tuple[CompiledPrize, ...]


def compiled(*, operator_id: int, version_ids: Collection[int]) -> dict[int, CompiledVersion]:
    """Return this operator's versions by id; an id that it never had is left out. What is not kept yet takes two queries."""
    found = _kept.find(version_ids)
    missing = [version_id for version_id in version_ids if version_id not in found]
    if missing:
        loaded = _load(operator_id, missing)
        _kept.keep(loaded)
        found |= loaded
    return {version_id: version for version_id, version in found.items() if version.operator_id == operator_id}


class _Kept:
    """The versions asked for most recently. They are frozen in the database, so none is ever out of date."""

    def __init__(self) -> None:
        self._versions: OrderedDict[int, CompiledVersion] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, version_ids: Iterable[int]) -> dict[int, CompiledVersion]:
        with self._lock:
            found = {version_id: self._versions[version_id] for version_id in version_ids if version_id in self._versions}
            for version_id in found:
                self._versions.move_to_end(version_id)
            return found

    def keep(self, versions: Mapping[int, CompiledVersion]) -> None:
        with self._lock:
            self._versions.update(versions)
            while len(self._versions) > KEPT:
                self._versions.popitem(last=False)


_kept: Final = _Kept()


def _load(operator_id: int, version_ids: Collection[int]) -> dict[int, CompiledVersion]:
    # Versions first: whoever sees a version sees its prizes, but not the other way round.
    versions = list(BoxVersion.objects.filter(operator_id=operator_id, pk__in=version_ids))
    rows = Prize.objects.filter(operator_id=operator_id, version__in=version_ids).order_by("version_id", "index")
    prizes = {version_id: list(lines) for version_id, lines in groupby(rows, key=lambda prize: prize.version_id)}
    return {version.pk: _compile(version, prizes[version.pk]) for version in versions}


def _compile(version: BoxVersion, prizes: Collection[Prize]) -> CompiledVersion:
    names = [line["name"] for line in json.loads(bytes(version.snapshot))["prizes"]]
    lines = tuple(
        CompiledPrize(
            prize_id=prize.pk,
            index=prize.index,
            kind=PrizeKind(prize.kind),
            item_id=prize.item_id,
            item_type=prize.item_type or None,
            item_currency=version.currency if prize.item_id else None,
            name=names[prize.index],
            value_minor=prize.value_minor,
            weight=prize.weight,
            bonus_code=prize.bonus_code,
            bonus_payload=prize.bonus_payload,
        )
        for prize in prizes
    )
    return CompiledVersion(
        id=version.pk,
        operator_id=version.operator_id,
        box_id=version.box_id,
        number=version.number,
        price_minor=version.price_minor,
        currency=version.currency,
        snapshot_hash=version.snapshot_hash,
        total_weight=version.total_weight,
        cumulative=tuple(accumulate(line.weight for line in lines)),
        prizes=lines,
    )
