"""What the dashboard shows: its figures as cards, charts and tables in words."""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from django.urls import reverse
from django.utils.http import urlencode

from finance.charts import AMBER, BLUE, GREEN, GREY, PALETTE, RED, VIOLET, WHOLE, Chart, Plot
from finance.dashboard import AGES, Dashboard, Played, Sums, by_bucket, total
from lootbox.core.money import in_units
from lootbox.core.wording import duration, money

NONE: Final = "none"
MOST_OTHERS: Final = 2
MOST_LINES: Final = 100
# One colour is for all others.
MOST_PARTS: Final = len(PALETTE) - 1


@dataclass(frozen=True)
class Card:
    """One figure, what it is, and how it was in the time before. `link` leads to the rows behind it."""

    label: str
    figure: str
    detail: str
    link: str = ""


@dataclass(frozen=True)
class Line:
    """How one operator does in one currency, in that currency."""

    operator: str
    currency: str
    link: str
    cells: Sequence[str]


@dataclass(frozen=True)
class MoneyPanel:
    """Cards and charts of amounts in one currency."""

    unit: str
    cards: Sequence[Card]
    charts: Sequence[Chart]


@dataclass(frozen=True)
class Panels:
    """The whole page; `others` are currencies beside the first one, which has the most turnover."""

    cards: Sequence[Card]
    charts: Sequence[Chart]
    others: Sequence[MoneyPanel]
    hidden_units: Sequence[str]
    lines: Sequence[Line]
    unresolved: Sequence[Chart]
    webhooks: Chart


def panels(board: Dashboard) -> Panels:
    """Return the page that says what the dashboard's figures are."""
    first, *others = board.units()
    several = bool(others)
    return Panels(
        cards=[_rounds_card(board), *_money_cards(board, first), _unresolved_card(board), *_webhook_cards(board)],
        charts=[*_money_charts(board, first, several=several), _rounds(board), *_split(board, first)],
        others=[_other(board, unit) for unit in others[:MOST_OTHERS]],
        hidden_units=others[MOST_OTHERS:],
        lines=_lines(board),
        unresolved=[_waited(board), _ages(board)],
        webhooks=_webhooks(board),
    )


def _other(board: Dashboard, unit: str) -> MoneyPanel:
    turnover, gross, rtp = _money_charts(board, unit, several=True)
    return MoneyPanel(unit, _money_cards(board, unit), [turnover, gross, replace(rtp, wide=True), *_split(board, unit)])


def percent(share: Decimal | None) -> str:
    """Return a share for people, such as `96.25 %`."""
    return NONE if share is None else f"{100 * share:,.2f} %"


def _change(now: int, before: int, name: str) -> str:
    if not before:
        return f"none in the {name} before" if now else "as before"
    return f"{100 * Decimal(now - before) / abs(before):+,.0f} % on the {name} before"


def _rounds_card(board: Dashboard) -> Card:
    name, now, before = board.choice.period.name, total(board.now), total(board.before)
    query = [("operator__id__exact", str(one.pk)) for one in board.choice.operators if len(board.choice.operators) == 1]
    query.append(("bought", {"24h": "day", "7d": "week", "30d": "month"}[board.choice.period.key]))
    link = f"{reverse('admin:purchases_round_changelist')}?{urlencode(query)}"
    return Card("Rounds settled", f"{now.rounds:,}", _change(now.rounds, before.rounds, name), link)


def _money_cards(board: Dashboard, unit: str) -> list[Card]:
    name, now, before = board.choice.period.name, total(board.now, unit), total(board.before, unit)
    return [
        Card("Turnover", money(now.turnover, unit), _change(now.turnover, before.turnover, name)),
        Card("Payout", money(now.payout, unit), _change(now.payout, before.payout, name)),
        Card("Gross revenue", money(now.gross, unit), _change(now.gross, before.gross, name)),
        Card("RTP", percent(now.rtp), f"by the odds {percent(now.theory)}", reverse("admin:finance_rtp_watch")),
        Card("Free opens cost", money(now.free_cost, unit), f"{now.free_rounds:,} rounds at the operator's expense"),
    ]


def _unresolved_card(board: Dashboard) -> Card:
    calls = sum(row.calls for row in board.unresolved)
    link = f"{reverse('admin:wallet_walletcall_changelist')}?unresolved=yes"
    if not calls:
        return Card("Money of unknown fate now", NONE, "every wallet call is resolved", link)
    oldest = duration((board.at - min(row.oldest_at for row in board.unresolved)).total_seconds())
    amounts: dict[str, int] = {}
    for row in board.unresolved:
        amounts[row.unit] = amounts.get(row.unit, 0) + row.amount_minor
    shown = ", ".join(money(amount, unit) for unit, amount in sorted(amounts.items()))
    return Card("Money of unknown fate now", shown, f"{calls:,} calls, the oldest for {oldest}", link)


