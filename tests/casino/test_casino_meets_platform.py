"""The reference casino and the platform's own wallet client, which were written apart, understand each other."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pytest_django import Settings

from tests.casino.caller import OUTBOUND_SECRET, Client, debit, rollback
from wallet import client
from wallet.client import WalletEndpoint
from wallet.outcomes import Fate, Outcome


@pytest.fixture(autouse=True)
def _allow_loopback(settings: Settings) -> None:
    settings.LOOTBOX_ALLOW_PRIVATE_URLS = True


def endpoint(casino: Client, secret: str = OUTBOUND_SECRET, previous: str | None = None) -> WalletEndpoint:
    return WalletEndpoint(url=f"http://127.0.0.1:{casino.port}/wallet", secret=secret, previous_secret=previous)


def send(to: WalletEndpoint, call: dict[str, Any]) -> Outcome:
    return client.call(
        endpoint=to, body=json.dumps(call).encode(), idempotency_key=call["idempotencyKey"], at=datetime.now(UTC)
    )


class TestWalletClient:
    def test_reads_an_acceptance(self, casino: Client) -> None:
        outcome = send(endpoint(casino), debit())
        assert (outcome.fate, outcome.balance_after_minor, outcome.provider_txn_ref) == (Fate.ACCEPTED, 49_500, "w-1")

    def test_reads_a_refusal(self, casino: Client) -> None:
        outcome = send(endpoint(casino), debit(amount=60_000))
        assert (outcome.fate, outcome.error_code) == (Fate.REFUSED, "INSUFFICIENT_FUNDS")
        assert outcome.balance_after_minor == 50_000

    def test_reads_a_rollback_and_the_late_debit_s_refusal(self, casino: Client) -> None:
        assert send(endpoint(casino), rollback()).fate is Fate.ACCEPTED
        assert send(endpoint(casino), debit()).error_code == "ROLLED_BACK"

    def test_reads_a_balance(self, casino: Client) -> None:
        at = datetime.now(UTC)
        assert client.balance(endpoint=endpoint(casino), player_external_id="u_1", currency="EUR", at=at) == 50_000

    def test_is_understood_while_the_secret_is_rotated(self, casino: Client) -> None:
        rotating = endpoint(casino, secret="whsec_AAAA", previous=OUTBOUND_SECRET)
        assert send(rotating, debit()).fate is Fate.ACCEPTED
        assert send(endpoint(casino, secret="whsec_AAAA"), debit("round:r_2")).fate is Fate.UNKNOWN
