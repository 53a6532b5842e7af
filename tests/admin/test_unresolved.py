"""Unresolved money: one page, the oldest first, with what the platform will do next."""

import datetime as dt
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from lootbox.core.ids import new_id
from operators import staff
from operators.models import Operator, Player
from operators.services import NewOperator
from purchases import unresolved
from purchases.models import Round
from tests.admin.cast import browser, page, person
from tests.casino_wallet import Casino
from tests.faulty_server import answer
from tests.signed import SignedClient
from wallet.models import WalletCall

BROKEN = answer(b"", status=500)
QUEUE = "unresolved"


def buy(s2s: SignedClient, version: int, click: str) -> int:
    """Return the status of a purchase of one box."""
    reels = [{"reelIndex": 0, "boxVersionId": version}]
    body = {"playerExternalId": "u_1", "gameKey": "mystery_box", "clientActionId": click, "reels": reels}
    return s2s.post("/api/s2s/purchase", body).status


def later(minutes: float) -> Any:
    """Let so much time pass for the pages."""
    return time_machine.travel(timezone.now() + dt.timedelta(minutes=minutes))


@pytest.fixture
def support(acme: NewOperator) -> User:
    """Return Acme's support."""
    return person("sue", role=staff.SUPPORT, at=acme.operator)


@pytest.fixture
def unknown(s2s: SignedClient, casino: Casino, boxes: dict[str, int]) -> WalletCall:
    """Return a debit of unknown fate."""
    casino.server.play(BROKEN)
    assert buy(s2s, boxes["harbour"], "c-1") == 503
    return WalletCall.objects.get()


class TestTheQueue:
    def test_says_how_old_how_much_whose_and_what_comes_next(self, unknown: WalletCall, support: User) -> None:
        client = browser(support)
        with later(minutes=1):
            assert "player&#x27;s app to try again; learn in" in client.get(page(QUEUE)).content.decode()
        with later(minutes=20):
            shown = client.get(page(QUEUE)).content.decode()
        for told in ("20 min", "5.00 EUR", "Acme", "u_1", "1 time", "The wallet answered 500", unknown.idempotency_key):
            assert told in shown, told
        assert page("act", "ask_wallet", unknown.pk) in shown
        assert page("act", "resolve_call", unknown.pk) not in shown, "support may not"

    def test_leaves_out_what_is_under_way_or_done(
        self, s2s: SignedClient, casino: Casino, boxes: dict[str, int], support: User
    ) -> None:
        buy(s2s, boxes["sure-item"], "c-1")
        casino.server.play(BROKEN)
        buy(s2s, boxes["harbour"], "c-2")
        client = browser(support)
        assert "Nothing. Every call" in client.get(page(QUEUE)).content.decode()
        with later(minutes=1):
            shown = client.get(page(QUEUE)).content.decode()
        done, unknown = (call.idempotency_key for call in WalletCall.objects.order_by("pk"))
        assert unknown in shown
        assert done not in shown

    def test_holds_a_round_that_no_call_of_it_waits_for(self, acme: NewOperator, support: User) -> None:
        now = timezone.now()
        player = Player.objects.create(operator=acme.operator, external_id="u_1")
        for state, minutes in (("pending", 2), ("undoing", 1)):
            # As a process leaves it that died beside its wallet calls.
            Round.objects.create(
                id=new_id(), operator=acme.operator, player=player, mode="open", funding="player", state=state, currency="EUR",
                bet_minor=500, base_currency="EUR", base_bet_minor=500, fx_rate=1, purchased_at=now - dt.timedelta(minutes=5),
                recover_at=now + dt.timedelta(minutes=minutes), undone_at=now if state == "undoing" else None,
            )  # fmt: skip
        shown = browser(support).get(page(QUEUE)).content.decode()
        assert "begin to undo the round" in shown
        assert "give back whatever was taken" in shown
        assert "10.00 EUR" in shown

    def test_is_scoped_and_for_those_who_see_wallet_calls(self, unknown: WalletCall, stranger: NewOperator) -> None:
        xena = browser(person("xena", role=staff.SUPPORT, at=stranger.operator))
        with later(minutes=20):
            for query in ({}, {"operator": str(unknown.operator_id)}):
                assert unknown.idempotency_key not in xena.get(page(QUEUE), query).content.decode()
        cat = browser(person("cat", role=staff.CATALOGUE_MANAGER, at=unknown.operator))
        assert cat.get(page(QUEUE)).status_code == 403

    @pytest.mark.parametrize(
        "query", [{"after": "x"}, {"after": "2026-01-01T00:00:00Z~x"}, {"operator": "1e9"}, {"after": "\x00"}]
    )
    def test_survives_any_address(self, support: User, query: dict[str, str]) -> None:
        assert browser(support).get(page(QUEUE), query).status_code == 200

    def test_is_paged_by_place_and_summed_by_operator_and_currency(
        self, unknown: WalletCall, support: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(unresolved, "PER_PAGE", 2)
        player, made = Player.objects.get(), timezone.now() - dt.timedelta(hours=1)
        copies = [_copy(unknown, player, index, made) for index in range(4)]
        with CaptureQueriesContext(connection) as captured:
            first = self.page_of(support, "")
        assert len(captured) < 10, "however many lines there are"
        assert [(total.operator, total.waiting, total.amount) for total in first.totals] == [("Acme", 5, "9.00 EUR")]
        seen, after = [], ""
        while True:
            queue = self.page_of(support, after)
            seen += [line.pk for line in queue.lines]
            if queue.after is None:
                break
            after = queue.after
        assert [str(key) for key in seen] == [*[str(copy.pk) for copy in copies], str(unknown.pk)]

    @staticmethod
    def page_of(user: User, after: str) -> unresolved.Queue:
        """Return a page of the queue."""
        return unresolved.queue(
            user=User.objects.get(pk=user.pk), operator_id=None, after=after, at=timezone.now() + dt.timedelta(minutes=20)
        )


class TestTheOverview:
    def test_tells_of_money_that_has_been_unresolved_for_too_long(self, unknown: WalletCall, support: User) -> None:
        client = browser(support)
        with later(minutes=10):
            assert "has not been known" not in client.get("/admin/").content.decode()
        with later(minutes=20):
            assert "has not been known for 20 min" in client.get("/admin/").content.decode()


def _copy(call: WalletCall, player: Player, index: int, made: dt.datetime) -> Any:
    operator: Operator = call.operator
    return WalletCall.objects.create(
        id=f"00000000-0000-0000-0000-00000000000{index}", operator=operator, player=player, type="wallet.credit",
        reason="cashback", idempotency_key=f"k{index}", amount_minor=100, currency="EUR", base_amount_minor=100,
        base_currency="EUR", body=b"{}", state="unknown", attempts=1, created_at=made, next_attempt_at=timezone.now(),
    )  # fmt: skip