def _webhook_cards(board: Dashboard) -> list[Card]:
    now, before = (sum(row.failed for row in rows) for rows in (board.delivered, board.delivered_before))
    due, stuck = sum(one.due for one in board.endpoints), sum(one.undelivered for one in board.endpoints)
    oldest = min((one.waiting_since for one in board.endpoints if one.waiting_since), default=None)
    late = duration((board.at - oldest).total_seconds()) if oldest and oldest < board.at else ""
    link = reverse("admin:webhooks_endpoint_changelist")
    return [
        Card("Webhooks due", f"{due:,}", f"the oldest is {late} late" if late else "none is late", link),
        Card("Webhooks given up", f"{stuck:,}", "of the last 7 days, for a person to send again", link),
        Card("Failed attempts", f"{now:,}", _change(now, before, board.choice.period.name), link),
    ]


def _labels(board: Dashboard) -> list[str]:
    period = board.choice.period
    return [period.label(bucket) for bucket in period.buckets(board.at)]


def _rows(labels: Sequence[str], *columns: Iterable[Any]) -> list[tuple[Any, ...]]:
    return list(zip(labels, *columns, strict=True))


def _rounds(board: Dashboard) -> Chart:
    labels, sums = _labels(board), by_bucket(board.now, board.choice.period.buckets(board.at))
    paid = [one.rounds - one.free_rounds for one in sums]
    free = [one.free_rounds for one in sums]
    return Chart(
        title="Rounds",
        kind="bar",
        stacked=True,
        labels=labels,
        plots=[Plot(name="Paid by players", values=paid), Plot(name="Paid by the operator", values=free, colour=AMBER)],
        headings=("Time (UTC)", "Paid by players", "Paid by the operator", "Boxes opened"),
        rows=_rows(labels, *_grouped(paid, free, [one.boxes for one in sums])) if any(one.rounds for one in sums) else (),
        axis=WHOLE,
    )


def _grouped(*columns: Sequence[int]) -> list[list[str]]:
    return [[f"{value:,}" for value in column] for column in columns]


def _money_charts(board: Dashboard, unit: str, *, several: bool) -> list[Chart]:
    labels, sums = _labels(board), by_bucket(board.now, board.choice.period.buckets(board.at), unit)
    played, of = any(one.turnover for one in sums), f", {unit}" if several else ""
    figures: list[tuple[str, Callable[[Sums], int]]] = [
        ("Turnover", lambda one: one.turnover), ("Payout", lambda one: one.payout), ("Gross revenue", lambda one: one.gross),
    ]  # fmt: skip
    amounts = {name: [get(one) for one in sums] for name, get in figures}
    in_words = [[money(value, unit) for value in amounts[name]] for name, _ in figures]
    axis = {"title": {"display": True, "text": unit}}
    return [
        Chart(
            title=f"Turnover and payout{of}",
            kind="bar",
            labels=labels,
            plots=[
                Plot(name="Turnover", values=_drawn(amounts["Turnover"], unit)),
                Plot(name="Payout", values=_drawn(amounts["Payout"], unit), colour=BLUE),
            ],
            headings=("Time (UTC)", "Turnover", "Payout", "Gross revenue"),
            rows=_rows(labels, *in_words) if played else (),
            axis=axis,
        ),
        Chart(
            title=f"Gross revenue{of}",
            kind="bar",
            labels=labels,
            plots=[
                Plot(
                    name="Gross revenue",
                    values=_drawn(amounts["Gross revenue"], unit),
                    colour=[GREEN if value >= 0 else RED for value in amounts["Gross revenue"]],
                )
            ],
            headings=("Time (UTC)", "Gross revenue"),
            rows=_rows(labels, in_words[2]) if played else (),
            axis=axis,
        ),
        Chart(
            title=f"RTP{of}",
            note="Few rounds may stray far from the odds; the RTP watch says how far is too far.",
            kind="line",
            labels=labels,
            plots=[
                Plot(name="RTP", values=[_share(one.rtp) for one in sums]),
                Plot(name="By the odds", values=[_share(one.theory) for one in sums], colour=GREY, dashed=True),
            ],
            headings=("Time (UTC)", "RTP", "By the odds"),
            rows=_rows(labels, [percent(one.rtp) for one in sums], [percent(one.theory) for one in sums]) if played else (),
            axis={"title": {"display": True, "text": "% of turnover"}},
        ),
    ]


def _split(board: Dashboard, unit: str) -> list[Chart]:
    """Return a chart of the turnover by operator, or by currency where one operator is shown; none where there is only one."""
    names = {one.pk: one.name for one in board.choice.operators}
    parts: dict[str, list[Played]] = {}
    for row in board.now:
        if row.unit == unit and row.shown.turnover:
            parts.setdefault(names[row.operator_id] if len(names) > 1 else row.currency, []).append(row)
    if len(parts) < 2:
        return []
    ordered = sorted(parts, key=lambda name: (-total(parts[name]).turnover, name))
    shown = {name: parts[name] for name in ordered[:MOST_PARTS]}
    if others := [row for name in ordered[MOST_PARTS:] for row in parts[name]]:
        shown["All others"] = others
    labels, buckets = _labels(board), board.choice.period.buckets(board.at)
    columns = {name: [one.turnover for one in by_bucket(rows, buckets)] for name, rows in shown.items()}
    chart = Chart(
        title=f"Turnover by {'operator' if len(names) > 1 else 'currency'}, in {unit}",
        kind="bar",
        stacked=True,
        labels=labels,
        plots=[
            Plot(name=name, values=_drawn(amounts, unit), colour=PALETTE[place])
            for place, (name, amounts) in enumerate(columns.items())
        ],
        headings=("Time (UTC)", *columns),
        rows=_rows(labels, *([money(amount, unit) for amount in amounts] for amounts in columns.values())),
        axis={"title": {"display": True, "text": unit}},
        wide=True,
    )
    return [chart]


