"""Events and their deliveries."""

import datetime as dt
import json
from typing import Any
from uuid import UUID

from django.utils import timezone
from factory.declarations import LazyAttribute, LazyFunction, SelfAttribute, SubFactory
from factory.django import DjangoModelFactory

from lootbox.core.fields import print_moment
from lootbox.core.ids import Prefix, new_id, public_id
from operators.models import Operator
from webhooks.models import Delivery, Event, EventType

MINUTE = dt.timedelta(minutes=1)


def event_body(event_id: UUID, *, occurred_at: dt.datetime, slug: str = "harbour") -> dict[str, Any]:
    """Return a `box_published` as operators get it."""
    return {
        "id": public_id(Prefix.EVENT, event_id),
        "type": EventType.BOX_PUBLISHED.value,
        "occurredAt": print_moment(occurred_at),
        "playerExternalId": None,
        "data": {"box": {"boxId": 17, "boxVersionId": 1201, "versionNumber": 3, "slug": slug}},
    }


class EventFactory(DjangoModelFactory[Event]):
    """An event as the outbox stores it; say whose `operator` it is."""

    class Meta:
        model = Event

    id = LazyFunction(new_id)
    type = EventType.BOX_PUBLISHED
    subject = "1201"
    occurred_at = LazyFunction(timezone.now)
    body = LazyAttribute(lambda event: json.dumps(event_body(event.id, occurred_at=event.occurred_at)).encode())


class DeliveryFactory(DjangoModelFactory[Delivery]):
    """A delivery that is a minute overdue; say whose `operator` it is."""

    class Meta:
        model = Delivery

    event = SubFactory(EventFactory, operator=SelfAttribute("..operator"))
    next_attempt_at = LazyFunction(lambda: timezone.now() - MINUTE)


def make_deliveries(operator: Operator, count: int) -> list[Delivery]:
    """Return this many overdue deliveries of the operator's, made in two statements."""
    events = Event.objects.bulk_create(EventFactory.build_batch(count, operator=operator))
    due_at = timezone.now() - MINUTE
    return Delivery.objects.bulk_create(Delivery(event=event, operator=operator, next_attempt_at=due_at) for event in events)
