"""The reference casino passes what `check_wallet` asks of every casino."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from operators.models import AuditEntry, Operator
from tests.casino.caller import OUTBOUND_SECRET, Client
from tests.conftest import make_operator
from wallet.models import WalletCall


@pytest.fixture
def acme(transactional_db: None, casino: Client, settings: Settings) -> Operator:
    """Return an operator with the reference casino's wallet."""
    settings.LOOTBOX_ALLOW_PRIVATE_URLS = True
    operator = make_operator(wallet_url=f"http://127.0.0.1:{casino.port}/wallet").operator
    Operator.objects.filter(pk=operator.pk).update(outbound_secret=OUTBOUND_SECRET, wallet_rollback=True)
    return operator


def check(*options: str) -> list[dict[str, Any]]:
    """Return what each check found."""
    printed = StringIO()
    call_command("check_wallet", "acme", "--player", "u_check", "--json", *options, stdout=printed)
    found: list[dict[str, Any]] = json.loads(printed.getvalue())["checks"]
    return found


class TestTheReferenceCasino:
    def test_passes_every_check_and_has_its_money_back(self, acme: Operator) -> None:
        checks = check("--amount", "7")
        assert [found["check"] for found in checks if not found["passed"]] == []
        assert len(checks) == 9
        assert "was 50000 and is 50000" in checks[-1]["seen"]

    def test_is_checked_beside_the_ledger_and_in_the_audit_log(self, acme: Operator) -> None:
        check()
        assert not WalletCall.objects.exists()
        begun, ended = AuditEntry.objects.filter(subject="u_check").order_by("sequence")
        assert (begun.action, ended.action) == ("wallet_check_begun", "wallet_check_ended")
        assert begun.after["keys"].startswith("check:")
        assert all(ended.after["passed"].values())

    def test_can_not_be_checked_with_an_empty_purse(self, acme: Operator) -> None:
        with pytest.raises(CommandError, match="Give them 50001 or more"):
            check("--amount", "50001")
        assert not AuditEntry.objects.filter(subject="u_check").exists()
