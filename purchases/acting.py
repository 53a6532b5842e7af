"""Guided actions: what people of the back-office may do, each with a preview, a reason and an entry in the audit log."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Model

from lootbox.core import db
from lootbox.core.errors import ApiError
from lootbox.core.ids import Prefix, public_id
from lootbox.core.money import exponent
from lootbox.core.wording import money
from operators import audit
from operators.audit import By
from operators.models import ActionRequest, Player, RequestState
from operators.staff import scoped
from purchases import inspector, limits
from purchases.limits import Cap
from purchases.models import CapPeriod, Funding, Round, RoundState, SpendingCap
from purchases.services import cancelling, resolving
from vault.models import OrderStatus, ShippingOrder
from vault.services import ordering
from vault.services.ordering import StatusNotAllowed
from wallet.models import CallState, CallType, WalletCall
from webhooks import services as webhooks
from webhooks.models import Delivery, Event

Clock = Callable[[], dt.datetime]


class Refused(Exception):
    """An action was not done; the message says why."""


class ReasonForm(forms.Form):
    """What every action wants to know."""

    reason = forms.CharField(
        min_length=5, max_length=1000, widget=forms.Textarea(attrs={"rows": 2}), help_text="Goes into the audit log."
    )


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


@dataclass(frozen=True)
class Doing:
    """One act on one row: by whom, when, and the log's entry that goes into the act's transaction."""

    row: Any
    inputs: Mapping[str, Any]
    by: By
    clock: Clock
    action: str
    subject: str

    def entry(self, *, before: Mapping[str, Any], after: Mapping[str, Any]) -> db.Witness:
        """Return what writes the entry."""
        return lambda: audit.record(
            by=self.by,
            action=self.action,
            operator=self.row.operator,
            subject=self.subject,
            before=before,
            after=after,
            at=self.clock(),
        )


class Guided:
    """One kind of action on rows of one model."""

    name: ClassVar[str]
    title: ClassVar[str]
    permission: ClassVar[str]
    model: ClassVar[type[Model]]
    form: ClassVar[type[ReasonForm]] = ReasonForm
    always_two: ClassVar[bool] = False

    def subject(self, row: Any) -> str:
        """Return the id that the audit log knows the row by."""
        raise NotImplementedError

    def refusal(self, row: Any) -> str | None:
        """Return why it can't be done to the row now, None when it can."""
        raise NotImplementedError

    def preview(self, row: Any, at: dt.datetime) -> Sequence[str]:
        """Return in sentences what will happen."""
        raise NotImplementedError

    def perform(self, doing: Doing) -> str:
        """Do it and return what happened in a sentence. Raises `ApiError`, `Refused`."""
        raise NotImplementedError

    def base_amount(self, row: Any) -> tuple[int, str]:  # noqa: ARG002 - most actions move nothing
        """Return how much it moves, in the operator's base currency."""
        return 0, "EUR"

    def needs_second(self, row: Any) -> bool:
        """Return whether it takes two people."""
        amount, currency = self.base_amount(row)
        return self.always_two or amount > settings.LOOTBOX_STAFF_ALONE_UP_TO * 10 ** exponent(currency)


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
            clock=doing.clock,
            witness=entry,
        )
        return f"{money(row.bet_minor, row.currency)} went back to {row.player.external_id}; the round is {done.facts.status}."


class _OnCalls(Guided):
    model = WalletCall

    def subject(self, row: WalletCall) -> str:
        """Return the key that the wallet knows the call by."""
        return row.idempotency_key


