"""Everything that happened to a round, as a story in plain words, and finding it by any id that somebody has."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import F, Q

from lootbox.core.ids import Prefix, parse_public_id, public_id
from lootbox.core.wording import clock_time, duration, money
from operators.models import AuditEntry, Player
from operators.staff import operators_seen
from purchases.models import Action, ActionKind, Draw, Funding, Mode, Reel, Round, RoundState
from vault.models import InventoryItem, ItemState, OrderItem, ShippingOrder
from wallet.models import CallState, CallType, Reason, WalletCall
from webhooks.models import DeliveryState, Event

FOUND_AT_MOST: Final = 20


class Found(NamedTuple):
    """Something that an id stands for: a page of the back-office by the name of its address and its key."""

    kind: str
    label: str
    view: str
    pk: object


@dataclass(frozen=True)
class Moment:
    """One thing that happened. `tone` is good, bad, wait or plain."""

    at: dt.datetime
    icon: str
    text: str
    detail: str = ""
    tone: str = "plain"
    link: str = ""


@dataclass
class CallFacts:
    """A wallet call with its attempts."""

    call: WalletCall
    attempts: list[Any] = field(default_factory=list)

    @property
    def amount(self) -> str:
        """Return the amount in words."""
        return money(self.call.amount_minor, self.call.currency)


@dataclass
class EventFacts:
    """An event with what became of its delivery."""

    event: Event
    public_id: str
    attempts: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class Story:
    """A round with all that belongs to it."""

    round: Round
    public_id: str
    bet: str
    payout: str
    summary: str
    reels: Sequence[Any]
    items: Sequence[InventoryItem]
    calls: Sequence[CallFacts]
    events: Sequence[EventFacts]
    touched_by: Sequence[AuditEntry]
    timeline: Sequence[Moment]


def find(*, text: str, user: User) -> list[Found]:
    """Return what an id stands for among what the person sees: at most a few dozen, by indexed equality only."""
    # Operators are always named, because the indexes of ids that operators choose begin with them.
    own = {"operator__in": list(operators_seen(user).values_list("pk", flat=True))}
    found: list[Found] = []
    if user.has_perm("purchases.view_round"):
        round_id = parse_public_id(Prefix.ROUND, text)
        actions = Action.objects.filter(client_action_id=text, **own)[:FOUND_AT_MOST]
        round_ids = [round_id] if round_id else [action.round_id for action in actions]
        found += [_found_round(key) for key in Round.objects.filter(pk__in=round_ids, **own).values_list("pk", flat=True)]
    if user.has_perm("wallet.view_walletcall"):
        for named in (Q(idempotency_key=text), Q(provider_txn_ref=text) & ~Q(provider_txn_ref="")):
            for call in WalletCall.objects.filter(named, **own)[:FOUND_AT_MOST]:
                found.append(Found(f"{call.reason} call", call.idempotency_key, "wallet_walletcall_change", call.pk))
                found += [_found_round(call.round_id)] if call.round_id else []
    if user.has_perm("operators.view_player"):
        players = Player.objects.filter(external_id=text, **own).select_related("operator")
        found += [Found("player", f"{row.external_id} at {row.operator}", "operators_player_change", row.pk) for row in players]
    if user.has_perm("vault.view_inventoryitem") and text.isascii() and text.isdigit() and len(text) < 19:
        for item in InventoryItem.objects.filter(pk=int(text), **own):
            found += [
                Found("won item", f"{item.pk} {item.name}", "vault_inventoryitem_change", item.pk),
                _found_round(item.round_id),
            ]
    if user.has_perm("vault.view_shippingorder") and (order_id := parse_public_id(Prefix.ORDER, text)):
        orders = ShippingOrder.objects.filter(pk=order_id, **own)
        found += [Found("order", text, "vault_shippingorder_change", row.pk) for row in orders]
    if user.has_perm("webhooks.view_delivery") and (event_id := parse_public_id(Prefix.EVENT, text)):
        for event in Event.objects.filter(pk=event_id, **own):
            subject_id = parse_public_id(Prefix.ROUND, event.subject)
            found += [Found("event", f"{text} {event.type}", "webhooks_delivery_change", event.pk)]
            found += [_found_round(subject_id)] if subject_id else []
    return list(dict.fromkeys(found))


def _found_round(round_id: UUID) -> Found:
    return Found("round", public_id(Prefix.ROUND, round_id), "purchases_round_change", round_id)


def story(round_: Round) -> Story:
    """Return the round's story. `round_` has its operator, player and seed pair loaded beside it; eight more queries."""
    shown_id = public_id(Prefix.ROUND, round_.pk)
    which = {"round": round_}
    reels: list[Any] = list(
        Draw.objects.filter(**which).select_related("box_version__box", "prize").order_by("reel_index")
        if round_.state == RoundState.SETTLED
        else Reel.objects.filter(**which).select_related("box_version__box").order_by("position")
    )
    actions = list(Action.objects.filter(**which).order_by("created_at", "id"))
    items = list(InventoryItem.objects.filter(operator=round_.operator, round_id=round_.pk).order_by("reel_index"))
    lines = OrderItem.objects.filter(inventory_item__in=[item.pk for item in items]).select_related("order")
    orders = list({line.order_id: line.order for line in lines}.values()) if items else []
    calls = _calls(round_, items, orders)
    subjects = [shown_id, *(str(item.pk) for item in items), *(public_id(Prefix.ORDER, order.pk) for order in orders)]
    events = _events(round_, subjects)
    keys = [call.call.idempotency_key for call in calls]
    touched = list(AuditEntry.objects.filter(operator=round_.operator, subject__in=[*subjects, *keys]).order_by("sequence"))
    timeline = [
        *_beginning(round_, actions),
        *(moment for call in calls for moment in _told_call(call)),
        *_drawn(round_, reels, shown_id),
        *_ended(round_, items, orders),
        *(moment for event in events for moment in _told_event(event)),
        *(_told_entry(entry) for entry in touched),
    ]
    return Story(
        round=round_,
        public_id=shown_id,
        bet=money(round_.bet_minor, round_.currency),
        payout="" if round_.payout_minor is None else money(round_.payout_minor, round_.currency),
        summary=_summary(round_, calls),
        reels=reels,
        items=items,
        calls=calls,
        events=events,
        touched_by=touched,
        timeline=sorted(timeline, key=lambda moment: moment.at),
    )


