"""What holds after every money scenario: the operator's ledger equals ours, and every round went its way once."""

from collections import Counter

from django.db.models import Sum

from operators.models import Operator
from purchases.models import Draw, Reel, Round, RoundState
from tests.casino_wallet import CasinoWallet
from wallet.models import CallState, CallType, WalletCall


def our_ledger(operator: Operator) -> Counter[tuple[str, str]]:
    """Return what our accepted calls did to each player and currency, in minor units."""
    moved: Counter[tuple[str, str]] = Counter()
    for call in WalletCall.objects.filter(operator=operator, state=CallState.ACCEPTED).select_related("player"):
        sign = {CallType.CREDIT.value: 1, CallType.DEBIT.value: -1, CallType.ROLLBACK.value: 0}[call.type]
        moved[call.player.external_id, call.currency] += sign * call.amount_minor
    return moved


def their_ledger(wallet: CasinoWallet) -> Counter[tuple[str, str]]:
    """Return what the wallet did to each player and currency, in minor units."""
    moved: Counter[tuple[str, str]] = Counter()
    for movement in wallet.movements.values():
        if movement.type != "wallet.rollback":
            moved[movement.player, movement.currency] += movement.applied_minor
    return moved


def assert_books_agree(operator: Operator, wallet: CasinoWallet) -> None:
    """Assert that both ledgers say the same of every player and currency."""
    ours, theirs = our_ledger(operator), their_ledger(wallet)
    # Not `ours | theirs`: the union of counters leaves out what is not positive, and debits are not.
    keys = ours.keys() | theirs.keys()
    assert {key: ours[key] for key in keys} == {key: theirs[key] for key in keys}


def assert_rounds_sound() -> None:
    """Assert that what is settled was paid once and drawn whole, nothing is drawn and refunded, no nonce is missing."""
    for round_ in Round.objects.all():
        calls = WalletCall.objects.filter(round_id=round_.pk, state=CallState.ACCEPTED)
        debits = calls.filter(type=CallType.DEBIT)
        draws = Draw.objects.filter(round=round_).count()
        settled = round_.state == RoundState.SETTLED
        assert draws == (Reel.objects.filter(round=round_).count() if settled else 0), round_.state
        assert debits.count() <= 1
        if settled and round_.funding == "player":
            assert debits.aggregate(total=Sum("amount_minor"))["total"] == round_.bet_minor
        assert not (settled and calls.filter(reason="refund").exists())
    for pair in Draw.objects.values_list("seed_pair", flat=True).distinct():
        nonces = sorted(set(Draw.objects.filter(seed_pair=pair).values_list("nonce", flat=True)))
        assert nonces == list(range(len(nonces)))
