"""Money whose fate is not known, the oldest first: what waits, for how long, and what the platform will do about it.

What is unresolved is little, or something is very wrong; partial indexes hold just that, so no page reads what is done.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Sum

from lootbox.core.fields import parse_moment
from lootbox.core.ids import Prefix, public_id
from lootbox.core.wording import duration, money
from operators.models import Operator
from operators.staff import operators_seen, scoped
from purchases import inspector
from purchases.models import Round, RoundState
from wallet.models import WalletAttempt, WalletCall
from wallet.services import UNRESOLVED, is_resting

# What is under way right now is no news.
UNDER_WAY: Final = dt.timedelta(seconds=15)
OLD: Final = dt.timedelta(minutes=15)
PER_PAGE: Final = 50


class Total(NamedTuple):
    """What one operator's unresolved money in one currency comes to."""

    operator: str
    waiting: int
    amount: str


@dataclass(frozen=True)
class Line:
    """One thing that waits: a call, or a round that has none that waits. `at` and `pk` are its place in the list."""

    at: dt.datetime
    pk: UUID
    what: str
    name: str
    operator: Operator
    player: Any
    amount: str
    age: str
    old: bool
    attempts: int
    last: str
    next_step: str
    call: WalletCall | None
    round_id: UUID | None
    can_act: bool


@dataclass(frozen=True)
class Queue:
    """A page of what waits, and what all of it comes to; `after` is where the next page begins."""

    lines: Sequence[Line]
    totals: Sequence[Total]
    after: str | None


def queue(*, user: User, operator_id: int | None, after: str, at: dt.datetime) -> Queue:
    """Return what waits for longer than a call may take, of the operators that the person sees, or of one of them."""
    calls, rounds = (_of(rows, user, operator_id) for rows in (_calls(at), _rounds(at)))
    found = [
        *_from(calls, "created_at", after).select_related("operator", "player")[: PER_PAGE + 1],
        *_from(rounds, "purchased_at", after).select_related("operator", "player")[: PER_PAGE + 1],
    ]
    of_calls = Round.objects.in_bulk({row.round_id for row in found if isinstance(row, WalletCall) and row.round_id})
    lines = [
        _of_call(row, of_calls.get(row.round_id) if row.round_id else None, at)
        if isinstance(row, WalletCall)
        else _of_round(row, at)
        for row in found
    ]
    lines.sort(key=lambda line: (line.at, line.pk))
    shown = lines[:PER_PAGE]
    more = f"{shown[-1].at.isoformat()}~{shown[-1].pk}" if len(lines) > PER_PAGE else None
    return Queue(shown, _totals(calls, rounds), more)


def oldest(*, user: User, at: dt.datetime) -> str | None:
    """Return the age, in words, of the oldest unresolved money that the person sees, None when none is old."""
    began = [
        moment
        for rows, name in ((_calls(at), "created_at"), (_rounds(at), "purchased_at"))
        for moment in _of(rows, user, None).order_by(name).values_list(name, flat=True)[:1]
    ]
    age = at - min(began, default=at)
    return duration(age.total_seconds()) if age > OLD else None


def _calls(at: dt.datetime) -> QuerySet[WalletCall]:
    latest = WalletAttempt.objects.filter(call=OuterRef("pk")).order_by("-number").values("detail")[:1]
    waiting = WalletCall.objects.filter(state__in=UNRESOLVED, created_at__lt=at - UNDER_WAY)
    return waiting.annotate(last=Subquery(latest))


def _rounds(at: dt.datetime) -> QuerySet[Round]:
    waiting = WalletCall.objects.filter(round_id=OuterRef("pk"), state__in=UNRESOLVED)
    return Round.objects.filter(~Exists(waiting), recover_at__isnull=False, purchased_at__lt=at - UNDER_WAY)


def _of(rows: QuerySet[Any], user: User, operator_id: int | None) -> QuerySet[Any]:
    seen = scoped(rows, user=user, path="operator")
    return seen if operator_id is None else seen.filter(operator=operator_id)


def _from(rows: QuerySet[Any], moment: str, after: str) -> QuerySet[Any]:
    text, _, key = after.partition("~")
    at = parse_moment(text)
    if at is not None:
        try:
            rows = rows.filter(Q(**{f"{moment}__gt": at}) | Q(**{moment: at, "pk__gt": UUID(key)}))
        except ValueError:
            return rows.order_by(moment, "pk")
    return rows.order_by(moment, "pk")


def _of_call(call: Any, round_: Round | None, at: dt.datetime) -> Line:
    return Line(
        at=call.created_at,
        pk=call.pk,
        what=f"{call.reason}, {call.get_state_display().lower()}",
        name=call.idempotency_key,
        operator=call.operator,
        player=call.player,
        amount=money(call.amount_minor, call.currency),
        age=duration((at - call.created_at).total_seconds()),
        old=at - call.created_at > OLD,
        attempts=call.attempts,
        last=call.last or "No answer is written down.",
        next_step=inspector.next_step(call, at=at, round_=round_),
        call=call,
        round_id=call.round_id,
        can_act=is_resting(call),
    )


def _of_round(round_: Round, at: dt.datetime) -> Line:
    assert round_.recover_at is not None, "it would not be in the list"
    wait = (round_.recover_at - at).total_seconds()
    when = f"in {duration(wait)}" if wait > 0 else "now"
    step = (
        f"Wait for the player's app to try again; {when} begin to undo the round."
        if round_.state == RoundState.PENDING
        else f"Go on {when} undoing the round: give back whatever was taken, and void it."
    )
    return Line(
        at=round_.purchased_at,
        pk=round_.pk,
        what=f"round, {round_.get_state_display().lower()}",
        name=public_id(Prefix.ROUND, round_.pk),
        operator=round_.operator,
        player=round_.player,
        amount=money(round_.bet_minor, round_.currency),
        age=duration((at - round_.purchased_at).total_seconds()),
        old=at - round_.purchased_at > OLD,
        attempts=0,
        last="No call of it waits for an answer.",
        next_step=step,
        call=None,
        round_id=round_.pk,
        can_act=False,
    )


def _totals(calls: QuerySet[WalletCall], rounds: QuerySet[Round]) -> list[Total]:
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    sums: Iterable[tuple[str, str, int, int]] = (
        row
        for rows, amount in ((calls, "amount_minor"), (rounds, "bet_minor"))
        for row in rows.order_by()
        .values_list("operator__name", "currency")
        .annotate(count=Count("pk"), sum=Sum(F(amount)))
        .values_list("operator__name", "currency", "count", "sum")
    )
    for operator, currency, count, total in sums:
        counts[operator, currency][0] += count
        counts[operator, currency][1] += total
    return [Total(operator, count, money(total, code)) for (operator, code), (count, total) in sorted(counts.items())]


def choices(*, user: User) -> list[tuple[int, str]]:
    """Return the operators that the person may ask for."""
    return [(operator.pk, operator.name) for operator in operators_seen(user)]
