"""What people do with deliveries (contract section 11)."""

import datetime as dt
import json

import pytest

from lootbox.core.ids import new_id
from operators.configuration import InvalidSetting
from operators.models import Operator
from operators.services import NewOperator
from tests.factories.webhooks import DeliveryFactory, EventFactory, make_deliveries
from tests.faulty_server import answer
from tests.services.webhooks.cast import SAM, Stage
from webhooks import selectors, services
from webhooks.models import Delivery, DeliveryAttempt, DeliveryState, Endpoint, Event


class TestSendingAgain:
    def test_sends_the_same_id_and_body_also_of_what_had_succeeded(self, stage: Stage) -> None:
        delivered, other = make_deliveries(stage.operator, 2)
        stage.run()
        assert services.send_again(delivery_ids=[delivered.pk], by=SAM, at=stage.clock.now) == 1
        assert stage.run() == 1
        *_, again = stage.receiver.received
        assert again.body == delivered.event.body
        delivered.refresh_from_db()
        assert (delivered.state, delivered.attempts) == (DeliveryState.DELIVERED, 2)
        assert list(DeliveryAttempt.objects.filter(delivery=delivered).values_list("number", flat=True).order_by("number")) == [
            1,
            2,
        ]
        assert DeliveryAttempt.objects.filter(delivery=other).count() == 1

    def test_starts_the_schedule_anew(self, stage: Stage) -> None:
        stage.receiver.play(answer(b"", status=500))
        delivery = DeliveryFactory.create(
            operator=stage.operator, state="failed", next_attempt_at=None, attempts=11, failures=11
        )
        services.send_again(delivery_ids=[delivery.pk], by=SAM, at=stage.clock.now)
        stage.run()
        delivery.refresh_from_db()
        assert (delivery.state, delivery.attempts, delivery.failures) == (DeliveryState.DUE, 12, 1)

    def test_since_a_time_takes_all_of_one_operators_events(self, stage: Stage, stranger: NewOperator) -> None:
        at = stage.clock.now
        before = EventFactory.create(operator=stage.operator, id=_id_at(at - dt.timedelta(hours=2)))
        DeliveryFactory.create(event=before, operator=stage.operator, state="failed", next_attempt_at=None)
        events = [
            EventFactory.create(operator=stage.operator, id=_id_at(at - dt.timedelta(minutes=each))) for each in (59, 30, 1)
        ]
        DeliveryFactory.create(event=events[0], operator=stage.operator, state="delivered", next_attempt_at=None)
        DeliveryFactory.create(event=events[1], operator=stage.operator, state="failed", next_attempt_at=None, failures=11)
        # The third was stored while there was no webhook URL.
        EventFactory.create(operator=stranger.operator)
        count = services.send_again_since(operator=stage.operator, since=at - dt.timedelta(hours=1), by=SAM, at=at)
        assert count == 3
        assert stage.run() == 3
        assert {request.body for request in stage.receiver.received} == {event.body for event in events}
        assert Delivery.objects.get(pk=before.pk).state == DeliveryState.FAILED

    def test_to_nowhere_is_refused(self, acme: NewOperator) -> None:
        EventFactory.create(operator=acme.operator)
        at = Event.objects.get().occurred_at
        with pytest.raises(InvalidSetting):
            services.send_again_since(operator=acme.operator, since=at, by=SAM, at=at)
        assert not Delivery.objects.exists()


class TestATestEvent:
    def test_goes_out_like_any_other(self, stage: Stage) -> None:
        event = services.send_test_event(operator=stage.operator, by=SAM, at=stage.clock.now)
        assert stage.run() == 1
        (request,) = stage.receiver.received
        assert request.body == event.body
        assert json.loads(request.body)["type"] == "webhook_test"

    def test_wants_a_webhook_url(self, acme: NewOperator) -> None:
        with pytest.raises(InvalidSetting):
            services.send_test_event(operator=acme.operator, by=SAM, at=acme.operator.created_at)
        assert not Event.objects.exists()


class TestHealth:
    def health(self, operator: Operator) -> selectors.Health:
        found = selectors.health(operator_ids=[operator.pk], since=operator.created_at - dt.timedelta(days=1))
        return found[operator.pk]

    def test_of_an_endpoint_that_has_done_nothing_is_empty(self, acme: NewOperator) -> None:
        assert self.health(acme.operator) == (acme.operator.pk, None, 0, 0, 0, 0, None, None)

    def test_says_what_waits_and_how_the_last_attempts_went(self, stage: Stage) -> None:
        make_deliveries(stage.operator, 3)
        stage.receiver.play(*[answer(b"", status=500)], answer(b""))
        assert stage.run() == 3
        DeliveryFactory.create(operator=stage.operator, state="failed", next_attempt_at=None)
        health = self.health(stage.operator)
        assert (health.due, health.undelivered, health.attempts, health.successes) == (1, 1, 3, 2)
        assert health.waiting_since == Delivery.objects.get(state="due").next_attempt_at
        assert health.p50_ms is not None
        assert health.p95_ms is not None
        assert health.p50_ms <= health.p95_ms

    def test_counts_to_a_limit(self, acme: NewOperator, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(selectors, "COUNT_LIMIT", 5)
        make_deliveries(acme.operator, 7)
        assert self.health(acme.operator).due == 5


class TestAnOperator:
    def test_has_an_endpoint_from_its_birth(self, acme: NewOperator) -> None:
        endpoint = Endpoint.objects.get(operator=acme.operator)
        assert (endpoint.enabled, endpoint.last_sequence, endpoint.failing_since) == (True, 0, None)


def _id_at(at: dt.datetime) -> object:
    """Return an id as it would have been made at `at`."""
    return type(new_id())(int=selectors.earliest_id(at=at).int + (new_id().int & (2**80 - 1)))
