"""docs/finance.md: the worked example is computed here, so that it stays true; every column of the files is explained."""

from collections import Counter
from pathlib import Path

import pytest
from django.utils import timezone

from finance.exports.columns import REVENUE
from finance.liability import Kind, liability
from finance.reports import revenue
from lootbox.core.wording import money
from tests.api.test_ledger import read_on
from tests.services.finance.test_reports import ask
from tests.services.finance.trading import Trading

DOCS = (Path(__file__).parents[3] / "docs" / "finance.md").read_text()


def amount(minor: int) -> str:
    """Return an amount of two digits as the example writes it."""
    return money(minor, "EUR").removesuffix(" EUR")


def line(*cells: object) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(map(str, cells))} |"


class TestTheWorkedExample:
    def test_shows_the_report_of_its_day(self, trading: Trading) -> None:
        for row in revenue(ask(trading.acme.operator)).rows:
            of = row.figures
            assert of.rtp is not None
            assert of.rtp_theory is not None
            amounts = (of.turnover, of.payout, of.gross_revenue)
            others = (of.free_cost, of.cashback, of.refunds, of.shipping)
            shown = line(
                row.key.currency,
                *(of.rounds, of.boxes, of.free_boxes),
                *map(amount, amounts),
                *(f"{of.rtp:.2%}", f"{of.rtp_theory:.2%}"),
                *map(amount, others),
            )
            assert shown in DOCS
        [base] = revenue(ask(trading.acme.operator)).base_totals.values()
        told = (base.base_turnover, base.base_payout, base.base_gross_revenue)
        assert "turnover {}, payout {}, gross revenue {}.".format(*map(amount, told)) in DOCS

    def test_adds_up_in_the_ledger_and_in_what_is_owed(self, trading: Trading) -> None:
        moved = Counter[str]()
        for row in read_on(trading.s2s):
            if row["currency"] == "EUR":
                moved[row["reason"]] += row["amountMinor"]
        for reason, minor in moved.items():
            assert line(reason, amount(minor)) in DOCS
        assert line("together", amount(sum(moved.values()))) in DOCS
        [eur] = revenue(ask(trading.acme.operator, currency="EUR")).rows
        owed = {row.kind: row.amount for row in liability(operators=[trading.acme.operator], at=timezone.now())}
        assert owed == {Kind.HELD_BOX: 500, Kind.UNCLAIMED_ITEM: 480}
        assert -moved["purchase"] == eur.figures.turnover + eur.figures.refunds + owed[Kind.HELD_BOX]


class TestEveryColumn:
    @pytest.mark.parametrize("name", [column.name for column in REVENUE if not column.name.startswith("base")])
    def test_is_explained(self, name: str) -> None:
        assert f"`{name}`" in DOCS or name in {"boxId", "boxVersionId", "currency"}

    @pytest.mark.parametrize("kind", Kind)
    def test_and_every_kind_of_liability(self, kind: Kind) -> None:
        assert f"`{kind.value}`" in DOCS
