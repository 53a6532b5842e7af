"""What the platform asks of every wallet before it goes live, asked of the reference wallet over HTTP."""

import csv
import json
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path
from socket import create_connection
from typing import Any

import cashier
import database
import pytest

from tests.casino.caller import Client, credit, debit, rollback

REFUSED = {"accepted": False}


def balance(casino: Client, player: str = "u_1", currency: str = "EUR") -> int:
    answer = casino.wallet({"type": "wallet.balance", "playerExternalId": player, "currency": currency})
    assert answer.json == {"balanceMinor": answer.json["balanceMinor"], "currency": currency}
    return int(answer.json["balanceMinor"])


def moved(casino: Client) -> list[tuple[str, int]]:
    return [(movement["key"], movement["movedMinor"]) for movement in casino.ledger()["movements"]]


class TestDebitAndCredit:
    def test_moves_whole_minor_units_and_says_what_is_left(self, casino: Client) -> None:
        assert casino.wallet(debit(amount=500)).json == {
            "accepted": True,
            "balanceAfterMinor": 49_500,
            "providerTxnRef": "w-1",
        }
        assert casino.wallet(credit(amount=320)).json["balanceAfterMinor"] == 49_820
        assert balance(casino) == 49_820

    def test_keeps_players_and_currencies_apart(self, casino: Client) -> None:
        casino.wallet(debit("round:r_1", player="u_1"))
        casino.wallet(debit("round:r_2", player="u_1", currency="SEK", amount=1))
        assert balance(casino, "u_1") == 49_500
        assert balance(casino, "u_1", "SEK") == 49_999
        assert balance(casino, "u_2") == 50_000

    def test_refuses_what_the_player_does_not_have(self, casino: Client) -> None:
        answer = casino.wallet(debit(amount=50_001))
        assert (answer.status, answer.json) == (
            200,
            {"accepted": False, "errorCode": "INSUFFICIENT_FUNDS", "balanceAfterMinor": 50_000},
        )
        assert balance(casino) == 50_000

    def test_lets_a_player_spend_everything(self, casino: Client) -> None:
        assert casino.wallet(debit(amount=50_000)).json["balanceAfterMinor"] == 0

    def test_pays_a_player_whom_it_never_met(self, casino: Client) -> None:
        assert casino.wallet(credit(player="u_new", amount=1)).json["balanceAfterMinor"] == 50_001


