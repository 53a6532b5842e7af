"""Cashing an item back: intent, commit, call, record (contract section 6).

The credit is written down and locks its item before the wallet is called. Until the wallet's answer is known the item can't be
cashed under another key, shipped or expired; the same call again, or recovery, sends the same bytes and finds it out.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any, NamedTuple

from catalog import rates
from lootbox.core import db, strict_json
from lootbox.core.errors import ApiError, ErrorCode, refused_by_wallet
from lootbox.core.ids import Prefix, public_id
from lootbox.core.money import MAX_MINOR, convert
from operators.models import MYSTERY_BOX, Operator
from vault import notices
from vault.cashback import Cashable, cashback_minor
from vault.models import InventoryItem, ItemState
from vault.services import turns
from vault.services.turns import Clock
from wallet import services as wallet
from wallet.models import CallState, CallType, Reason, WalletCall
from webhooks import outbox
from webhooks.models import EventType

LOCKED = "The item waits for a wallet's answer. Send the same request as before, or try again later."


@dataclass(frozen=True, kw_only=True)
class Cashed:
    """An item that was cashed back, the amount in minor units of the credited currency, and whether the call was a retry."""

    inventory_item_id: int
    cashback_minor: int
    currency: str
    balance_after_minor: int | None
    replayed: bool

    def as_json(self) -> dict[str, Any]:
        """Return the answer of section 6."""
        item = {
            "inventoryItemId": self.inventory_item_id,
            "state": ItemState.CASHED_BACK.value,
            "cashbackMinor": self.cashback_minor,
            "currency": self.currency,
        }
        return {"item": item, "balanceAfterMinor": self.balance_after_minor}


class _Asked(NamedTuple):
    operator: Operator
    player: str
    inventory_item_id: int
    currency: str | None
    key: str

    def stands_for(self, call: WalletCall, item: InventoryItem) -> bool:
        """Return whether the call is what an earlier request like this one made."""
        return (call.idempotency_key, call.reason, call.inventory_item_id, call.currency) == (
            self.key,
            Reason.CASHBACK,
            item.pk,
            self.currency or item.currency,
        )


class _Turn(NamedTuple):
    call: WalletCall
    replayed: bool


def cash_out(
    *,
    operator: Operator,
    player_external_id: str,
    inventory_item_id: int,
    currency: str | None,
    idempotency_key: str | None,
    clock: Clock,
) -> Cashed:
    """Credit the player with an item's cashback and return what was credited. Contract section 6.

    `currency` is by default the item's own. Raises `INVENTORY_ITEM_NOT_FOUND`, `CASHBACK_NOT_AVAILABLE` (no cashback, resolved,
    or locked by another call), `UNSUPPORTED_CURRENCY`, `IDEMPOTENCY_CONFLICT`; the wallet's refusal, with the item as before;
    `WALLET_UNAVAILABLE`, with the item locked unless there is no wallet; `ACTION_IN_PROGRESS` while the same call still runs.
    """
    key = idempotency_key or f"cashback:inventory:{inventory_item_id}"
    asked = _Asked(operator, player_external_id, inventory_item_id, currency, key)
    waiting = turns.Waiting()
    while True:
        turn = _take_turn(asked, clock())
        if turn is not None:
            decided = turn.call.state == CallState.ACCEPTED
            call = turn.call if decided else _attempt(operator=operator, call=turn.call, clock=clock)
            if call.state != CallState.PENDING:
                return _answer(call, replayed=turn.replayed)
        waiting.a_moment()


def finish_cashback(*, operator: Operator, call: WalletCall, clock: Clock) -> None:
    """Ask the wallet once more for a cashback of unknown fate, and record what became of it; for recovery."""
    assert call.inventory_item_id is not None
    with db.phase():
        locked_item(call.inventory_item_id)
        again = turns.take_up(call=call, at=clock())
    if again is not None:
        _attempt(operator=operator, call=again, clock=clock)


def _take_turn(asked: _Asked, at: dt.datetime) -> _Turn | None:
    """Return the credit to send, or the one that was accepted before; None while an attempt of it is under way."""
    with db.phase():
        item = (
            InventoryItem.objects.select_for_update(of=("self",), no_key=True)
            .select_related("player")
            .filter(operator=asked.operator, player__external_id=asked.player, pk=asked.inventory_item_id)
            .first()
        )
        if item is None:
            raise ApiError(ErrorCode.INVENTORY_ITEM_NOT_FOUND)
        standing = WalletCall.objects.filter(
            inventory_item_id=item.pk, reason=Reason.CASHBACK, state__in=[*wallet.UNRESOLVED, CallState.ACCEPTED]
        ).first()
        if standing is not None and asked.stands_for(standing, item):
            if standing.state == CallState.ACCEPTED:
                return _Turn(standing, replayed=True)
            again = turns.take_up(call=standing, at=at)
            return _Turn(again, replayed=True) if again else None
        if item.locked_by is not None:
            raise ApiError(ErrorCode.CASHBACK_NOT_AVAILABLE, LOCKED)
        call = _intend(asked, item, at)
        locked = InventoryItem.objects.filter(pk=item.pk, state=ItemState.UNRESOLVED, locked_by=None).update(locked_by=call.pk)
        assert locked, "the row lock keeps everyone else out"
        return _Turn(call, replayed=False)


def _intend(asked: _Asked, item: InventoryItem, at: dt.datetime) -> WalletCall:
    operator = asked.operator
    cashable = Cashable(item.item_id, item.value_minor, free=item.state == ItemState.UNRESOLVED)
    [own_minor] = cashback_minor(operator=operator, items=[cashable])
    if own_minor is None:
        raise ApiError(ErrorCode.CASHBACK_NOT_AVAILABLE)
    if not operator.wallet_url:
        raise ApiError(ErrorCode.WALLET_UNAVAILABLE, "The operator has no wallet address yet. Set walletUrl, then try again.")
    earlier = WalletCall.objects.filter(operator=operator, idempotency_key=asked.key).first()
    if earlier is not None and asked.stands_for(earlier, item):
        # The wallet refused it. What the key stands for never changes, so neither do amount and rate.
        again = wallet.intend_again(call=earlier, at=at)
        if again is not None:
            return again
    currency = asked.currency or item.currency
    # What is won is valued in the operator's base currency, which is what rates go out from.
    rate = rates.quoted_rate(operator=operator, currency=currency, at=at)
    amount_minor = convert(amount_minor=own_minor, source=item.currency, target=currency, rate=rate.rate)
    if not 0 < amount_minor <= MAX_MINOR:
        raise ApiError(ErrorCode.CASHBACK_NOT_AVAILABLE, f"The cashback is not an amount that can be credited in {currency}.")
    return wallet.intend(
        operator=operator,
        player=item.player,
        call_type=CallType.CREDIT,
        reason=Reason.CASHBACK,
        idempotency_key=asked.key,
        amount_minor=amount_minor,
        currency=currency,
        base_amount_minor=own_minor,
        details={
            "roundPublicId": public_id(Prefix.ROUND, item.round_id),
            "gameKey": MYSTERY_BOX,
            "inventoryItemId": item.pk,
            "itemAmountMinor": own_minor,
            "itemCurrency": item.currency,
        },
        at=at,
        inventory_item_id=item.pk,
    )


def _attempt(*, operator: Operator, call: WalletCall, clock: Clock) -> WalletCall:
    """Send the credit once, record what became of it and of the item, and return it as it is then."""
    assert call.inventory_item_id is not None
    outcome = wallet.send(operator=operator, call=call, at=clock())
    at = clock()
    with db.phase():
        item = locked_item(call.inventory_item_id)
        recorded = wallet.record(call=call, outcome=outcome, at=at)
        now = WalletCall.objects.get(pk=call.pk)
        if recorded:
            follow(operator=operator, item=item, call=now, at=at)
    return now


def locked_item(inventory_item_id: int) -> InventoryItem:
    """Return the item, locked until the caller's transaction ends."""
    items = InventoryItem.objects.select_for_update(of=("self",), no_key=True)
    return items.select_related("player").get(pk=inventory_item_id)


