"""What people may do about rounds, wallet calls, orders and players."""

import datetime as dt
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from django import forms

from lootbox.core import db
from lootbox.core.ids import Prefix, public_id
from lootbox.core.wording import money
from operators.guided import Doing, Guided, ReasonForm, Refused
from operators.models import Player
from purchases import inspector, limits
from purchases.limits import Cap
from purchases.models import CapPeriod, Funding, Round, RoundState, SpendingCap
from purchases.services import cancelling, resolving
from vault.models import OrderStatus, ShippingOrder
from vault.services import ordering
from vault.services.ordering import StatusNotAllowed
from wallet import services as wallet
from wallet.models import Reason, WalletCall
from webhooks import services as webhooks
from webhooks.models import Delivery, Event


class ResolveForm(ReasonForm):
    """What the operator's wallet did."""

    field_order = ("taken", "reference", "reason")
    taken = forms.ChoiceField(
        label="What does the operator say?",
        choices=[("yes", "The wallet moved this money"), ("no", "The wallet did not move it, and never will")],
    )
    reference = forms.CharField(label="The operator's reference", max_length=190, help_text="Where its statement shows that.")


class OrderForm(ReasonForm):
    """What becomes of an order."""

    field_order = ("status", "carrier", "tracking_number", "reason")
    status = forms.ChoiceField(
        choices=[
            (status.value, status.label)
            for status in (OrderStatus.PROCESSING, OrderStatus.SHIPPED, OrderStatus.DELIVERED, OrderStatus.CANCELLED)
        ]
    )
    carrier = forms.CharField(required=False, max_length=100)
    tracking_number = forms.CharField(required=False, max_length=100)


