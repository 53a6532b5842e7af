"""Figures: each defined once, adding up whichever way they are split, and agreeing with the ledger."""

import dataclasses
import datetime as dt
from collections import Counter
from itertools import combinations
from urllib.parse import parse_qs
from uuid import UUID

import pytest
import time_machine
from django.utils import timezone

from finance import behind, days, shown
from finance.days import Zone
from finance.liability import Kind, liability
from finance.reports import Dimension, Figures, Key, Selection, revenue, total
from lootbox.core.pagination import decode_cursor
from operators.models import Operator
from operators.services import NewOperator
from tests.api.test_ledger import read_on
from tests.api.test_prepay_and_cancel import cancel, open_held
from tests.api.test_purchase import buy
from tests.services.finance.trading import Trading
from tests.signed import SignedClient
from wallet.numbering import number_movements

DAY = dt.timedelta(days=1)


def ask(*operators: Operator, by: tuple[Dimension, ...] = (), zone: Zone = Zone.UTC, **more: object) -> Selection:
    """Return a selection of yesterday to tomorrow."""
    today = timezone.now().date()
    chosen = Selection(operators=operators, first=today - DAY, last=today + DAY, zone=zone, by=frozenset(by))
    return dataclasses.replace(chosen, **more)  # type: ignore[arg-type]


def only(figures: Figures) -> dict[str, int]:
    """Return the measures that are not 0, but for base amounts."""
    shown = dataclasses.asdict(figures)
    return {name: value for name, value in shown.items() if value and name != "expected" and not name.startswith("base_")}