def follow(*, operator: Operator, item: InventoryItem, call: WalletCall, at: dt.datetime) -> None:
    """Let the item follow its credit, in the caller's transaction, which locked it: cashed back and told of, or free again."""
    locked = InventoryItem.objects.filter(pk=item.pk, state=ItemState.UNRESOLVED, locked_by=call.pk)
    if call.state == CallState.REFUSED:
        locked.update(locked_by=None)
    elif call.state == CallState.ACCEPTED and locked.update(state=ItemState.CASHED_BACK, locked_by=None, resolved_at=at):
        item.state = ItemState.CASHED_BACK
        own_minor = strict_json.loads(bytes(call.body))["reference"]["itemAmountMinor"]
        event = notices.of_item(event=EventType.ITEM_CASHED_BACK, item=item, cashback_minor=own_minor, at=at)
        outbox.record(operator=operator, event=event, at=at)


def _answer(call: WalletCall, *, replayed: bool) -> Cashed:
    assert call.inventory_item_id is not None
    item = {"inventoryItemId": call.inventory_item_id, "state": ItemState.UNRESOLVED.value}
    beside = {"item": item, "balanceAfterMinor": call.balance_after_minor}
    if call.state == CallState.UNKNOWN:
        raise ApiError(ErrorCode.WALLET_UNAVAILABLE, money_moved="unknown", retry_after=1, beside=beside)
    if call.state != CallState.ACCEPTED:
        raise refused_by_wallet(wallet_code=call.error_code, beside=beside)
    return Cashed(
        inventory_item_id=call.inventory_item_id,
        cashback_minor=call.amount_minor,
        currency=call.currency,
        balance_after_minor=call.balance_after_minor,
        replayed=replayed,
    )