class RefundRound(Guided):
    """Give back what was paid for a box that waits unopened."""

    name, title, permission, model = "refund_round", "Refund this round", "operators.refund_round", Round

    def subject(self, row: Round) -> str:
        """Return the round's public id."""
        return public_id(Prefix.ROUND, row.pk)

    def refusal(self, row: Round) -> str | None:
        """Return why it can't be refunded."""
        if row.state != RoundState.HELD or row.funding != Funding.PLAYER:
            return "Only a box that a player paid for and has not opened can be refunded."
        return "A refund is under way, and its fate is not known yet." if row.locked_by else None

    def base_amount(self, row: Round) -> tuple[int, str]:
        """Return what was paid."""
        return row.base_bet_minor, row.base_currency

    def preview(self, row: Round, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say what is credited."""
        return [
            f"The wallet is asked at once to credit {money(row.bet_minor, row.currency)} to {row.player.external_id}.",
            "The box can't be opened any more, and nothing is drawn. This can't be undone.",
            "The operator gets the webhook round_refunded.",
        ]

    def perform(self, doing: Doing) -> str:
        """Cancel the round as its operator would."""
        row: Round = doing.row
        entry = doing.entry(before={"state": row.state}, after={"refundMinor": row.bet_minor, "currency": row.currency})
        done = cancelling.cancel(
            operator=row.operator,
            player=row.player.external_id,
            round_public_id=doing.subject,
            idempotency_key=None,
            clock=db.clock,
            witness=entry,
        )
        return f"{money(row.bet_minor, row.currency)} went back to {row.player.external_id}; the round is {done.facts.status}."


class _OnCalls(Guided):
    model = WalletCall

    def subject(self, row: WalletCall) -> str:
        """Return the key that the wallet knows the call by."""
        return row.idempotency_key


def _round_of(call: WalletCall) -> Round | None:
    return Round.objects.filter(pk=call.round_id).first() if call.round_id else None


class AskWallet(_OnCalls):
    """Have the wallet asked at once about a call of unknown fate."""

    name, title, permission = "ask_wallet", "Ask the wallet again now", "operators.ask_wallet"

    def refusal(self, row: WalletCall) -> str | None:
        """Return why it can't be asked."""
        return None if wallet.is_resting(row) else "Only a call of unknown fate can be asked about again."

    def preview(self, row: WalletCall, at: dt.datetime) -> Sequence[str]:
        """Say what would come by itself, and what comes now."""
        return [
            f"By itself the platform will do this: {inspector.next_step(row, at=at, round_=_round_of(row))}",
            "Instead it does so within seconds. The key and the amount stay the same, so nothing can be moved twice.",
        ]

    def perform(self, doing: Doing) -> str:
        """Make the call due."""
        entry = doing.entry(before={"attempts": doing.row.attempts}, after={})
        resolving.ask_now(call=doing.row, witness=entry)
        return "The wallet is asked within seconds. Reload the page to see its answer."


class ResolveCall(_OnCalls):
    """Write down what the operator says its wallet did; always by two people."""

    name, title, permission = "resolve_call", "Resolve by the operator's word", "operators.resolve_call"
    form = ResolveForm
    always_two = True

    def refusal(self, row: WalletCall) -> str | None:
        """Return why it can't be resolved."""
        return resolving.refusal(call=row)

    def preview(self, row: WalletCall, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say what follows from either answer."""
        amount, player = money(row.amount_minor, row.currency), row.player.external_id
        match row.reason:
            case Reason.PURCHASE | Reason.SHIPPING:
                what = "round" if row.reason == Reason.PURCHASE else "order"
                return [
                    f"If {amount} was taken, the platform gives it back to {player}; the {what} comes to nothing.",
                    f"If it was not taken, the {what} comes to nothing and no money moves.",
                    "The wallet is not asked about this debit again, so be sure.",
                ]
            case Reason.CASHBACK:
                return [
                    f"If {amount} was credited, the item is cashed back.",
                    "If it was not credited, the item is the player's again, who can cash it once more under the same key.",
                ]
            case Reason.ROLLBACK:
                return [
                    f"If {amount} was given back, or the wallet refuses the debit for good, nothing is owed.",
                    "If not, have the wallet asked again instead.",
                ]
            case _:
                return [
                    f"If {amount} was credited, it counts as paid and the wallet is not asked again.",
                    "If it was not credited, it stays owed: have the wallet asked again instead.",
                ]

    def perform(self, doing: Doing) -> str:
        """Resolve the call."""
        taken = doing.inputs["taken"] == "yes"
        after = {"taken": taken, "reference": doing.inputs["reference"]}
        resolving.resolve(
            call=doing.row,
            taken=taken,
            reference=doing.inputs["reference"],
            at=doing.clock(),
            witness=doing.entry(before={"state": doing.row.state}, after=after),
        )
        return "The call is resolved, and what it is about follows."


class SendEvents(Guided):
    """Send all webhooks of a round again."""

    name, title, permission, model = "send_events", "Send its webhooks again", "webhooks.send_again", Round

    def subject(self, row: Round) -> str:
        """Return the round's public id."""
        return public_id(Prefix.ROUND, row.pk)

    def _deliveries(self, row: Round) -> list[UUID]:
        events = Event.objects.filter(operator=row.operator, subject=self.subject(row)).values("pk")
        return list(Delivery.objects.filter(event__in=events).values_list("pk", flat=True))

    def refusal(self, row: Round) -> str | None:
        """Return why there is nothing to send."""
        return None if self._deliveries(row) else "There is no webhook of this round to send."

    def preview(self, row: Round, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say how many go out."""
        return [
            f"{len(self._deliveries(row))} webhooks go out again, with the same ids and content.",
            "A receiver that tells repeats by their id, as it should, does nothing twice.",
        ]

    def perform(self, doing: Doing) -> str:
        """Make the deliveries due."""
        count = webhooks.send_again(delivery_ids=self._deliveries(doing.row), by=doing.by, at=doing.clock())
        return f"{count} webhooks are on their way."


class AdvanceOrder(Guided):
    """Put an order forward."""

    name, title, permission, model = "advance_order", "Put this order forward", "operators.advance_order", ShippingOrder
    form = OrderForm

    def subject(self, row: ShippingOrder) -> str:
        """Return the order's public id."""
        return public_id(Prefix.ORDER, row.pk)

    def refusal(self, row: ShippingOrder) -> str | None:
        """Return why it can't go on."""
        waits = row.status in {OrderStatus.PENDING, OrderStatus.PROCESSING, OrderStatus.SHIPPED}
        return None if waits else f"The order is {row.status}, which is its end or before its beginning."

    def preview(self, row: ShippingOrder, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say what each status means."""
        return [
            f"The order is {row.status} now. The operator gets the webhook fulfillment_notice.",
            "Shipped needs a carrier and a tracking number, and fulfils the items for good.",
            "Cancelled puts the items back into the player's inventory and refunds what was paid for shipping.",
        ]

    def perform(self, doing: Doing) -> str:
        """Advance the order."""
        status = OrderStatus(doing.inputs["status"])
        try:
            order = ordering.advance_order(
                order=doing.row,
                status=status,
                at=doing.clock(),
                carrier=doing.inputs["carrier"],
                tracking_number=doing.inputs["tracking_number"],
                witness=doing.entry(before={"status": doing.row.status}, after={"status": status.value}),
            )
        except StatusNotAllowed as refusal:
            raise Refused(str(refusal)) from refusal
        return f"The order is {order.status}."


class BlockPlayer(Guided):
    """Keep a player from buying, or let them again."""

    name, title, permission, model = "block_player", "Block or unblock this player", "operators.block_player", Player
    related = ("operator",)

    def subject(self, row: Player) -> str:
        """Return the operator's id of the player."""
        return row.external_id

    def refusal(self, row: Player) -> str | None:  # noqa: ARG002 - anybody can be blocked
        """Return nothing: it always can."""
        return None

    def preview(self, row: Player, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say what changes."""
        if row.blocked:
            return ["The player may buy again from the next request on, within the limits that are set."]
        return ["The player can't buy anything from the next request on. Held boxes can still be opened and cancelled."]

    def perform(self, doing: Doing) -> str:
        """Turn the block over, with the caps as they are."""
        row: Player = doing.row
        caps = [Cap(CapPeriod(cap.period), cap.currency, cap.amount_minor) for cap in SpendingCap.objects.filter(player=row)]
        limits.set_limits(
            operator=row.operator,
            external_id=row.external_id,
            blocked=not row.blocked,
            caps=caps,
            witness=doing.entry(before={"blocked": row.blocked}, after={"blocked": not row.blocked}),
        )
        return f"{row.external_id} may buy again." if row.blocked else f"{row.external_id} is blocked."


ACTIONS: Final = (RefundRound(), AskWallet(), ResolveCall(), SendEvents(), AdvanceOrder(), BlockPlayer())
