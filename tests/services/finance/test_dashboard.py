"""The dashboard's figures: what the reports define, by hour and day, from counts."""

import datetime as dt
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from finance import dashboard, panels, reports
from finance.dashboard import PERIODS, Choice
from finance.models import PlayTally
from lootbox.core.ids import new_id
from operators.models import Operator, Player
from operators.services import NewOperator, change_settings
from tests.conftest import HARBOUR, publish_boxes
from tests.counting import count
from tests.factories.catalog import ExchangeRateFactory
from tests.signed import SignedClient
from wallet.models import CallState, WalletCall

NOW = timezone.now()
HOUR = dt.timedelta(hours=1)


def buy(s2s: SignedClient, version: int, *, reels: int, currency: str = "EUR", funding: str = "player") -> None:
    """Open so many boxes in one purchase."""
    body = {
        "playerExternalId": "u_1", "gameKey": "mystery_box", "clientActionId": str(uuid4()), "currency": currency,
        "funding": funding, "reels": [{"reelIndex": index, "boxVersionId": version} for index in range(reels)],
    }  # fmt: skip
    assert s2s.post("/api/s2s/purchase", body).status == 200


def tally(made: NewOperator, version: int, ago: dt.timedelta, *, boxes: int = 1, currency: str = "EUR") -> None:
    """Count so many boxes as opened so long ago, which paid out half their price."""
    PlayTally.objects.create(
        operator=made.operator, box_version_id=version, currency=currency, base_currency="EUR", funding="player",
        hour=(NOW - ago).replace(minute=0, second=0, microsecond=0), rounds=boxes, boxes=boxes,
        bet_minor=500 * boxes, base_bet_minor=500 * boxes, won_minor=250 * boxes, base_won_minor=250 * boxes,
    )  # fmt: skip


def call(made: NewOperator, *, made_ago: dt.timedelta, resolved_ago: dt.timedelta | None, attempts: int, amount: int) -> None:
    """Have a wallet call that was made and resolved so long ago, or is not yet."""
    player, _ = Player.objects.get_or_create(operator=made.operator, external_id="u_1")
    unresolved = resolved_ago is None
    WalletCall.objects.create(
        id=new_id(), operator=made.operator, player=player, type="wallet.credit", reason="cashback",
        idempotency_key=str(uuid4()), amount_minor=amount, currency="EUR", base_amount_minor=amount, base_currency="EUR",
        body=b"{}", attempts=attempts,
        state=CallState.UNKNOWN if unresolved else CallState.REFUSED, created_at=NOW - made_ago,
        resolved_at=None if resolved_ago is None else NOW - resolved_ago, next_attempt_at=NOW if unresolved else None,
    )  # fmt: skip


def choice(*operators: Operator, period: str = "24h", currency: str | None = None) -> Choice:
    """Choose what is shown."""
    return Choice(PERIODS[period], operators, currency)


class TestWhatWasPlayed:
    def test_is_what_the_reports_say(self, acme: NewOperator, s2s: SignedClient) -> None:
        ExchangeRateFactory.create(base="EUR", quote="SEK", rate="11.2345")
        change_settings(operator=acme.operator, changes={"currencies": "EUR,SEK"}, at=timezone.now())
        version = publish_boxes(acme, HARBOUR)["harbour"]
        buy(s2s, version, reels=3)
        buy(s2s, version, reels=2, currency="SEK")
        buy(s2s, version, reels=4, funding="operator")
        count()
        at = timezone.now()
        for currency in ("EUR", "SEK"):
            board = dashboard.read(choice=choice(acme.operator, period="7d", currency=currency), at=at)
            shown = dashboard.total(board.now, currency)
            selection = reports.Selection(
                operators=[acme.operator], first=at.date() - dt.timedelta(days=6), last=at.date(), currency=currency
            )
            (reported,) = reports.revenue(selection).totals.values()
            assert (shown.rounds, shown.turnover, shown.payout, shown.free_cost, shown.gross) == (
                reported.rounds, reported.turnover, reported.payout, reported.free_cost, reported.gross_revenue,
            )  # fmt: skip
            assert shown.theory is not None
            assert reported.rtp_theory is not None
            assert float(shown.theory) == pytest.approx(float(reported.rtp_theory), abs=0.00005)
        in_base = dashboard.read(choice=choice(acme.operator), at=at)
        assert in_base.units() == ["EUR"]
        assert dashboard.total(in_base.now, "EUR").turnover == 5 * 500

    def test_is_told_by_hour_and_by_day_beside_the_time_before(self, acme: NewOperator) -> None:
        version = publish_boxes(acme, HARBOUR)["harbour"]
        for hours, boxes in ((0, 1), (23, 2), (24, 4), (47, 8), (48, 16)):
            tally(acme, version, hours * HOUR, boxes=boxes)
        board = dashboard.read(choice=choice(acme.operator), at=NOW)
        sums = dashboard.by_bucket(board.now, PERIODS["24h"].buckets(NOW), "EUR")
        assert [one.boxes for one in sums] == [2, *[0] * 22, 1]
        assert dashboard.total(board.before).boxes == 12
        month = dashboard.read(choice=choice(acme.operator, period="30d"), at=NOW)
        days = dashboard.by_bucket(month.now, PERIODS["30d"].buckets(NOW))
        assert (len(days), sum(one.boxes for one in days)) == (30, 31)

    def test_is_never_added_over_currencies_or_operators_that_are_not_chosen(
        self, acme: NewOperator, stranger: NewOperator
    ) -> None:
        mine, theirs = publish_boxes(acme, HARBOUR)["harbour"], publish_boxes(stranger, HARBOUR)["harbour"]
        tally(acme, mine, HOUR)
        tally(acme, mine, HOUR, boxes=2, currency="SEK")
        tally(stranger, theirs, HOUR, boxes=100)
        board = dashboard.read(choice=choice(acme.operator, currency="SEK"), at=NOW)
        assert board.units() == ["SEK"]
        assert dashboard.total(board.now, "SEK").boxes == 2
        assert dashboard.total(dashboard.read(choice=choice(acme.operator), at=NOW).now).boxes == 3

    def test_costs_six_statements_whatever_is_shown(self, acme: NewOperator) -> None:
        with CaptureQueriesContext(connection) as captured:
            dashboard.read(choice=choice(acme.operator, period="30d"), at=NOW)
        assert len(captured) <= 7


