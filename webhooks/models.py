"""The outbox: events as rows in the transaction of what they tell of, and their deliveries (contract section 11)."""

from django.db import models
from django.db.models import Q

from lootbox.core.ids import Prefix, public_id
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
    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, db_index=False, related_name="+")
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


class Endpoint(models.Model):
    """Where an operator's events go: one row an operator, made with it by the database.

    Whoever numbers the feed holds this row's lock, so that `last_sequence` has no gap. It is off when the receiver said 410 or
    failed for days, and then only a person turns it on.
    """

    class Reason(models.TextChoices):
        """Why it is off."""

        NONE = "", "on"
        GONE = "gone", "the receiver answered 410 Gone"
        FAILING = "failing", "nothing but failures for days"
        PERSON = "person", "somebody turned it off"

    operator = models.OneToOneField(Operator, on_delete=models.CASCADE, primary_key=True, related_name="webhook_endpoint")
    last_sequence = models.BigIntegerField(db_default=0, help_text="How many events the feed has.")
    enabled = models.BooleanField(db_default=True)
    failing_since = models.DateTimeField(null=True, help_text="The first failure since the last success.")
    disabled_at = models.DateTimeField(null=True)
    disabled_reason = models.CharField(max_length=7, choices=Reason, blank=True, db_default="")
    noticed_at = models.DateTimeField(null=True, help_text="When people were told that it is off.")

    class Meta:
        permissions = [("operate_endpoint", "Can turn webhook endpoints on and send to them")]
        constraints = [
            models.CheckConstraint(
                name="endpoint_off_says_when_and_why",
                condition=Q(enabled=True, disabled_at__isnull=True, disabled_reason="")
                | (Q(enabled=False, disabled_at__isnull=False) & ~Q(disabled_reason="")),
            ),
        ]
        indexes = [models.Index(name="endpoint_off", fields=["operator"], condition=Q(enabled=False))]

    def __str__(self) -> str:
        """Return whose it is."""
        return str(self.operator)


class DeliveryState(models.TextChoices):
    """Where a delivery stands. FAILED and STOPPED wait for a person."""

    DUE = "due"
    DELIVERED = "delivered"
    FAILED = "failed"
    STOPPED = "stopped"


class Delivery(models.Model):
    """The delivery of one event to the operator's webhook URL.

    Until `leased_until` one dispatcher has it in hand; when that one dies, the lease lapses and the delivery comes up again.
    That event and operator belong together is one foreign key over both, made in SQL.
    """

    event = models.OneToOneField(
        Event, on_delete=models.PROTECT, primary_key=True, db_constraint=False, related_name="delivery"
    )
    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="+")
    state = models.CharField(max_length=9, choices=DeliveryState, default=DeliveryState.DUE)
    attempts = models.PositiveIntegerField(default=0, help_text="In all, also those before it was sent again by hand.")
    failures = models.PositiveSmallIntegerField(db_default=0, help_text="The step of the retry schedule that it is at.")
    next_attempt_at = models.DateTimeField(null=True)
    leased_until = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "deliveries"
        permissions = [("send_again", "Can send webhooks again")]
        constraints = [
            models.CheckConstraint(
                name="delivery_due_has_time",
                condition=Q(state="due", next_attempt_at__isnull=False) | (~Q(state="due") & Q(next_attempt_at__isnull=True)),
            ),
        ]
        indexes = [
            # Taking a lease writes no index, so most of them stay within their page.
            models.Index(
                name="delivery_due_by_operator", fields=["operator", "next_attempt_at", "event"], condition=Q(state="due")
            ),
            models.Index(name="delivery_waits", fields=["operator", "event"], condition=Q(state__in=["failed", "stopped"])),
        ]

    def __str__(self) -> str:
        """Return the event's public id."""
        return public_id(Prefix.EVENT, self.pk)


class Outcome(models.TextChoices):
    """How one attempt ended. Only a 2xx is a success; 410 also stops the endpoint."""

    DELIVERED = "delivered", "delivered"
    REFUSED = "refused", "answered with another status than 2xx"
    GONE = "gone", "answered 410 Gone"
    NO_ANSWER = "no_answer", "sent, and no usable answer"
    NOT_SENT = "not_sent", "could not be sent"


class DeliveryAttempt(models.Model):
    """One time that an event went out, as it ended; rows are only ever added.

    What was sent is the event's body and headers that follow from this row and the event. Signatures are not kept.
    """

    delivery = models.ForeignKey(Delivery, on_delete=models.PROTECT, db_index=False, related_name="attempt_log")
    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="+")
    number = models.PositiveIntegerField()
    url = models.CharField(max_length=2048, help_text="Without its query, which may hold a secret of the operator's.")
    started_at = models.DateTimeField()
    latency_ms = models.PositiveIntegerField()
    outcome = models.CharField(max_length=9, choices=Outcome)
    http_status = models.PositiveSmallIntegerField(null=True)
    detail = models.CharField(max_length=300, blank=True)
    excerpt = models.TextField(blank=True, help_text="The start of what the receiver answered.")

    class Meta:
        constraints = [models.UniqueConstraint(name="delivery_attempt_number_unique", fields=["delivery", "number"])]
        indexes = [models.Index(name="delivery_attempt_latest", fields=["operator", "-id"])]