def _calls(round_: Round, items: Sequence[InventoryItem], orders: Sequence[ShippingOrder]) -> list[CallFacts]:
    of_all = Q(round_id=round_.pk)
    if items:
        of_all |= Q(inventory_item_id__in=[item.pk for item in items])
    if orders:
        of_all |= Q(order_id__in=[order.pk for order in orders])
    rows = WalletCall.objects.filter(of_all, operator=round_.operator).annotate(
        attempt_number=F("attempt_log__number"),
        attempt_at=F("attempt_log__started_at"),
        attempt_ms=F("attempt_log__latency_ms"),
        attempt_fate=F("attempt_log__fate"),
        attempt_status=F("attempt_log__http_status"),
        attempt_detail=F("attempt_log__detail"),
        attempt_excerpt=F("attempt_log__excerpt"),
    )
    calls: dict[UUID, CallFacts] = {}
    for row in rows.order_by("created_at", "id", "attempt_log__number"):
        facts = calls.setdefault(row.pk, CallFacts(row))
        if row.attempt_number is not None:
            facts.attempts.append(row)
    return list(calls.values())


def _events(round_: Round, subjects: Sequence[str]) -> list[EventFacts]:
    rows = Event.objects.filter(operator=round_.operator, subject__in=subjects).select_related("delivery")
    rows = rows.annotate(
        attempt_number=F("delivery__attempt_log__number"),
        attempt_at=F("delivery__attempt_log__started_at"),
        attempt_ms=F("delivery__attempt_log__latency_ms"),
        attempt_outcome=F("delivery__attempt_log__outcome"),
        attempt_status=F("delivery__attempt_log__http_status"),
        attempt_detail=F("delivery__attempt_log__detail"),
    )
    events: dict[UUID, EventFacts] = {}
    for row in rows.order_by("id", "delivery__attempt_log__number"):
        facts = events.setdefault(row.pk, EventFacts(row, public_id(Prefix.EVENT, row.pk)))
        if row.attempt_number is not None:
            facts.attempts.append(row)
    return list(events.values())