class TestMoneyOfUnknownFate:
    def test_is_told_by_age_and_as_it_was(self, acme: NewOperator) -> None:
        call(acme, made_ago=3 * HOUR, resolved_ago=None, attempts=4, amount=700)
        call(acme, made_ago=10 * HOUR, resolved_ago=5 * HOUR, attempts=3, amount=300)
        call(acme, made_ago=10 * HOUR, resolved_ago=10 * HOUR - dt.timedelta(seconds=1), attempts=1, amount=10_000)
        board = dashboard.read(choice=choice(acme.operator), at=NOW)
        (now,) = board.unresolved
        assert (now.age, now.calls, now.amount_minor) == (2, 1, 700)
        buckets = PERIODS["24h"].buckets(NOW)
        waited = {row.moment: row.amount_minor for row in board.waited}
        assert waited[buckets[-1]] == 700
        assert [waited.get(bucket, 0) for bucket in buckets[-8:-6]] == [300, 300]
        assert [waited.get(bucket, 0) for bucket in buckets[-12:-11]] == [0]
        assert max(waited.values()) == 700

    def test_is_none_of_another_operators(self, acme: NewOperator, stranger: NewOperator) -> None:
        call(acme, made_ago=3 * HOUR, resolved_ago=None, attempts=4, amount=700)
        board = dashboard.read(choice=choice(stranger.operator), at=NOW)
        assert board.unresolved == []
        assert board.waited == []


class TestThePage:
    def test_says_how_figures_changed(self, acme: NewOperator) -> None:
        version = publish_boxes(acme, HARBOUR)["harbour"]
        tally(acme, version, HOUR, boxes=3)
        tally(acme, version, 26 * HOUR, boxes=2)
        cards = {card.label: card for card in panels.panels(dashboard.read(choice=choice(acme.operator), at=NOW)).cards}
        assert (cards["Turnover"].figure, cards["Turnover"].detail) == ("15.00 EUR", "+50 % on the 24 hours before")
        assert (cards["RTP"].figure, cards["RTP"].detail) == ("50.00 %", "by the odds 95.60 %")
        assert cards["Gross revenue"].figure == "7.50 EUR"

    def test_splits_the_turnover_where_there_is_something_to_split(self, acme: NewOperator, stranger: NewOperator) -> None:
        for made in (acme, stranger):
            version = publish_boxes(made, HARBOUR)["harbour"]
            tally(made, version, HOUR)
            tally(made, version, HOUR, currency="SEK")
        both, one = (
            panels.panels(dashboard.read(choice=choice(*operators), at=NOW)).charts[-1]
            for operators in ((acme.operator, stranger.operator), (acme.operator,))
        )
        assert (both.title, [plot.name for plot in both.plots]) == ("Turnover by operator, in EUR", ["Acme", "Stranger"])
        assert (one.title, [plot.name for plot in one.plots]) == ("Turnover by currency, in EUR", ["EUR", "SEK"])
        assert both.rows[-2][1:] == ("10.00 EUR", "10.00 EUR")

    def test_is_whole_when_nothing_ever_happened(self, acme: NewOperator) -> None:
        shown = panels.panels(dashboard.read(choice=choice(acme.operator), at=NOW))
        assert {card.figure for card in shown.cards} == {"0", "0.00 EUR", "none"}
        assert not any(chart.rows for chart in [*shown.charts, *shown.unresolved, shown.webhooks])
