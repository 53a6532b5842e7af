"""Contract section 11: what is due is delivered, at least once, whatever happens."""

import datetime as dt

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings
from standardwebhooks import Webhook

from lootbox.core import signing
from lootbox.core.ids import Prefix, public_id
from operators import services as operator_services
from operators.models import Operator
from operators.services import NewOperator
from tests.factories.webhooks import DeliveryFactory, make_deliveries
from tests.faulty_server import Act, FaultyServer, Peer, Received, answer, endless, framed, raw, redirect, reset
from tests.services.webhooks.cast import SAM, Stage, listening
from webhooks import delivery, services
from webhooks.delivery import LEASE
from webhooks.lanes import QUICK_THREADS
from webhooks.leases import Leased, lease
from webhooks.models import Delivery, DeliveryAttempt, DeliveryState, Endpoint, Outcome

MINUTE = dt.timedelta(minutes=1)


def states(operator: Operator) -> list[str]:
    return sorted(Delivery.objects.filter(operator=operator).values_list("state", flat=True))


def verify(request: Received, secret: str) -> None:
    """Check a request as an off-the-shelf library does, against the real clock."""
    Webhook(secret).verify(request.body, dict(request.headers))


def envelope_signature(request: Received, secret: str) -> str:
    """Return what X-Signature must be by contract section 2, from what came over the wire."""
    return signing.sign(
        secret=secret,
        timestamp=request.headers["x-timestamp"],
        method=request.method,
        path=request.target.partition("?")[0],
        body=request.body,
    )


def take(stage: Stage, room: int = 400) -> list[Leased]:
    """Lease as a dispatcher does that has nothing in hand, and do nothing about it."""
    return lease(lanes={}, room=room, slow_room=room, at=stage.clock.now, until=stage.clock.now + LEASE)


class TestADueDelivery:
    def test_goes_out_once_byte_for_byte(self, stage: Stage) -> None:
        body = '{"id":"evt_x",  "name": "Kästchen\\u0041"}'.encode()
        delivery = DeliveryFactory.create(operator=stage.operator, event__body=body, next_attempt_at=stage.clock.now)
        assert stage.run() == 1
        assert stage.run() == 0
        (request,) = stage.receiver.received
        assert (request.method, request.target, request.body) == ("POST", "/hooks?token=hush", body)
        assert request.headers["content-type"] == "application/json"
        delivery.refresh_from_db()
        assert (delivery.state, delivery.attempts, delivery.failures) == (DeliveryState.DELIVERED, 1, 0)
        assert delivery.delivered_at is not None
        assert delivery.leased_until is None

    def test_is_signed_in_both_ways(self, stage: Stage) -> None:
        delivery = DeliveryFactory.create(operator=stage.operator)
        stage.run()
        (request,) = stage.receiver.received
        verify(request, stage.secret)
        assert request.headers["webhook-id"] == public_id(Prefix.EVENT, delivery.pk)
        assert request.headers["x-timestamp"] == request.headers["webhook-timestamp"] == str(int(stage.clock.now.timestamp()))
        assert request.headers["x-signature"] == envelope_signature(request, stage.secret)
        assert "x-signature-previous" not in request.headers

    def test_leaves_an_attempt_to_look_at(self, stage: Stage) -> None:
        stage.receiver.play(answer(b'{"thanks":"\x00\xff"}'))
        delivery = DeliveryFactory.create(operator=stage.operator)
        stage.run()
        attempt = DeliveryAttempt.objects.get(delivery=delivery)
        assert (attempt.number, attempt.outcome, attempt.http_status) == (1, Outcome.DELIVERED, 200)
        assert attempt.started_at == stage.clock.now
        assert attempt.excerpt == '{"thanks":" ?"}'
        assert attempt.url == stage.receiver.url("/hooks"), "the query may hold a secret"

    def test_waits_for_its_time(self, stage: Stage) -> None:
        DeliveryFactory.create(operator=stage.operator, next_attempt_at=stage.clock.now + MINUTE)
        assert stage.run() == 0
        stage.clock.advance(minutes=1)
        assert stage.run() == 1
        assert len(stage.receiver.received) == 1

    def test_waits_while_there_is_no_url(self, stage: Stage) -> None:
        Operator.objects.filter(pk=stage.operator.pk).update(webhook_url="")
        DeliveryFactory.create(operator=stage.operator)
        assert stage.run() == 0
        assert states(stage.operator) == ["due"]

    def test_is_not_sent_inside_a_transaction(self, stage: Stage) -> None:
        DeliveryFactory.create(operator=stage.operator)
        with pytest.raises(RuntimeError), transaction.atomic():
            stage.run()
        assert states(stage.operator) == ["due"]