def _drawn(amounts: Sequence[int], unit: str) -> list[float]:
    # For drawing only: the table beside it says them exactly.
    return [float(in_units(amount_minor=amount, currency=unit)) for amount in amounts]


def _share(share: Decimal | None) -> float | None:
    return None if share is None else round(float(100 * share), 2)


def _lines(board: Dashboard) -> list[Line]:
    names = {one.pk: one for one in board.choice.operators}
    sums: dict[tuple[int, str], Sums] = {}
    earlier: dict[tuple[int, str], Sums] = {}
    for rows, into in ((board.now, sums), (board.before, earlier)):
        for row in rows:
            into[row.operator_id, row.currency] = into.get((row.operator_id, row.currency), Sums()) + row.own
    ordered = sorted(sums, key=lambda key: (names[key[0]].name, key[1]))
    return [
        Line(
            names[operator].name,
            currency,
            "?" + urlencode({"period": board.choice.period.key, "operator": names[operator].slug, "currency": currency}),
            _cells(sums[operator, currency], earlier.get((operator, currency), Sums()), currency),
        )
        for operator, currency in ordered[:MOST_LINES]
    ]


def _cells(now: Sums, before: Sums, currency: str) -> list[str]:
    amounts = [money(value, currency) for value in (now.turnover, now.payout, now.gross)]
    grown = f"{100 * Decimal(now.turnover - before.turnover) / before.turnover:+,.0f} %" if before.turnover else "new"
    return [f"{now.rounds:,}", *amounts, percent(now.rtp), percent(now.theory), money(now.free_cost, currency), grown]


def _waited(board: Dashboard) -> Chart:
    labels, buckets = _labels(board), board.choice.period.buckets(board.at)
    calls = dict.fromkeys(buckets, 0)
    amounts: dict[dt.datetime, dict[str, int]] = {bucket: {} for bucket in buckets}
    for row in board.waited:
        calls[row.moment] += row.calls
        amounts[row.moment][row.unit] = amounts[row.moment].get(row.unit, 0) + row.amount_minor
    shown = [", ".join(money(of[unit], unit) for unit in sorted(of)) or NONE for of in amounts.values()]
    return Chart(
        title="Money of unknown fate, at the end of each " + board.choice.period.unit,
        kind="line",
        labels=labels,
        plots=[Plot(name="Wallet calls", values=list(calls.values()), colour=RED, stepped=True)],
        headings=("Time (UTC)", "Wallet calls", "Amount"),
        rows=_rows(labels, [f"{count:,}" for count in calls.values()], shown) if board.waited else (),
        axis=WHOLE,
    )


def _ages(board: Dashboard) -> Chart:
    names = [name for name, _ in AGES]
    counts = [sum(row.calls for row in board.unresolved if row.age == age) for age in range(len(AGES))]
    units = sorted({row.unit for row in board.unresolved})
    amounts = [
        ", ".join(
            money(amount, unit)
            for unit in units
            if (amount := sum(row.amount_minor for row in board.unresolved if (row.age, row.unit) == (age, unit)))
        )
        or NONE
        for age in range(len(AGES))
    ]
    return Chart(
        title="Money of unknown fate now, by age",
        kind="bar",
        labels=names,
        plots=[Plot(name="Wallet calls", values=counts, colour=[GREY, AMBER, AMBER, RED])],
        headings=("Age", "Wallet calls", "Amount"),
        rows=_rows(names, [f"{count:,}" for count in counts], amounts) if board.unresolved else (),
        axis=WHOLE,
    )


def _webhooks(board: Dashboard) -> Chart:
    labels, found = _labels(board), {row.bucket: row for row in board.delivered}
    buckets = board.choice.period.buckets(board.at)
    columns = [
        [getattr(found[bucket], name) if bucket in found else 0 for bucket in buckets] for name in ("in_time", "late", "failed")
    ]
    return Chart(
        title="Webhooks: attempts to deliver",
        kind="bar",
        stacked=True,
        labels=labels,
        plots=[
            Plot(name="Delivered within a minute", values=columns[0]),
            Plot(name="Delivered late", values=columns[1], colour=VIOLET),
            Plot(name="Failed", values=columns[2], colour=RED),
        ],
        headings=("Time (UTC)", "Within a minute", "Late", "Failed attempts"),
        rows=_rows(labels, *_grouped(*columns)) if found else (),
        axis=WHOLE,
        wide=True,
    )
