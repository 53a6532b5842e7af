"""The peer of `bench/webhooks.py`: a Celery task for each delivery, as most write it."""

from uuid import UUID

import django
import requests
from celery import Celery

django.setup()

from django.utils import timezone  # noqa: E402 - needs the set-up

from webhooks import sender  # noqa: E402
from webhooks.models import Delivery, DeliveryAttempt, DeliveryState, Outcome  # noqa: E402

SETTINGS = "bench.webhooks_peer_settings"
QUEUE = "deliveries"
IDLE = "idle"

app = Celery("peer", set_as_current=False)
app.config_from_object("django.conf:settings", namespace="CELERY")


@app.task
def deliver(event_id: str) -> None:
    """Deliver one event: an ORM read, requests, two ORM writes."""
    delivery = Delivery.objects.select_related("event", "operator").get(pk=UUID(event_id))
    body, at = bytes(delivery.event.body), timezone.now()
    headers = sender.signed_headers(operator=delivery.operator, event_id=delivery.pk, body=body, at=at)
    answer = requests.post(delivery.operator.webhook_url, data=body, headers=headers, timeout=10)
    delivery.attempts += 1
    if answer.ok:
        delivery.state, delivery.next_attempt_at, delivery.delivered_at = DeliveryState.DELIVERED, None, timezone.now()
    delivery.save(update_fields=["attempts", "state", "next_attempt_at", "delivered_at"])
    DeliveryAttempt.objects.create(
        delivery=delivery,
        operator=delivery.operator,
        number=delivery.attempts,
        url=delivery.operator.webhook_url,
        started_at=at,
        latency_ms=round(answer.elapsed.total_seconds() * 1000),
        outcome=Outcome.DELIVERED if answer.ok else Outcome.REFUSED,
        http_status=answer.status_code,
        excerpt=answer.text[:2000],
    )