class TestTheRoundsBehindAFigure:
    def test_add_up_to_it_however_it_is_split(self, trading: Trading, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(behind, "PAGE", 2)
        of_a_round = ("boxes", "turnover", "payout", "free_cost")
        seen = 0
        for size in range(len(Dimension) + 1):
            for by in combinations(Dimension, size):
                for row in revenue(asked := ask(trading.acme.operator, by=by)).rows:
                    figures = [getattr(row.figures, name) for name in of_a_round]
                    listed = self.listed(asked, row.key) if any(figures) else []
                    assert [sum(getattr(share, name) for share in listed) for name in of_a_round] == figures
                    seen += len(listed)
        assert seen

    def listed(self, asked: Selection, key: Key) -> list[behind.Share]:
        """Return the rounds that a row leads to, of all pages."""
        _, query = shown.rounds_link(asked, key).split("?")
        chosen = {name: value for name, [value] in parse_qs(query).items()}
        exact = dataclasses.replace(
            asked,
            first=dt.date.fromisoformat(chosen["first"]),
            last=dt.date.fromisoformat(chosen["last"]),
            currency=chosen.get("currency"),
            funding=chosen.get("funding"),
            box_id=int(chosen["box"]) if "box" in chosen else None,
            version_id=int(chosen["version"]) if "version" in chosen else None,
        )
        found: list[behind.Share] = []
        cursor: str | None = None
        while True:
            page = behind.rounds(exact, position=decode_cursor(cursor, row_id=UUID))
            found += page.rows
            if (cursor := page.next) is None:
                return found


class TestFigures:
    def test_say_of_each_currency_what_was_staked_won_and_moved(self, trading: Trading) -> None:
        report = revenue(ask(trading.acme.operator))
        eur, sek = report.rows
        assert (eur.key, sek.key) == (Key(currency="EUR", base_currency="EUR"), Key(currency="SEK", base_currency="EUR"))
        assert only(eur.figures) == {
            "rounds": 5,
            "boxes": 6,
            "turnover": 2500,
            "payout": 200 + 2 * 480 + 200 + 100,
            "free_boxes": 1,
            "free_cost": 100,
            "cashback": 120,
            "refunds": 500,
            "shipping": 700,
        }
        assert eur.figures.gross_revenue == 2500 - 1460
        assert only(sek.figures) == {"rounds": 1, "boxes": 1, "turnover": 5750, "payout": 5520}
        assert (sek.figures.base_turnover, sek.figures.base_payout) == (500, 480)
        assert {base: figures.base_gross_revenue for base, figures in report.base_totals.items()} == {"EUR": 1060}

    def test_hold_the_rtp_against_the_odds_of_the_boxes_that_were_bought(self, trading: Trading) -> None:
        [eur] = revenue(ask(trading.acme.operator, currency="EUR")).rows
        [sek] = revenue(ask(trading.acme.operator, currency="SEK")).rows
        assert (str(eur.figures.rtp), str(eur.figures.rtp_theory)) == ("0.584000", "0.584000")
        assert (str(sek.figures.rtp), str(sek.figures.rtp_theory)) == ("0.960000", "0.960000")
        assert Figures(cashback=5).rtp is None

    def test_add_up_to_the_same_by_everything_they_are_split_by(self, trading: Trading) -> None:
        whole = revenue(ask(trading.acme.operator)).totals
        assert whole
        for count in range(1, len(Dimension) + 1):
            for by in combinations(Dimension, count):
                for zone in Zone:
                    report = revenue(ask(trading.acme.operator, by=by, zone=zone))
                    assert report.totals == total(report.rows) == whole, by

    def test_agree_with_the_ledger_feed(self, trading: Trading) -> None:
        moved: Counter[tuple[str, str]] = Counter()
        for row in read_on(trading.s2s):
            order = "order" if row["reason"] == "refund" and row["orderPublicId"] else row["reason"]
            moved[order, row["currency"]] += row["amountMinor"]
        for (currency, _), figures in revenue(ask(trading.acme.operator)).totals.items():
            assert moved["cashback", currency] == figures.cashback
            assert moved["refund", currency] == figures.refunds
            assert -moved["shipping", currency] - moved["order", currency] == figures.shipping
            held = sum(row.amount for row in liability(operators=[trading.acme.operator], at=timezone.now())
                       if (row.kind, row.currency) == (Kind.HELD_BOX, currency))  # fmt: skip
            # What was debited for boxes was staked on drawn ones, is held, or went back.
            assert -moved["purchase", currency] == figures.turnover + held + figures.refunds

    def test_name_what_they_are_split_by(self, trading: Trading) -> None:
        rows = revenue(ask(trading.acme.operator, by=(Dimension.OPERATOR, Dimension.BOX, Dimension.FUNDING))).rows
        shown = {(row.key.box, row.key.funding, row.key.currency): row.figures.boxes for row in rows}
        assert shown == {
            ("harbour", "player", "EUR"): 0,  # refunded unopened
            ("sure-bonus", "operator", "EUR"): 1,
            ("sure-bonus", "player", "EUR"): 1,
            ("sure-cash", "player", "EUR"): 2,
            ("sure-item", "player", "EUR"): 2,
            ("sure-item", "player", "SEK"): 1,
            (None, None, "EUR"): 0,  # shipping is of no box
        }
        assert {row.key.operator for row in rows} == {"acme"}
        [version] = revenue(ask(trading.acme.operator, by=(Dimension.VERSION,), version_id=trading.boxes["sure-cash"])).rows
        assert (version.key.box, version.key.version, version.figures.turnover) == ("sure-cash", 1, 1000)

    def test_count_a_held_box_on_the_day_it_is_opened(
        self, acme: NewOperator, s2s: SignedClient, boxes: dict[str, int]
    ) -> None:
        with time_machine.travel(timezone.now() - 5 * DAY, tick=False):
            held = buy(s2s, boxes["sure-cash"], mode="prepay").body["round"]["publicId"]
        number_movements()
        assert revenue(ask(acme.operator)).rows == []
        open_held(s2s, held)
        assert [row.figures.turnover for row in revenue(ask(acme.operator)).rows] == [500]

    def test_are_of_the_named_operators_only(self, trading: Trading, stranger: NewOperator) -> None:
        assert revenue(ask(stranger.operator)).rows == []
        both = revenue(ask(trading.acme.operator, stranger.operator, by=(Dimension.OPERATOR,)))
        assert {row.key.operator for row in both.rows} == {"acme"}


class TestADay:
    @pytest.mark.parametrize(
        ("zone", "day", "starts", "hours"),
        [
            ("UTC", dt.date(2026, 3, 29), "2026-03-29T00:00:00+00:00", 24),
            ("Europe/Stockholm", dt.date(2026, 3, 29), "2026-03-28T23:00:00+00:00", 23),
            ("Europe/Stockholm", dt.date(2026, 10, 25), "2026-10-24T22:00:00+00:00", 25),
            ("Africa/Cairo", dt.date(2026, 4, 24), "2026-04-23T22:00:00+00:00", 23),  # has no midnight
            ("America/Havana", dt.date(2026, 11, 1), "2026-11-01T04:00:00+00:00", 25),  # has midnight twice
        ],
    )
    def test_begins_and_ends_where_its_zone_says(self, zone: str, day: dt.date, starts: str, hours: int) -> None:
        start, end = days.period(day, day, zone)
        assert (start.isoformat(), (end - start) / dt.timedelta(hours=1)) == (starts, hours)
        assert days.day_of(start, zone) == day == days.day_of(end - dt.timedelta(microseconds=1), zone)
        assert days.day_of(start - dt.timedelta(microseconds=1), zone) == day - DAY

    def test_is_half_open_and_the_operators_own_where_asked(
        self, acme: NewOperator, s2s: SignedClient, boxes: dict[str, int]
    ) -> None:
        Operator.objects.filter(pk=acme.operator.pk).update(time_zone="Africa/Cairo")
        operator = Operator.objects.get(pk=acme.operator.pk)
        begins = days.first_instant(dt.date(2026, 4, 24), operator.time_zone)
        for moment in (begins - dt.timedelta(microseconds=1), begins):
            with time_machine.travel(moment, tick=False):
                buy(s2s, boxes["sure-cash"])
        number_movements()
        by_day = {}
        for zone in Zone:
            chosen = ask(operator, by=(Dimension.DAY,), zone=zone, first=dt.date(2026, 4, 23), last=dt.date(2026, 4, 24))
            by_day[zone] = {str(row.key.day): row.figures.rounds for row in revenue(chosen).rows}
        assert by_day == {Zone.UTC: {"2026-04-23": 2}, Zone.OPERATOR: {"2026-04-23": 1, "2026-04-24": 1}}
        assert revenue(ask(operator, zone=Zone.OPERATOR, first=dt.date(2026, 4, 25), last=dt.date(2026, 4, 25))).rows == []


class TestLiability:
    def test_is_what_is_held_unclaimed_and_owed(self, trading: Trading) -> None:
        rows = liability(operators=[trading.acme.operator], at=timezone.now())
        assert [(row.kind, row.age, row.currency, row.count, row.amount, row.base_amount) for row in rows] == [
            (Kind.HELD_BOX, 0, "EUR", 1, 500, 500),
            (Kind.UNCLAIMED_ITEM, 0, "EUR", 1, 480, 480),
        ]

    def test_of_a_past_moment_is_told_from_what_has_happened_since(
        self, acme: NewOperator, s2s: SignedClient, boxes: dict[str, int]
    ) -> None:
        opened, refunded = (buy(s2s, boxes["sure-item"], mode="prepay").body["round"]["publicId"] for _ in range(2))
        then = timezone.now()
        open_held(s2s, opened)
        cancel(s2s, refunded)
        operators = [acme.operator]
        assert [(row.kind, row.count) for row in liability(operators=operators, at=then)] == [(Kind.HELD_BOX, 2)]
        assert [(row.kind, row.count) for row in liability(operators=operators, at=timezone.now())] == [
            (Kind.UNCLAIMED_ITEM, 1)
        ]
        later = liability(operators=operators, at=timezone.now() + 40 * DAY)
        assert [row.age_label for row in later] == ["30 to 90 days"]
        assert liability(operators=operators, at=then - DAY) == []
