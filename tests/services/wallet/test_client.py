"""What the platform makes of an operator's wallet, tried on a real socket (contract section 10)."""

import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from django.db import connections, transaction
from pytest_django.fixtures import Settings

from lootbox.core import http, signing
from tests.faulty_server import Act, FaultyServer, Peer, Received, answer, endless, framed, in_turn, never, raw, redirect, reset
from wallet import client
from wallet.client import BalanceUnavailable, WalletEndpoint
from wallet.outcomes import Fate, Outcome

AT = dt.datetime(2026, 9, 21, 14, 13, 20, tzinfo=dt.UTC)
TIMESTAMP = "1790000000"
SECRET = "whsec_new"
KEY = "round:r_01J"
DEBIT = b'{"type":"wallet.debit","idempotencyKey":"round:r_01J","playerExternalId":"u_8431","amountMinor":500,"currency":"EUR"}'
ACCEPTED = {"accepted": True, "balanceAfterMinor": 9250, "providerTxnRef": "w-551"}
REFUSED = {"accepted": False, "errorCode": "INSUFFICIENT_FUNDS", "balanceAfterMinor": 20}
NOT_FOUND_OUT = (408, 425, 429, 500, 502, 503, 504, 599)

pytestmark = pytest.mark.usefixtures("_wallet")


@pytest.fixture
def _wallet(settings: Settings) -> Iterator[None]:
    settings.LOOTBOX_ALLOW_PRIVATE_URLS = True
    settings.LOOTBOX_WALLET_TIMEOUT_S = 10.0
    yield
    http.close_connections()


def call(url: str, *, secret: str = SECRET, previous_secret: str | None = None, key: str = KEY) -> Outcome:
    endpoint = WalletEndpoint(url=url, secret=secret, previous_secret=previous_secret)
    return client.call(endpoint=endpoint, body=DEBIT, idempotency_key=key, at=AT)


def outcome_of(act: Act) -> Outcome:
    """Return what a debit comes to when the wallet does this, having seen that it was sent just once."""
    with FaultyServer(act) as server:
        outcome = call(server.url("/wallet"))
        server.wait_received(1)
        assert [request.body for request in server.received] == [DEBIT]
    return outcome


def says(content: object, *, status: int = 200) -> Act:
    return answer(json.dumps(content).encode(), status=status)


class TestRequest:
    """What the wallet gets to see."""

    def test_it_is_the_stored_body_signed(self) -> None:
        with FaultyServer(says(ACCEPTED)) as server:
            call(server.url("/casino/wal%20let?site=1"))
        (request,) = server.received
        assert (request.method, request.target, request.body) == ("POST", "/casino/wal%20let?site=1", DEBIT)
        assert request.headers["content-type"] == "application/json"
        assert request.headers["user-agent"] == "LootBox"
        assert request.headers["idempotency-key"] == KEY
        assert request.headers["x-timestamp"] == TIMESTAMP
        assert request.headers["x-signature"] == signing.sign(
            secret=SECRET, timestamp=TIMESTAMP, method="POST", path="/casino/wal%20let", body=DEBIT
        )
        assert "x-signature-previous" not in request.headers

    def test_while_secrets_overlap_it_is_signed_with_both(self) -> None:
        with FaultyServer(says(ACCEPTED)) as server:
            call(server.url("/wallet"), previous_secret="whsec_old")
        (request,) = server.received
        for header, secret in {"x-signature": SECRET, "x-signature-previous": "whsec_old"}.items():
            expected = signing.sign(secret=secret, timestamp=TIMESTAMP, method="POST", path="/wallet", body=DEBIT)
            assert request.headers[header] == expected

    def test_a_callers_key_may_be_in_any_script(self) -> None:
        with FaultyServer(says(ACCEPTED)) as server:
            assert call(server.url(), key="clé-鍵").fate is Fate.ACCEPTED
        assert server.received[0].headers["idempotency-key"] == "clé-鍵"