class TestManyDeliveries:
    def test_cost_few_statements_and_share_connections(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        # A slow machine would write down smaller batches; here each waits until it is full.
        monkeypatch.setattr(delivery, "POLL_S", 10)
        monkeypatch.setattr(delivery, "GATHER_S", 10)
        make_deliveries(stage.operator, 1000)
        with CaptureQueriesContext(connection) as captured:
            assert stage.run() == 1000
        assert len({request.body for request in stage.receiver.received}) == len(stage.receiver.received) == 1000
        assert states(stage.operator) == ["delivered"] * 1000
        assert DeliveryAttempt.objects.count() == 1000
        assert len(captured) <= 0.05 * 1000
        assert stage.receiver.connections <= QUICK_THREADS

    def test_to_several_operators_go_to_each_ones_own_receiver_with_its_own_secret(
        self, stage: Stage, stranger: NewOperator
    ) -> None:
        make_deliveries(stage.operator, 20)
        with FaultyServer(answer(b"")) as other:
            listening(stranger.operator, other)
            theirs = {bytes(each.event.body) for each in make_deliveries(stranger.operator, 20)}
            assert stage.run() == 40
            assert {request.body for request in other.received} == theirs
        for request in other.received:
            verify(request, stranger.outbound_secret)
        for request in stage.receiver.received:
            verify(request, stage.secret)


class TestAReceiverThatFailsNineTimes:
    def test_gets_the_same_event_a_tenth_time_signed_anew(self, stage: Stage, settings: Settings) -> None:
        stage.receiver.play(*[answer(b"broken", status=500)] * 9, answer(b""))
        delivery = DeliveryFactory.create(operator=stage.operator)
        for failures, step in enumerate(settings.LOOTBOX_WEBHOOK_RETRY_S[:9], start=1):
            began = stage.clock.now
            assert stage.run() == 1
            delivery.refresh_from_db()
            assert (delivery.state, delivery.attempts, delivery.failures) == (DeliveryState.DUE, failures, failures)
            assert delivery.next_attempt_at is not None
            wait = (delivery.next_attempt_at - began).total_seconds()
            assert 0.8 * step <= wait <= 1.2 * step + 5
            stage.clock.now = delivery.next_attempt_at - dt.timedelta(milliseconds=1)
            assert stage.run() == 0
            stage.clock.now = delivery.next_attempt_at
        assert stage.run() == 1
        delivery.refresh_from_db()
        assert (delivery.state, delivery.attempts, delivery.failures) == (DeliveryState.DELIVERED, 10, 0)
        assert len({(request.body, request.headers["webhook-id"]) for request in stage.receiver.received}) == 1
        for name in ("x-timestamp", "x-signature", "webhook-signature"):
            assert len({request.headers[name] for request in stage.receiver.received}) == 10, name
        for request in stage.receiver.received:
            assert request.headers["x-signature"] == envelope_signature(request, stage.secret)
        assert list(DeliveryAttempt.objects.order_by("number").values_list("number", "http_status")) == [
            *((number, 500) for number in range(1, 10)),
            (10, 200),
        ]

    def test_is_given_up_after_the_last_step(self, stage: Stage, settings: Settings) -> None:
        settings.LOOTBOX_WEBHOOK_RETRY_S = [5, 30]
        stage.receiver.play(answer(b"", status=503))
        DeliveryFactory.create(operator=stage.operator)
        for _ in range(3):
            assert stage.run() == 1
            stage.clock.advance(minutes=1)
        assert stage.run() == 0
        assert states(stage.operator) == ["failed"]
        assert Endpoint.objects.get(pk=stage.operator.pk).enabled

    def test_is_asked_later_when_it_says_retry_after(self, stage: Stage) -> None:
        stage.receiver.play(answer(b"", status=429, headers={"Retry-After": "9"}))
        delivery = DeliveryFactory.create(operator=stage.operator)
        began = stage.clock.now
        stage.run()
        delivery.refresh_from_db()
        assert delivery.next_attempt_at is not None
        assert dt.timedelta(seconds=9) <= delivery.next_attempt_at - began <= dt.timedelta(seconds=14)


class TestAnAnswer:
    @pytest.mark.parametrize(
        ("act", "outcome", "status"),
        [
            (answer(b"", status=204), Outcome.DELIVERED, 204),
            (answer(b"x", status=299), Outcome.DELIVERED, 299),
            (endless(framed(b"")[:-4] + b"\r\nTransfer-Encoding: chunked\r\n\r\n", b""), Outcome.DELIVERED, 200),
            (redirect("/elsewhere"), Outcome.REFUSED, 307),
            (answer(b"", status=400), Outcome.REFUSED, 400),
            (answer(b"", status=500), Outcome.REFUSED, 500),
            (raw(b"nonsense"), Outcome.NO_ANSWER, None),
            (reset(), Outcome.NO_ANSWER, None),
        ],
    )
    def test_is_judged_by_its_status_alone(self, stage: Stage, act: Act, outcome: Outcome, status: int | None) -> None:
        stage.receiver.play(act)
        DeliveryFactory.create(operator=stage.operator)
        assert stage.run() == 1
        attempt = DeliveryAttempt.objects.get()
        assert (attempt.outcome, attempt.http_status) == (outcome, status)
        assert states(stage.operator) == ["delivered" if outcome is Outcome.DELIVERED else "due"]
        assert len(stage.receiver.received) == 1, "a redirect is not followed, nothing is sent twice"

    def test_of_ten_megabytes_is_cut(self, stage: Stage) -> None:
        stage.receiver.play(endless(b"HTTP/1.1 500 No\r\nContent-Length: 10000000\r\n\r\n", b"x" * 65536))
        DeliveryFactory.create(operator=stage.operator)
        stage.run()
        attempt = DeliveryAttempt.objects.get()
        assert attempt.http_status == 500
        assert len(attempt.excerpt) <= 2000
        assert states(stage.operator) == ["due"]

    def test_that_never_comes_is_a_failure(self, stage: Stage) -> None:
        stage.receiver.__exit__(None, None, None)
        DeliveryFactory.create(operator=stage.operator)
        stage.run()
        assert DeliveryAttempt.objects.get().outcome == Outcome.NOT_SENT
        assert states(stage.operator) == ["due"]

    def test_is_not_asked_for_at_a_private_address_in_production(self, stage: Stage, settings: Settings) -> None:
        settings.LOOTBOX_ALLOW_PRIVATE_URLS = False
        DeliveryFactory.create(operator=stage.operator)
        stage.run()
        assert DeliveryAttempt.objects.get().outcome == Outcome.NOT_SENT
        assert stage.receiver.connections == 0


class TestARotatedSecret:
    def test_signs_with_both_until_the_overlap_ends(self, stage: Stage) -> None:
        make_deliveries(stage.operator, 1)
        stage.run()
        new = operator_services.rotate_outbound_secret(
            operator=stage.operator, at=stage.clock.now, overlap=dt.timedelta(hours=1)
        )
        make_deliveries(stage.operator, 1)
        stage.clock.advance(seconds=1)
        stage.run()
        before, during = stage.receiver.received
        verify(before, stage.secret)
        for secret in (stage.secret, new):
            verify(during, secret)
        assert during.headers["x-signature"] == envelope_signature(during, new)
        assert during.headers["x-signature-previous"] == envelope_signature(during, stage.secret)

        make_deliveries(stage.operator, 1)
        stage.clock.advance(hours=1)
        stage.run()
        after = stage.receiver.received[2]
        assert after.headers["x-signature"] == envelope_signature(after, new)
        assert "x-signature-previous" not in after.headers
        assert len(after.headers["webhook-signature"].split()) == 1


class TestAnEndpointThatIsGone:
    def test_is_stopped_until_a_person_turns_it_on(self, stage: Stage) -> None:
        stage.receiver.play(answer(b"", status=410))
        first, *_ = make_deliveries(stage.operator, 30)
        assert stage.run() <= 30
        endpoint = Endpoint.objects.get(pk=stage.operator.pk)
        assert (endpoint.enabled, endpoint.disabled_reason) == (False, Endpoint.Reason.GONE)
        said = len(stage.receiver.received)

        stage.receiver.play(answer(b""))
        make_deliveries(stage.operator, 1)
        stage.clock.advance(days=3)
        assert stage.run() == 0
        assert len(stage.receiver.received) == said
        assert states(stage.operator) == ["stopped"] * 31

        services.turn_on(operator=stage.operator, by=SAM, at=stage.clock.now)
        assert stage.run() == 31
        assert states(stage.operator) == ["delivered"] * 31
        assert Endpoint.objects.get(pk=stage.operator.pk).enabled
        assert first.pk in set(DeliveryAttempt.objects.filter(outcome="delivered").values_list("delivery_id", flat=True))


class TestAnEndpointThatOnlyFails:
    def fail_once(self, stage: Stage) -> None:
        DeliveryFactory.create(operator=stage.operator, next_attempt_at=stage.clock.now)
        stage.run()

    def test_is_turned_off_after_five_days_and_people_are_told(
        self, stage: Stage, settings: Settings, mailoutbox: list[object]
    ) -> None:
        settings.ADMINS = [("Ops", "ops@example.com")]
        stage.receiver.play(answer(b"", status=500))
        self.fail_once(stage)
        assert Endpoint.objects.get(pk=stage.operator.pk).failing_since == stage.clock.now
        stage.clock.advance(days=4.9)
        self.fail_once(stage)
        assert Endpoint.objects.get(pk=stage.operator.pk).enabled
        assert services.send_notices(at=stage.clock.now) == 0
        stage.clock.advance(days=0.2)
        self.fail_once(stage)
        endpoint = Endpoint.objects.get(pk=stage.operator.pk)
        assert (endpoint.enabled, endpoint.disabled_reason) == (False, Endpoint.Reason.FAILING)
        assert services.send_notices(at=stage.clock.now) == 1
        assert services.send_notices(at=stage.clock.now) == 0
        assert len(mailoutbox) == 1

    def test_starts_counting_anew_with_a_success(self, stage: Stage) -> None:
        stage.receiver.play(answer(b"", status=500), answer(b""), answer(b"", status=500))
        self.fail_once(stage)
        stage.clock.advance(days=4)
        Delivery.objects.filter(state="due").update(state="failed", next_attempt_at=None)
        self.fail_once(stage)
        assert Endpoint.objects.get(pk=stage.operator.pk).failing_since is None
        stage.clock.advance(days=4)
        self.fail_once(stage)
        endpoint = Endpoint.objects.get(pk=stage.operator.pk)
        assert (endpoint.enabled, endpoint.failing_since) == (True, stage.clock.now)


class TestALease:
    def test_of_a_dispatcher_that_died_lapses(self, stage: Stage) -> None:
        make_deliveries(stage.operator, 3)
        assert len(take(stage)) == 3
        assert stage.run() == 0
        stage.clock.now += LEASE
        assert stage.run() == 3
        assert len(stage.receiver.received) == 3

    def test_that_was_taken_over_writes_nothing_down(self, stage: Stage) -> None:
        delivery = DeliveryFactory.create(operator=stage.operator)

        def while_it_is_away(then: Act) -> Act:
            def act(peer: Peer, request: Received) -> None:
                Delivery.objects.filter(pk=delivery.pk).update(leased_until=stage.clock.now + 2 * LEASE)
                connection.close()
                then(peer, request)

            return act

        stage.receiver.play(while_it_is_away(answer(b"", status=500)))
        assert stage.run() == 1
        delivery.refresh_from_db()
        assert (delivery.state, delivery.attempts) == (DeliveryState.DUE, 0)
        assert not DeliveryAttempt.objects.exists()

    def test_is_given_to_one_of_two(self, stage: Stage) -> None:
        make_deliveries(stage.operator, 40)
        first, second = ({each.job.event_id for each in take(stage, room=30)} for _ in range(2))
        assert (len(first), len(second), first & second) == (30, 10, set())


class TestASlowReceiver:
    def test_does_not_delay_a_healthy_one(self, stage: Stage, stranger: NewOperator) -> None:
        """The slow one answers only when the healthy one has everything, so being delayed would be a deadlock."""
        with FaultyServer(answer(b"")) as slow:

            def when_the_other_is_done(peer: Peer, request: Received) -> None:
                stage.receiver.wait_received(600)
                answer(b"")(peer, request)

            slow.play(when_the_other_is_done)
            listening(stranger.operator, slow)
            make_deliveries(stranger.operator, 100)
            make_deliveries(stage.operator, 600)
            assert stage.run() == 700
            assert len(slow.received) == 100

    def test_holds_nobody_up_when_a_run_comes_to_its_end(self, stage: Stage, stranger: NewOperator) -> None:
        """The slow one answers after the run's time, and only when the healthy one has got what was stored since."""

        def hold_past_the_end(peer: Peer, request: Received) -> None:
            stage.clock.advance(seconds=61)
            make_deliveries(stage.operator, 5)
            connection.close()
            stage.receiver.wait_received(5)
            answer(b"")(peer, request)

        with FaultyServer(hold_past_the_end) as slow:
            listening(stranger.operator, slow)
            Endpoint.objects.filter(pk=stranger.operator.pk).update(failing_since=stage.clock.now)
            first, second = make_deliveries(stranger.operator, 2)
            Delivery.objects.filter(pk=second.pk).update(next_attempt_at=stage.clock.now + MINUTE)
            assert stage.run() == 6
        assert Delivery.objects.get(pk=first.pk).state == DeliveryState.DELIVERED
        second.refresh_from_db()
        assert (second.state, second.leased_until) == (DeliveryState.DUE, None)

    def test_takes_little_in_hand_once_it_is_known(self, stage: Stage) -> None:
        Endpoint.objects.filter(pk=stage.operator.pk).update(failing_since=stage.clock.now)
        make_deliveries(stage.operator, 50)
        assert len(take(stage)) == 2