def _beginning(round_: Round, actions: Sequence[Action]) -> list[Moment]:
    boxes = "kept the box unopened" if round_.mode == Mode.PREPAY else "opened it at once"
    paid = (
        "for free, paid by the operator"
        if round_.funding == Funding.OPERATOR
        else f"for {money(round_.bet_minor, round_.currency)}"
    )
    moments = [
        Moment(round_.purchased_at, "shopping_cart", f"{round_.player.external_id} bought {paid} and {boxes}.",
               f"clientActionId {actions[0].client_action_id}" if actions else "")
    ]  # fmt: skip
    moments += [
        Moment(action.created_at, "touch_app", "The player opened the box that was kept.",
               f"clientActionId {action.client_action_id}")
        for action in actions
        if action.kind == ActionKind.OPEN_HELD
    ]  # fmt: skip
    return moments


_VERBS: Final = {CallType.DEBIT.value: "Debited", CallType.CREDIT.value: "Credited", CallType.ROLLBACK.value: "Took back"}
_ASKED: Final = {CallType.DEBIT.value: "debit", CallType.CREDIT.value: "credit", CallType.ROLLBACK.value: "take back"}


def _told_call(facts: CallFacts) -> list[Moment]:
    call, moments = facts.call, []
    for attempt in facts.attempts:
        at = attempt.attempt_at
        after = f"{attempt.attempt_ms} ms"
        what = f"{facts.amount} ({call.reason})"
        if attempt.attempt_fate == "accepted":
            text = f"{_VERBS[call.type]} {what} at {clock_time(at)}; the wallet answered in {after}."
            tone, icon = "good", "payments"
        elif attempt.attempt_fate == "refused":
            text = f"The wallet refused to {_ASKED[call.type]} {what}; it answered in {after}."
            tone, icon = "bad", "block"
        elif attempt.attempt_fate == "not_sent":
            text = f"The request to {_ASKED[call.type]} {what} could not be sent."
            tone, icon = "wait", "cloud_off"
        else:
            text = f"Asked the wallet to {_ASKED[call.type]} {what}; after {after} there was no usable answer."
            tone, icon = "wait", "help"
        status = f"HTTP {attempt.attempt_status}" if attempt.attempt_status else ""
        detail = ", ".join(part for part in (f"attempt {attempt.attempt_number}", status, attempt.attempt_detail) if part)
        moments.append(Moment(at, icon, text, detail, tone))
    if call.state == CallState.CLOSED and call.resolved_at:
        moments.append(Moment(call.resolved_at, "gavel", f"The {call.reason} call was closed.", call.error_code, "plain"))
    return moments


def _drawn(round_: Round, reels: Sequence[Any], shown_id: str) -> list[Moment]:
    if round_.settled_at is None:
        return []
    return [
        Moment(
            round_.settled_at,
            "casino",
            f"Drew {_name(draw.prize.name)}, worth {money(draw.value_minor, round_.currency)},"
            f" from {draw.box_version.box.slug} version {draw.box_version.number}.",
            f"reel {draw.reel_index}, roll {draw.roll} of {draw.box_version.total_weight}, nonce {draw.nonce}",
            "good",
            f"/fairness/rounds/{shown_id}",
        )
        for draw in reels
    ]