class TestAccepted:
    """Only a 2xx that says `accepted: true` moves on."""

    @pytest.mark.parametrize("status", [200, 201, 202, 299])
    def test_it_carries_what_the_wallet_said(self, status: int) -> None:
        outcome = outcome_of(says(ACCEPTED, status=status))
        assert (outcome.fate, outcome.http_status, outcome.error_code) == (Fate.ACCEPTED, status, None)
        assert (outcome.balance_after_minor, outcome.provider_txn_ref) == (9250, "w-551")
        assert json.loads(outcome.excerpt) == ACCEPTED
        assert outcome.latency_ms >= 0

    def test_unknown_fields_are_ignored(self) -> None:
        assert outcome_of(says({"accepted": True, "errorCode": "X", "more": [1.5, None]})).fate is Fate.ACCEPTED

    def test_a_right_echo_is_fine(self) -> None:
        echo = {"accepted": True, "idempotencyKey": KEY, "amountMinor": 500, "currency": "EUR"}
        assert outcome_of(says(echo)).fate is Fate.ACCEPTED

    @pytest.mark.parametrize("balance", [0, -1, 2**53 - 1, -(2**53) + 1])
    def test_a_balance_is_a_whole_number(self, balance: int) -> None:
        assert outcome_of(says(ACCEPTED | {"balanceAfterMinor": balance})).balance_after_minor == balance

    @pytest.mark.parametrize("balance", [None, True, 5.0, "5", 2**53, -(2**53), 10**30, [], {}])
    def test_any_other_balance_is_none_and_the_money_moved_all_the_same(self, balance: object) -> None:
        outcome = outcome_of(says(ACCEPTED | {"balanceAfterMinor": balance}))
        assert (outcome.fate, outcome.balance_after_minor) == (Fate.ACCEPTED, None)

    @pytest.mark.parametrize("reference", ["x", "x" * 190, "Überweisung 7"])
    def test_a_reference_is_a_clean_string(self, reference: str) -> None:
        assert outcome_of(says(ACCEPTED | {"providerTxnRef": reference})).provider_txn_ref == reference

    @pytest.mark.parametrize("reference", [None, "", "x" * 191, 5, True, ["x"], "a\nb", "a\x00", "a\x85", "\ud800", "a\u202eb"])
    def test_any_other_reference_is_none(self, reference: object) -> None:
        outcome = outcome_of(says(ACCEPTED | {"providerTxnRef": reference}))
        assert (outcome.fate, outcome.provider_txn_ref) == (Fate.ACCEPTED, None)


class TestRefused:
    """A well-formed refusal is final: nothing moved."""

    @pytest.mark.parametrize("status", [200, 201, 400, 401, 402, 403, 404, 409, 422, 499])
    def test_it_carries_what_the_wallet_said(self, status: int) -> None:
        outcome = outcome_of(says(REFUSED, status=status))
        assert (outcome.fate, outcome.http_status) == (Fate.REFUSED, status)
        assert (outcome.error_code, outcome.balance_after_minor) == ("INSUFFICIENT_FUNDS", 20)

    @pytest.mark.parametrize("code", ["A", "x" * 64, "limit: 5/day"])
    def test_a_code_is_passed_on_verbatim(self, code: str) -> None:
        assert outcome_of(says({"accepted": False, "errorCode": code})).error_code == code

    @pytest.mark.parametrize("code", [None, "", " ", "x" * 65, " A", "A\n", "É", "a\x00b", 5, True, [], {}])
    def test_a_code_that_is_none_has_a_name_all_the_same(self, code: object) -> None:
        outcome = outcome_of(says({"accepted": False, "errorCode": code}))
        assert (outcome.fate, outcome.error_code) == (Fate.REFUSED, "WALLET_REFUSED")

    def test_a_refusal_without_a_code_has_a_name_all_the_same(self) -> None:
        assert outcome_of(says({"accepted": False})).error_code == "WALLET_REFUSED"


SENSELESS: Mapping[str, bytes] = {
    "empty": b"",
    "HTML": b"<html>OK</html>",
    "null": b"null",
    "true": b"true",
    "array": b'[{"accepted":true}]',
    "empty object": b"{}",
    "a string": b'{"accepted":"true"}',
    "a number": b'{"accepted":1}',
    "zero": b'{"accepted":0}',
    "nothing": b'{"accepted":null}',
    "yes": b'{"accepted":"yes"}',
    "another case": b'{"Accepted":true}',
    "both": b'{"accepted":true,"accepted":false}',
    "twice": b'{"accepted":true,"accepted":true}',
    "twice inside": b'{"accepted":true,"more":{"a":1,"a":2}}',
    "NaN": b'{"accepted":true,"balanceAfterMinor":NaN}',
    "infinite": b'{"accepted":true,"balanceAfterMinor":1e999}',
    "endless number": b'{"accepted":true,"balanceAfterMinor":' + b"9" * 4301 + b"}",
    "deep": b'{"accepted":true,"more":' + b"[" * 16 + b"]" * 16 + b"}",
    "two objects": b'{"accepted":true}{"accepted":true}',
    "half an object": b'{"accepted":true',
    "not UTF-8": b'{"accepted":true,"more":"\xff"}',
    "UTF-16": '{"accepted":true}'.encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf" + b'{"accepted":true}',
    "another key": b'{"accepted":true,"idempotencyKey":"round:r_02"}',
    "another amount": b'{"accepted":true,"amountMinor":501}',
    "amount as a float": b'{"accepted":true,"amountMinor":500.0}',
    "amount as a string": b'{"accepted":true,"amountMinor":"500"}',
    "another currency": b'{"accepted":true,"currency":"SEK"}',
    "no currency": b'{"accepted":true,"currency":null}',
    "refusal of another key": b'{"accepted":false,"errorCode":"INSUFFICIENT_FUNDS","idempotencyKey":"round:r_02"}',
}
BROKEN: Mapping[str, tuple[Act, int | None]] = {
    "hangs up": (raw(b""), None),
    "resets": (reset(), None),
    "truncates": (raw(framed(json.dumps(ACCEPTED).encode())[:-1]), 200),
    "over 64 KiB": (says(ACCEPTED | {"more": "x" * 65536}), 200),
    "100 MB": (endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536), 200),
    "gzip": (answer(b"\x1f\x8b", headers={"Content-Encoding": "gzip"}), 200),
    "two lengths": (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\nContent-Length: 2\r\n\r\n" + b'{"accepted":true}'), 200),
    "no HTTP": (raw(b'{"accepted":true}'), None),
}