class AskWallet(_OnCalls):
    """Have the wallet asked at once about a call of unknown fate."""

    name, title, permission = "ask_wallet", "Ask the wallet again now", "operators.ask_wallet"

    def refusal(self, row: WalletCall) -> str | None:
        """Return why it can't be asked."""
        return None if row.state == CallState.UNKNOWN else "Only a call of unknown fate can be asked about again."

    def preview(self, row: WalletCall, at: dt.datetime) -> Sequence[str]:
        """Say what would come by itself, and what comes now."""
        return [
            f"By itself the platform will do this: {inspector.next_step(row, at=at)}",
            "Instead it does so within seconds. The key and the amount stay the same, so nothing can be moved twice.",
        ]

    def perform(self, doing: Doing) -> str:
        """Make the call due."""
        entry = doing.entry(before={"attempts": doing.row.attempts}, after={})
        resolving.ask_now(call=doing.row, at=doing.clock(), witness=entry)
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
        amount = money(row.amount_minor, row.currency)
        if row.type == CallType.DEBIT:
            return [
                f"If {amount} was taken, the platform gives it back to {row.player.external_id} and voids the round.",
                "If it was not taken, the round is voided and no money moves.",
                "The wallet is not asked about this debit again, so be sure. A second person must confirm.",
            ]
        return [
            f"If {amount} was credited, it counts as paid and the wallet is not asked again.",
            "If it was not credited, it stays owed: have the wallet asked again instead.",
            "A second person must confirm.",
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
        return "The call is resolved, and its round follows."


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
        with transaction.atomic():
            count = webhooks.send_again(delivery_ids=self._deliveries(doing.row), by=doing.by.actor, at=doing.clock())
            doing.entry(before={}, after={"deliveries": count})()
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


ACTIONS: Final[Mapping[str, Guided]] = {
    action.name: action for action in (RefundRound(), AskWallet(), ResolveCall(), SendEvents(), AdvanceOrder(), BlockPlayer())
}


def find_row(*, action: Guided, key: str, user: User) -> Any:
    """Return the row that an action is about, if the person sees it, else None."""
    rows = scoped(action.model._default_manager.all(), user=user, path="operator")  # noqa: SLF001 - documented API
    related = ("operator",) if action.model is Player else ("operator", "player")
    return rows.select_related(*related).filter(pk=key).first()


def offered(*, row: Any, user: User) -> list[Guided]:
    """Return the actions that the person may do to the row now."""
    fitting = (action for action in ACTIONS.values() if isinstance(row, action.model) and user.has_perm(action.permission))
    return [action for action in fitting if action.refusal(row) is None]


def start(*, action: Guided, row: Any, inputs: Mapping[str, Any], reason: str, user: User, clock: Clock) -> str:
    """Do the action, or ask for a second person where it takes one; return what happened. Raises `Refused`."""
    if not action.needs_second(row):
        return _perform(action, row, inputs, By(user.get_username(), reason), clock)
    if (why := action.refusal(row)) is not None:
        raise Refused(why)
    subject, operator = action.subject(row), row.operator
    with transaction.atomic():
        request, created = ActionRequest.objects.get_or_create(
            operator=operator,
            action=action.name,
            subject=subject,
            state=RequestState.WAITING,
            defaults={
                "inputs": {"key": str(row.pk), **inputs},
                "reason": reason,
                "requested_by": user,
                "requested_at": clock(),
            },
        )
        if not created:
            raise Refused(f"{request.requested_by} has asked for this already; it waits for a second person.")
        by = By(user.get_username(), reason)
        audit.record(by=by, action=f"{action.name}.asked", operator=operator, subject=subject, after=dict(inputs), at=clock())
    return "A second person must confirm this. It waits under “Second person”."


def decide(*, request: ActionRequest, confirm: bool, user: User, clock: Clock) -> str:
    """Confirm and do what somebody else asked for, or decline it; return what happened. Raises `Refused`."""
    action = ACTIONS[request.action]
    if request.requested_by_id == user.pk:
        raise Refused("You asked for this yourself. Somebody else must confirm it.")
    if not user.has_perm(action.permission):
        raise Refused("Your roles do not allow this action.")
    by = By(request.requested_by.get_username(), request.reason, confirmed_by=user.get_username())
    state = RequestState.DONE if confirm else RequestState.DECLINED
    with transaction.atomic():
        # Of two that confirm at once, one finds nothing waiting.
        waiting = ActionRequest.objects.filter(pk=request.pk, state=RequestState.WAITING)
        if not waiting.update(state=state, decided_by=user, decided_at=clock()):
            raise Refused("This was decided already.")
        verb = "confirmed" if confirm else "declined"
        audit.record(
            by=By(user.get_username(), request.reason),
            action=f"{action.name}.{verb}",
            operator=request.operator,
            subject=request.subject,
            at=clock(),
        )
    if not confirm:
        return "Declined; nothing was done."
    row = find_row(action=action, key=request.inputs["key"], user=user)
    try:
        outcome = _perform(action, row, request.inputs, by, clock)
    except Refused as refusal:
        ActionRequest.objects.filter(pk=request.pk).update(state=RequestState.FAILED, outcome=str(refusal))
        raise
    ActionRequest.objects.filter(pk=request.pk).update(outcome=outcome)
    return outcome


def _perform(action: Guided, row: Any, inputs: Mapping[str, Any], by: By, clock: Clock) -> str:
    why = action.refusal(row) if row is not None else "It is not there any more."
    if why is not None:
        raise Refused(why)
    try:
        return action.perform(Doing(row, inputs, by, clock, action.name, action.subject(row)))
    except ApiError as error:
        raise Refused(f"{error.message} ({error.code})") from error