def _ended(round_: Round, items: Sequence[InventoryItem], orders: Sequence[ShippingOrder]) -> list[Moment]:
    moments = []
    if round_.undone_at is not None:
        text = "Nobody retried, so the platform began to undo the round; it can't be drawn any more."
        moments.append(Moment(round_.undone_at, "undo", text, tone="wait"))
    if round_.ended_at is not None:
        moments.append(Moment(round_.ended_at, "flag", f"The round ended as {round_.state}.", tone="bad"))
    moments += [
        Moment(item.resolved_at, "redeem", f"{item.name} (item {item.pk}) became {ItemState(item.state).label.lower()}.")
        for item in items
        if item.resolved_at is not None
    ]
    moments += [
        Moment(
            order.created_at,
            "local_shipping",
            f"The player ordered it as {public_id(Prefix.ORDER, order.pk)}, now {order.status}.",
        )
        for order in orders
    ]
    return moments


def _told_event(facts: EventFacts) -> list[Moment]:
    event = facts.event
    moments = [Moment(event.occurred_at, "bolt", f"Stored the event {event.type} for the operator.", facts.public_id)]
    for attempt in facts.attempts:
        delivered = attempt.attempt_outcome == "delivered"
        what = (
            f"delivered in {attempt.attempt_ms} ms"
            if delivered
            else f"not delivered: {attempt.attempt_detail or attempt.attempt_outcome}"
        )
        detail = f"attempt {attempt.attempt_number}" + (f", HTTP {attempt.attempt_status}" if attempt.attempt_status else "")
        icon, tone = ("mark_email_read", "good") if delivered else ("unsubscribe", "wait")
        moments.append(Moment(attempt.attempt_at, icon, f"Webhook {event.type} {what}.", detail, tone))
    return moments


def _told_entry(entry: AuditEntry) -> Moment:
    second = f", confirmed by {entry.confirmed_by}" if entry.confirmed_by else ""
    return Moment(entry.at, "person", f"{entry.actor} did {entry.action}{second}.", entry.reason)


def _summary(round_: Round, calls: Sequence[CallFacts]) -> str:
    open_calls = [facts for facts in calls if facts.call.state in {CallState.PENDING, CallState.UNKNOWN}]
    if open_calls:
        call = open_calls[0]
        return f"Not finished: whether the wallet has done the {call.call.reason} of {call.amount} is not known yet."
    return {
        RoundState.SETTLED.value: "Finished: paid and drawn.",
        RoundState.HELD.value: "Paid, and waits unopened in the player's vault.",
        RoundState.VOIDED.value: "Voided: in the end the player paid nothing and nothing was drawn.",
        RoundState.REFUNDED.value: "Refunded: the player has the money back and nothing was drawn.",
        RoundState.EXPIRED.value: "Expired unopened: the player has the money back.",
        RoundState.UNDOING.value: "Being undone: the platform gives back whatever was taken.",
        RoundState.PENDING.value: "Under way.",
    }[round_.state]


def next_step(call: WalletCall, *, at: dt.datetime, round_: Round | None) -> str:
    """Return in words what the platform will do about an unresolved call, and when; a debit goes by its round's time."""
    if call.next_attempt_at is None:
        return "Nothing is left to do."
    due = call.next_attempt_at
    if round_ is not None and round_.recover_at is not None and call.reason in (Reason.PURCHASE, Reason.ROLLBACK):
        due = round_.recover_at
    wait = (due - at).total_seconds()
    when = f"in {duration(wait)}" if wait > 0 else "now"
    if call.reason == Reason.PURCHASE:
        retry = "Wait for the player's app to try again; " if round_ is not None and round_.state == RoundState.PENDING else ""
        step = f"{retry}learn {when} whether the debit was taken, give it back if so, and void the round."
        return step[0].upper() + step[1:]
    if call.reason == Reason.SHIPPING:
        return f"Learn {when} whether the debit was taken, and give it back if so; the order comes to nothing."
    return f"Send the same {call.type.removeprefix('wallet.')} again {when}, under the same key; it is owed."


def delivery_word(event: Event) -> str:
    """Return where an event's delivery stands."""
    delivery = getattr(event, "delivery", None)
    return DeliveryState(delivery.state).label if delivery else "not to be sent"


def _name(names: dict[str, str]) -> str:
    return names.get("en") or next(iter(names.values()))