class TestRepeats:
    @pytest.mark.parametrize("call", [debit(), credit(), debit(amount=60_000), rollback()])
    def test_act_once_and_answer_the_same(self, casino: Client, call: dict[str, Any]) -> None:
        first = casino.wallet(call).json
        books = casino.ledger()
        casino.wallet(credit("payout:round:other", amount=20_000, player="u_2"))
        assert casino.wallet(call).json == first
        assert casino.ledger()["movements"][:1] == books["movements"]
        assert len(casino.ledger()["movements"]) == 2

    @pytest.mark.parametrize(
        "changed",
        [{"amountMinor": 501}, {"playerExternalId": "u_2"}, {"currency": "SEK"}, {"type": "wallet.credit"}],
    )
    def test_with_the_same_key_and_something_else_are_refused(self, casino: Client, changed: dict[str, Any]) -> None:
        casino.wallet(debit())
        books = casino.ledger()
        assert casino.wallet(debit() | changed).json == REFUSED | {"errorCode": "IDEMPOTENCY_CONFLICT"}
        assert casino.ledger() == books

    def test_of_a_refusal_stay_refused_after_a_top_up(self, casino: Client) -> None:
        first = casino.wallet(debit(amount=60_000)).json
        casino.wallet(credit("deposit", amount=100_000))
        assert casino.wallet(debit(amount=60_000)).json == first
        assert balance(casino) == 150_000

    def test_get_the_answer_that_the_caller_did_not_wait_for(self, casino: Client) -> None:
        body = json.dumps(debit()).encode()
        headers = casino.signed("/wallet", body) | {"Idempotency-Key": "round:r_1", "Content-Length": str(len(body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        with create_connection(("127.0.0.1", casino.port)) as connection:
            connection.sendall(f"POST /wallet HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode() + body)
        assert casino.wallet(debit()).json["balanceAfterMinor"] == 49_500
        assert moved(casino) == [("round:r_1", -500)]

    def test_are_known_by_the_signed_body_whatever_the_header_says(self, casino: Client) -> None:
        first = casino.wallet(debit()).json
        assert casino.wallet(debit(), **{"Idempotency-Key": "round:r_2"}).json == first
        assert moved(casino) == [("round:r_1", -500)]

    def test_are_remembered_for_years(self, db: sqlite3.Connection) -> None:
        call = cashier.read(json.dumps(debit()).encode())
        first = cashier.answer(db, call, at="2026-01-01T00:00:00Z")
        assert cashier.answer(db, call, at="2036-01-01T00:00:00Z") == first


class TestRollback:
    def test_gives_an_accepted_debit_back_once(self, casino: Client) -> None:
        casino.wallet(debit())
        assert casino.wallet(rollback()).json["accepted"] is True
        assert casino.wallet(rollback()).json["balanceAfterMinor"] == 50_000
        assert moved(casino) == [("round:r_1", -500), ("rollback:round:r_1", 500)]

    def test_before_the_debit_is_remembered(self, casino: Client) -> None:
        assert casino.wallet(rollback()).json["accepted"] is True
        late = casino.wallet(debit()).json
        assert (late["accepted"], late["errorCode"]) == (False, "ROLLED_BACK")
        assert casino.wallet(debit()).json == late
        assert balance(casino) == 50_000

    def test_makes_the_debit_s_repeats_refused(self, casino: Client) -> None:
        casino.wallet(debit())
        casino.wallet(rollback())
        assert casino.wallet(debit()).json == REFUSED | {"errorCode": "ROLLED_BACK"}
        assert balance(casino) == 50_000

    def test_of_a_refused_debit_moves_nothing(self, casino: Client) -> None:
        refused = casino.wallet(debit(amount=60_000)).json
        assert casino.wallet(rollback(amount=60_000)).json["accepted"] is True
        assert casino.wallet(debit(amount=60_000)).json == refused
        assert balance(casino) == 50_000

    @pytest.mark.parametrize("taken", [credit("round:r_1"), debit(amount=499), debit(player="u_2")])
    def test_of_another_movement_is_refused(self, casino: Client, taken: dict[str, Any]) -> None:
        casino.wallet(taken)
        assert casino.wallet(rollback()).json["errorCode"] == "IDEMPOTENCY_CONFLICT"
        assert casino.wallet(taken).json["accepted"] is True
        assert balance(casino) == 50_000 + sum(amount for _, amount in moved(casino) if taken["playerExternalId"] == "u_1")

    def test_is_not_mistaken_for_a_credit_under_such_a_key(self, casino: Client) -> None:
        casino.wallet(credit("rollback:round:r_1"))
        assert casino.wallet(debit()).json["accepted"] is True


class TestConcurrentCalls:
    def test_fifty_with_one_key_take_the_money_once(self, casino: Client) -> None:
        with ThreadPoolExecutor(50) as pool:
            answers = [answer.json for answer in pool.map(casino.wallet, [debit()] * 50)]
        assert Counter(map(json.dumps, answers)).most_common() == [(json.dumps(answers[0]), 50)]
        assert answers[0]["accepted"] is True
        assert moved(casino) == [("round:r_1", -500)]

    def test_fifty_with_their_own_keys_never_overdraw(self, casino: Client) -> None:
        calls = [debit(f"round:r_{number}", amount=2_000) for number in range(50)]
        with ThreadPoolExecutor(50) as pool:
            answers = [answer.json["accepted"] for answer in pool.map(casino.wallet, calls)]
        assert Counter(answers) == {True: 25, False: 25}
        assert balance(casino) == 0
        assert casino.ledger()["balances"] == [{"player": "u_1", "currency": "EUR", "openingMinor": 50_000, "balanceMinor": 0}]

    @pytest.mark.parametrize("guarded", [True, False])
    def test_that_meet_between_reading_and_writing_need_the_lock(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        guarded: bool,  # noqa: FBT001 - a table's column
    ) -> None:
        """Without the lock both spend the same money: the race is real, and the lock is what ends it."""
        path, decide, both = tmp_path / "books.sqlite3", cashier._decide, threading.Barrier(2)
        database.create(path)

        def decide_together(db: sqlite3.Connection, call: cashier.Call, before: int) -> tuple[int, str | None]:
            decided = decide(db, call, before)
            with suppress(threading.BrokenBarrierError):
                both.wait(timeout=1)
            return decided

        monkeypatch.setattr(cashier, "_decide", decide_together)

        def spend(key: str) -> object:
            with closing(database.connect(path)) as db, database.transaction(db) if guarded else nullcontext():
                call = cashier.Call(type="wallet.debit", player="u_1", currency="EUR", key=key, amount_minor=30_000)
                return cashier.answer(db, call, at="2026-01-01T00:00:00Z")["accepted"]

        with ThreadPoolExecutor(2) as pool:
            accepted = sum(map(bool, pool.map(spend, ["round:r_1", "round:r_2"])))
        assert accepted == (1 if guarded else 2)


class TestSignature:
    @contextmanager
    def nothing_changes(self, casino: Client) -> Iterator[None]:
        books = casino.ledger()
        yield
        assert casino.ledger() == books
        assert "round:r_1" not in casino.get("/calls").text

    def test_of_another_secret_is_refused(self, casino: Client) -> None:
        body = json.dumps(debit()).encode()
        with self.nothing_changes(casino):
            answer = casino.send("POST", "/wallet", body, casino.signed("/wallet", body, secret="whsec_AAAA"))
            assert (answer.status, answer.json) == (401, {"error": "The signature does not hold."})

    def test_of_an_old_request_is_refused(self, casino: Client) -> None:
        body = json.dumps(debit()).encode()
        with self.nothing_changes(casino):
            assert casino.send("POST", "/wallet", body, casino.signed("/wallet", body, now=1_790_000_000)).status == 401

    def test_that_is_missing_is_refused_whatever_the_body(self, casino: Client) -> None:
        with self.nothing_changes(casino):
            assert casino.send("POST", "/wallet", b"\xff" * 10).status == 401


class TestMalformedCalls:
    @pytest.mark.parametrize(
        "changed",
        [
            {"type": "wallet.steal"},
            {"type": None},
            {"playerExternalId": ""},
            {"playerExternalId": "a\x00b"},
            {"playerExternalId": "\ud800"},
            {"currency": 5},
            {"idempotencyKey": "x" * 201},
            {"amountMinor": 0},
            {"amountMinor": -5},
            {"amountMinor": 5.0},
            {"amountMinor": "5"},
            {"amountMinor": True},
            {"amountMinor": 2**53},
            {"type": "wallet.rollback"},
            {"type": "wallet.rollback", "rollbackOf": "round:r_1"},
        ],
    )
    def test_are_refused_and_leave_nothing(self, casino: Client, changed: dict[str, Any]) -> None:
        answer = casino.wallet(debit() | changed)
        assert (answer.status, answer.json["errorCode"]) == (400, "INVALID_REQUEST")
        assert casino.ledger() == {"movements": [], "balances": []}

    @pytest.mark.parametrize(
        "body", [b"", b"[]", b"nonsense", b"\xff\xfe", json.dumps(debit()).encode("utf-16"), b"[" * 60_000]
    )
    def test_that_are_no_object_are_refused(self, casino: Client, body: bytes) -> None:
        answer = casino.send("POST", "/wallet", body, casino.signed("/wallet", body))
        assert (answer.status, answer.json["errorCode"]) == (400, "INVALID_REQUEST")


class TestLedger:
    def test_lists_every_movement_with_what_a_statement_needs(self, casino: Client) -> None:
        casino.wallet(debit(amount=60_000))
        casino.wallet(credit(amount=320))
        refused, paid = casino.ledger()["movements"]
        assert refused.pop("at").endswith("Z")
        assert refused == {
            "key": "round:r_1",
            "type": "wallet.debit",
            "player": "u_1",
            "amountMinor": 60_000,
            "movedMinor": 0,
            "currency": "EUR",
            "accepted": False,
            "errorCode": "INSUFFICIENT_FUNDS",
            "providerTxnRef": None,
        }
        assert (paid["accepted"], paid["errorCode"], paid["providerTxnRef"]) == (True, None, "w-2")

    def test_adds_up_to_the_balance(self, casino: Client) -> None:
        for call in (
            debit(),
            debit("round:r_2", amount=60_000),
            credit(),
            rollback(),
            rollback("round:r_9"),
            debit("round:r_3"),
        ):
            casino.wallet(call)
        books = casino.ledger()
        (account,) = books["balances"]
        assert account["openingMinor"] + sum(row["movedMinor"] for row in books["movements"]) == account["balanceMinor"]


class TestTheStatement:
    def test_has_what_moved_money_and_nothing_else(self, casino: Client) -> None:
        casino.wallet(debit("round:r_1", amount=500))
        casino.wallet(debit("round:r_2", amount=60_000))
        casino.wallet(credit("payout:round:r_1", amount=320))
        answer = casino.get("/statement.csv")
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        headings, *lines = csv.reader(answer.text.splitlines())
        assert headings == ["Transaction", "Platform's key", "Player", "Type", "Amount", "Currency", "Booked at"]
        assert [line[:6] for line in lines] == [
            ["w-1", "round:r_1", "u_1", "wallet.debit", "-500", "EUR"],
            ["w-3", "payout:round:r_1", "u_1", "wallet.credit", "320", "EUR"],
        ]
