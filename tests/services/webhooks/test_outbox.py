"""Contract section 11: an event is stored in the transaction of what it tells of, and is never lost."""

import datetime as dt
import json

import pytest
from django.db import IntegrityError, transaction

from lootbox.core.ids import Prefix, public_id
from operators.models import Operator
from operators.services import NewOperator
from tests.factories.webhooks import DeliveryFactory, EventFactory
from webhooks import outbox
from webhooks.models import Delivery, DeliveryAttempt, DeliveryState, Event, EventType
from webhooks.outbox import PreparedEvent

AT = dt.datetime(2026, 6, 3, 12, 0, 5, 999_999, tzinfo=dt.UTC)


def prepared() -> PreparedEvent:
    data = {"round": {"publicId": "r_1", "name": "Kästchen"}}
    return outbox.prepare(type=EventType.ROUND_HELD, subject="r_1", player_external_id="u_8431", data=data, at=AT)


def with_url(made: NewOperator) -> Operator:
    made.operator.webhook_url = "https://casino.example/hooks"
    made.operator.save(update_fields=["webhook_url"])
    return made.operator


class TestAPreparedEvent:
    def test_has_the_bytes_of_the_contract(self) -> None:
        event = prepared()
        expected = (
            f'{{"id":"{public_id(Prefix.EVENT, event.id)}","type":"round_held","occurredAt":"2026-06-03T12:00:05Z",'
            '"playerExternalId":"u_8431","data":{"round":{"publicId":"r_1","name":"Kästchen"}}}'
        )
        assert event.body == expected.encode()

    def test_may_be_about_no_player(self) -> None:
        event = outbox.prepare(type=EventType.BOX_PUBLISHED, subject="", player_external_id=None, data={"box": {}}, at=AT)
        assert json.loads(event.body)["playerExternalId"] is None


class TestRecording:
    def test_stores_the_event_and_a_delivery_that_is_due(self, acme: NewOperator) -> None:
        operator, event = with_url(acme), prepared()
        with transaction.atomic():
            outbox.record(operator=operator, event=event, at=AT)
        stored = Event.objects.get()
        assert (stored.pk, stored.type, stored.subject, bytes(stored.body)) == (event.id, event.type, "r_1", event.body)
        assert stored.sequence is None
        delivery = Delivery.objects.get()
        assert (delivery.pk, delivery.state, delivery.next_attempt_at) == (event.id, DeliveryState.DUE, AT)

    def test_makes_no_delivery_for_an_operator_without_a_webhook_url(self, acme: NewOperator) -> None:
        with transaction.atomic():
            outbox.record(operator=acme.operator, event=prepared(), at=AT)
        assert Event.objects.count() == 1
        assert not Delivery.objects.exists()

    def test_outside_a_transaction_is_refused(self, acme: NewOperator) -> None:
        with pytest.raises(RuntimeError):
            outbox.record(operator=acme.operator, event=prepared(), at=AT)
        assert not Event.objects.exists()

    def test_goes_with_its_transaction(self, acme: NewOperator) -> None:
        operator = with_url(acme)
        with transaction.atomic():
            outbox.record(operator=operator, event=prepared(), at=AT)
            transaction.set_rollback(True)
        assert not Event.objects.exists()
        assert not Delivery.objects.exists()


class TestTheDatabase:
    def test_never_changes_an_event(self, acme: NewOperator) -> None:
        event = EventFactory.create(operator=acme.operator, sequence=1)
        for change in ({"body": b"{}"}, {"sequence": 2}):
            with pytest.raises(IntegrityError):
                Event.objects.filter(pk=event.pk).update(**change)
        with pytest.raises(IntegrityError):
            Event.objects.filter(pk=event.pk)._raw_delete(using="default")

    def test_never_changes_an_attempt(self, acme: NewOperator) -> None:
        DeliveryAttempt.objects.create(
            delivery=DeliveryFactory.create(operator=acme.operator),
            operator=acme.operator,
            number=1,
            started_at=AT,
            latency_ms=1,
            outcome="delivered",
        )
        with pytest.raises(IntegrityError):
            DeliveryAttempt.objects.update(outcome="refused")
        with pytest.raises(IntegrityError):
            DeliveryAttempt.objects.all().delete()

    def test_lets_no_delivery_point_to_another_operators_event(self, acme: NewOperator, stranger: NewOperator) -> None:
        event = EventFactory.create(operator=acme.operator)
        with pytest.raises(IntegrityError):
            DeliveryFactory.create(event=event, operator=stranger.operator)
        assert not Delivery.objects.exists()
