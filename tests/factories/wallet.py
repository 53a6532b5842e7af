"""Movements of money, straight into the database."""

from django.utils import timezone
from factory.declarations import LazyAttribute, LazyFunction, SelfAttribute, Sequence, SubFactory
from factory.django import DjangoModelFactory

from lootbox.core.ids import new_id
from tests.factories.operators import PlayerFactory
from wallet.models import CallState, CallType, Reason, WalletCall


class MovementFactory(DjangoModelFactory[WalletCall]):
    """A payout that a wallet accepted and that has no number yet; say whose `operator` it is."""

    class Meta:
        model = WalletCall

    id = LazyFunction(new_id)
    player = SubFactory(PlayerFactory, operator=SelfAttribute("..operator"))
    type = CallType.CREDIT
    reason = Reason.PAYOUT
    idempotency_key = Sequence(lambda n: f"made-{n}")
    amount_minor = 100
    currency = "EUR"
    base_amount_minor = 100
    base_currency = "EUR"
    body = b"{}"
    state = CallState.ACCEPTED
    attempts = 1
    maybe_sent = True
    created_at = LazyFunction(timezone.now)
    last_attempt_at = LazyAttribute(lambda call: call.created_at)
    resolved_at = LazyAttribute(lambda call: call.created_at)
