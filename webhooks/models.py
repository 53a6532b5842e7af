"""The outbox: events as rows in the transaction of what they tell of, and their deliveries (contract section 11)."""

from django.db import models
from django.db.models import Q

from operators.models import Operator


class EventType(models.TextChoices):
    """What operators are told of."""

    ROUND_SETTLED = "round_settled"
    ROUND_HELD = "round_held"
    ROUND_VOIDED = "round_voided"
    ROUND_REFUNDED = "round_refunded"
    BONUS_ENTITLEMENT = "bonus_entitlement"
    ITEM_CASHED_BACK = "item_cashed_back"
    ITEM_EXPIRED = "item_expired"
    FULFILLMENT_NOTICE = "fulfillment_notice"
    BOX_PUBLISHED = "box_published"
    WEBHOOK_TEST = "webhook_test"


class Event(models.Model):
    """One event with the exact bytes that are sent. `sequence` is given after the commit, gapless per operator."""

    id = models.UUIDField(primary_key=True)
    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="+")
    type = models.CharField(max_length=20, choices=EventType)
    subject = models.CharField(max_length=40, blank=True, help_text="The public id of what it tells of.")
    body = models.BinaryField()
    occurred_at = models.DateTimeField()
    sequence = models.BigIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="event_sequence_unique", fields=["operator", "sequence"]),
            models.UniqueConstraint(name="event_tenant", fields=["operator", "id"]),
        ]
        indexes = [
            models.Index(name="event_unnumbered", fields=["operator"], condition=Q(sequence__isnull=True)),
            models.Index(name="event_subject", fields=["operator", "subject"]),
        ]


class DeliveryState(models.TextChoices):
    """Where a delivery stands. FAILED and STOPPED wait for a person."""

    DUE = "due"
    DELIVERED = "delivered"
    FAILED = "failed"
    STOPPED = "stopped"


class Delivery(models.Model):
    """The delivery of one event to the operator's webhook URL."""

    event = models.OneToOneField(Event, on_delete=models.PROTECT, primary_key=True, related_name="delivery")
    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=9, choices=DeliveryState, default=DeliveryState.DUE)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.CheckConstraint(
                name="delivery_due_has_time",
                condition=Q(state="due", next_attempt_at__isnull=False) | (~Q(state="due") & Q(next_attempt_at__isnull=True)),
            ),
        ]
        indexes = [models.Index(name="delivery_due", fields=["next_attempt_at", "event"], condition=Q(state="due"))]
