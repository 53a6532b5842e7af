"""A worker that froze between the wallet's answer and its record wakes up when a newer attempt is on its way."""

import datetime as dt
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from operators.services import NewOperator
from purchases import statements
from purchases.models import Round, RoundState
from purchases.services import recovering
from tests.api.test_prepay_and_cancel import cancel
from tests.api.test_purchase import buy
from tests.casino_wallet import Casino
from tests.faulty_server import answer, reset
from tests.invariants import our_ledger, their_ledger
from tests.signed import SignedClient
from vault.services import turns
from wallet import services as wallet
from wallet.models import WalletAttempt, WalletCall
from wallet.outcomes import Outcome

# Not from the wallet, but from a gateway before it, which remembers nothing.
NO = answer(b'{"accepted":false,"errorCode":"GATEWAY"}', status=403)


def recover() -> None:
    """Let recovery ask again, as it does when the time of the attempt before is up."""
    ages_ago = timezone.now() - dt.timedelta(minutes=1)
    WalletCall.objects.filter(next_attempt_at__isnull=False).update(last_attempt_at=ages_ago, next_attempt_at=ages_ago)
    try:
        recovering.recover_due(clock=timezone.now)
    finally:
        connections.close_all()


def refused_late(s2s: SignedClient, public_id: str, casino: Casino, patch: pytest.MonkeyPatch) -> None:
    """Cancel a round: an older attempt is refused, and records that while a newer one, which is accepted, is under way."""
    patch.setattr(turns, "WAIT_FOR_FIRST_S", 0.0)
    sound = wallet.send
    turn = iter(["older", "newer"])
    newer_is_under_way, older_is_recorded = threading.Event(), threading.Event()

    def send(**kwargs: Any) -> Outcome:
        if next(turn) == "older":
            outcome = sound(**kwargs)
            pool.submit(recover)
            assert newer_is_under_way.wait(10)
            return outcome
        newer_is_under_way.set()
        assert older_is_recorded.wait(10)
        return sound(**kwargs)

    with ThreadPoolExecutor(1) as pool:
        patch.setattr(wallet, "send", send)
        casino.play(NO)
        cancel(s2s, public_id)
        older_is_recorded.set()


class TestALateRefusalOfARefund:
    def test_unlocks_nothing_that_a_newer_attempt_gives_back(
        self,
        acme: NewOperator,
        s2s: SignedClient,
        boxes: dict[str, int],
        casino: Casino,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        public_id = buy(s2s, boxes["sure-item"], mode="prepay").body["round"]["publicId"]
        refused_late(s2s, public_id, casino, monkeypatch)
        assert Round.objects.get().state == RoundState.REFUNDED
        assert our_ledger(acme.operator)["u_1", "EUR"] == their_ledger(casino.wallet)["u_1", "EUR"] == 0

    def test_does_so_where_it_may_record(
        self,
        acme: NewOperator,
        s2s: SignedClient,
        boxes: dict[str, int],
        casino: Casino,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The control: without the guard the box is free to be opened, and its money is back."""
        sound = wallet.record

        def record(*, call: WalletCall, **kwargs: Any) -> bool:
            return sound(call=WalletCall.objects.get(pk=call.pk), **kwargs)

        monkeypatch.setattr(wallet, "record", record)
        public_id = buy(s2s, boxes["sure-item"], mode="prepay").body["round"]["publicId"]
        refused_late(s2s, public_id, casino, monkeypatch)
        round_ = Round.objects.get()
        assert (round_.state, round_.locked_by) == (RoundState.HELD, None)
        assert our_ledger(acme.operator)["u_1", "EUR"] != their_ledger(casino.wallet)["u_1", "EUR"]


class TestALateAnswerToAPayout:
    def test_is_no_error(
        self, s2s: SignedClient, boxes: dict[str, int], casino: Casino, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sound = statements.record_payout
        woken = iter([recover])

        def record_payout(**kwargs: Any) -> bool:
            next(woken, lambda: None)()
            return sound(**kwargs)

        monkeypatch.setattr(statements, "record_payout", record_payout)
        casino.play(casino.wallet.answer, reset(), answer(b"", status=500))
        assert buy(s2s, boxes["sure-cash"]).status == 200
        assert list(WalletAttempt.objects.filter(call__reason="payout").values_list("number", "http_status")) == [(2, 500)]
        recover()
        assert casino.wallet.balance("u_1") == 1_000_000 - 300