def is_unknown(outcome: Outcome) -> bool:
    """Return whether the outcome says that nothing is known, and claims nothing beside."""
    claims = (outcome.error_code, outcome.balance_after_minor, outcome.provider_txn_ref)
    return outcome.fate is Fate.UNKNOWN and claims == (None, None, None) and outcome.detail.endswith(".")


class TestUnknown:
    """Everything else may or may not have moved money, and is never taken for a refusal."""

    @pytest.mark.parametrize("body", SENSELESS.values(), ids=SENSELESS)
    @pytest.mark.parametrize("status", [200, 400])
    def test_an_answer_that_makes_no_sense(self, body: bytes, status: int) -> None:
        outcome = outcome_of(answer(body, status=status))
        assert is_unknown(outcome)
        assert outcome.http_status == status

    @pytest.mark.parametrize("content", [ACCEPTED, REFUSED], ids=["accepted", "refused"])
    @pytest.mark.parametrize("status", NOT_FOUND_OUT)
    def test_a_status_that_settles_nothing_whatever_the_body_says(self, content: Mapping[str, Any], status: int) -> None:
        outcome = outcome_of(says(content, status=status))
        assert is_unknown(outcome)
        assert outcome.http_status == status

    @pytest.mark.parametrize("status", [400, 401, 404, 409, 422])
    def test_an_acceptance_under_a_status_that_refuses(self, status: int) -> None:
        assert is_unknown(outcome_of(says(ACCEPTED, status=status)))

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect(self, status: int) -> None:
        assert is_unknown(outcome_of(redirect("/elsewhere", status=status)))

    @pytest.mark.parametrize("status", [304, 300])
    def test_a_3xx_that_says_accepted(self, status: int) -> None:
        assert is_unknown(outcome_of(says(ACCEPTED, status=status)))

    @pytest.mark.parametrize(("act", "status"), BROKEN.values(), ids=BROKEN)
    def test_an_answer_that_broke(self, act: Act, status: int | None) -> None:
        outcome = outcome_of(act)
        assert is_unknown(outcome)
        assert outcome.http_status == status

    @pytest.mark.parametrize("before", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n" + b'{"accepted":true'])
    def test_an_answer_that_does_not_come_in_time(self, settings: Settings, before: bytes) -> None:
        settings.LOOTBOX_WALLET_TIMEOUT_S = 0.5
        outcome = outcome_of(in_turn(raw(before, close=False), never()))
        assert is_unknown(outcome)
        assert "time limit" in outcome.detail


class TestNotSent:
    """Nothing was written: the money can't have moved."""

    def test_a_wallet_that_is_down(self) -> None:
        with FaultyServer() as server:
            url = server.url("/wallet")
        outcome = call(url)
        assert (outcome.fate, outcome.http_status, outcome.excerpt) == (Fate.NOT_SENT, None, "")
        assert "refused" in outcome.detail

    @pytest.mark.parametrize(
        "url", ["", "wallet", "ftp://127.0.0.1/", "http://169.254.169.254/latest", "https://me:x@127.0.0.1/"]
    )
    def test_an_address_that_is_not_called(self, url: str) -> None:
        assert call(url).fate is Fate.NOT_SENT

    def test_a_private_address_outside_development(self, settings: Settings) -> None:
        settings.LOOTBOX_ALLOW_PRIVATE_URLS = False
        with FaultyServer() as server:
            assert call(server.url("/wallet")).fate is Fate.NOT_SENT
            assert server.connections == 0

    def test_a_long_reason_fits_its_column(self) -> None:
        host = ".".join(["a" * 60] * 4)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("socket.getaddrinfo", _fail_at_length)
            outcome = call(f"https://{host}:1234/")
        assert outcome.fate is Fate.NOT_SENT
        assert len(outcome.detail) == 300


def _fail_at_length(*_: object, **__: object) -> None:
    raise OSError("no " * 100)


class TestExcerpt:
    """What support reads of an answer can be stored and shown."""

    def test_it_is_short_and_without_control_characters(self) -> None:
        page = "<h1>Überlastet</h1>\x00\x1b[31m\u202e\r\n".encode() + b"\xff" + b"\xe2\x82\xac" * 2000
        outcome = outcome_of(answer(page, status=502))
        assert outcome.excerpt.startswith("<h1>Überlastet</h1>  [31m   ?€€")
        assert outcome.excerpt.isprintable()
        assert len(outcome.excerpt.encode()) <= 2048

    def test_it_is_kept_of_an_answer_that_broke(self) -> None:
        assert outcome_of(raw(b"HTTP/1.1 500 Oops\r\nContent-Length: 99\r\n\r\nout of memory")).excerpt == "out of memory"


class TestBalance:
    """`wallet.balance` is read as strictly, and moves nothing."""

    def test_it_asks_for_the_player_and_the_currency(self) -> None:
        with FaultyServer(says({"balanceMinor": 12000, "currency": "EUR"})) as server:
            endpoint = WalletEndpoint(url=server.url("/wallet"), secret=SECRET)
            assert client.balance(endpoint=endpoint, player_external_id="ü_1", currency="EUR", at=AT) == 12000
        (request,) = server.received
        assert request.body.decode() == '{"type":"wallet.balance","playerExternalId":"ü_1","currency":"EUR"}'
        assert "idempotency-key" not in request.headers
        assert request.headers["x-signature"] == signing.sign(
            secret=SECRET, timestamp=TIMESTAMP, method="POST", path="/wallet", body=request.body
        )

    @pytest.mark.parametrize(
        "act",
        [
            says({"balanceMinor": 1, "currency": "SEK"}),
            says({"balanceMinor": 1}),
            says({"balanceMinor": True, "currency": "EUR"}),
            says({"balanceMinor": 1.0, "currency": "EUR"}),
            says({"balanceMinor": "1", "currency": "EUR"}),
            says({"balanceMinor": 2**53, "currency": "EUR"}),
            says({"currency": "EUR"}),
            says([]),
            says({"balanceMinor": 1, "currency": "EUR"}, status=404),
            says({"balanceMinor": 1, "currency": "EUR"}, status=500),
            answer(b'{"balanceMinor":1,"balanceMinor":1,"currency":"EUR"}'),
            reset(),
            redirect("/elsewhere"),
        ],
    )
    def test_anything_else_is_unavailable(self, act: Act) -> None:
        with FaultyServer(act) as server:
            endpoint = WalletEndpoint(url=server.url("/wallet"), secret=SECRET)
            with pytest.raises(BalanceUnavailable, match=r"\.$"):
                client.balance(endpoint=endpoint, player_external_id="u_1", currency="EUR", at=AT)


def _ask(url: str) -> object:
    endpoint = WalletEndpoint(url=url, secret=SECRET)
    return client.balance(endpoint=endpoint, player_external_id="u_1", currency="EUR", at=AT)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("ask", [call, _ask], ids=["call", "balance"])
class TestDatabase:
    """Nothing is held while a wallet thinks."""

    def test_it_refuses_to_run_inside_a_transaction(self, ask: Callable[[str], object]) -> None:
        with FaultyServer(says(ACCEPTED)) as server:
            with transaction.atomic(), pytest.raises(RuntimeError, match="inside a transaction"):
                ask(server.url("/wallet"))
            assert server.connections == 0

    def test_no_connection_is_held_during_the_call(self, ask: Callable[[str], object]) -> None:
        held: list[object] = []

        def look(peer: Peer, request: Received) -> None:
            held.append(wrapper.connection)
            says(ACCEPTED | {"balanceMinor": 1, "currency": "EUR"})(peer, request)

        wrapper = connections["default"]
        wrapper.ensure_connection()
        assert wrapper.connection is not None
        with FaultyServer(look) as server:
            ask(server.url("/wallet"))
        assert held == [None]
