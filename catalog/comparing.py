"""What changes between two prize tables of a box, line by line, in words."""

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from catalog.figures import Table
from catalog.services import PrizeLine
from lootbox.core.wording import money, points


@dataclass(frozen=True)
class Change:
    """One figure; `before` is empty for what is new, `after` for what goes."""

    what: str
    before: str
    after: str

    @property
    def changed(self) -> bool:
        """Return whether it is another one."""
        return self.before != self.after


@dataclass(frozen=True)
class LineChange:
    """One prize: `kind` is added, removed, changed or same."""

    name: str
    kind: str
    odds: Change
    value: Change


@dataclass(frozen=True)
class Difference:
    """All that changes from one table to the next; from none, all is new."""

    figures: Sequence[Change]
    lines: Sequence[LineChange]

    @property
    def nothing(self) -> bool:
        """Return whether both are the same."""
        return not any(figure.changed for figure in self.figures) and all(line.kind == "same" for line in self.lines)


def compare(*, before: Table | None, after: Table, locale: str) -> Difference:
    """Return what changes; prizes keep the order of the new table, and what goes stands at the end."""
    old, new = _keyed(before, locale), _keyed(after, locale)
    lines = [_line(before, after, old.get(key), line, locale) for key, line in new.items()]
    gone = [_line(before, after, line, None, locale) for key, line in old.items() if key not in new]
    return Difference(list(_figures(before, after)), [*lines, *gone])


def _keyed(table: Table | None, locale: str) -> Mapping[Hashable, PrizeLine]:
    """Return the lines by what makes one the same as before: the item, or kind, code and name; and which of several such."""
    seen: Counter[Hashable] = Counter()
    keyed: dict[Hashable, PrizeLine] = {}
    for line in table.lines if table else ():
        same = line.item.pk if line.item else (line.kind, line.bonus_code, line.name.get(locale, ""))
        seen[same] += 1
        keyed[same, seen[same]] = line
    return keyed


def _figures(before: Table | None, after: Table) -> Iterator[Change]:
    for what, figures in (
        ("Price", [money(table.price_minor, table.currency) if table else "" for table in (before, after)]),
        ("RTP", [_points(table.rtp_bps if table else None) for table in (before, after)]),
        ("House edge", [_points(table.house_edge_bps if table else None) for table in (before, after)]),
        ("Largest prize", [money(table.largest_minor, table.currency) if table else "" for table in (before, after)]),
        ("Prizes", [str(len(table.lines)) if table else "" for table in (before, after)]),
        ("Total weight", [f"{table.total_weight:,}" if table else "" for table in (before, after)]),
    ):
        yield Change(what, *figures)


def _points(bps: int | None) -> str:
    return "" if bps is None else points(bps)


def _line(before: Table | None, after: Table, old: PrizeLine | None, new: PrizeLine | None, locale: str) -> LineChange:
    odds = Change("odds", before.odds(old) if before and old else "", after.odds(new) if new else "")
    value = Change(
        "value",
        money(old.value_minor, before.currency) if before and old else "",
        money(new.value_minor, after.currency) if new else "",
    )
    shown = new or old
    assert shown is not None
    if old is None or new is None:
        kind = "removed" if new is None else "added"
    else:
        # The odds of all move when one weight does, so what counts is what a player would see.
        kind = "changed" if odds.changed or value.changed or old.name != new.name else "same"
    return LineChange(shown.name.get(locale) or "without a name", kind, odds, value)
