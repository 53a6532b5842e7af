"""Writing an event down in the transaction of what it tells of (contract section 11)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from lootbox.core import strict_json
from lootbox.core.fields import print_moment
from lootbox.core.ids import Prefix, new_id, public_id
from operators.models import Operator
from webhooks.models import Delivery, DeliveryState, Event, EventType
from webhooks.nudge import wake


@dataclass(frozen=True, slots=True)
class PreparedEvent:
    """An event as it will be stored: `body` is what every attempt sends, byte for byte."""

    id: UUID
    type: str
    subject: str
    body: bytes


def prepare(
    *,
    type: EventType,  # noqa: A002 - the word of the contract
    subject: str,
    player_external_id: str | None,
    data: Mapping[str, Any],
    at: datetime,
) -> PreparedEvent:
    """Return the event that tells of `data`, which holds one object under its name. Contract section 11.

    `subject` is the public id of what it tells of, for people who look for it.
    """
    event_id = new_id()
    body = {
        "id": public_id(Prefix.EVENT, event_id),
        "type": type.value,
        "occurredAt": print_moment(at),
        "playerExternalId": player_external_id,
        "data": data,
    }
    return PreparedEvent(event_id, type.value, subject, strict_json.compact(body))


def record(*, operator: Operator, event: PreparedEvent, at: datetime) -> None:
    """Store the event, and its delivery when the operator has a webhook URL, in the transaction that is open.

    Raises `RuntimeError` outside one: an event that is stored alone could tell of something that never happened. Purchases
    insert the same rows in a statement of their own. Contract section 11.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("An event is stored in the transaction of what it tells of: open one first.")
    Event.objects.create(
        id=event.id, operator=operator, type=event.type, subject=event.subject, body=event.body, occurred_at=at
    )
    if operator.webhook_url:
        Delivery.objects.create(event_id=event.id, operator=operator, state=DeliveryState.DUE, next_attempt_at=at)
        transaction.on_commit(wake)
