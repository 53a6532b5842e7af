"""Days that were closed: their totals, frozen, with a hash of what they cover."""

from django.db import models
from django.db.models import F, Q

from operators.models import Operator


class CloseState(models.TextChoices):
    """Where a close stands. A day that was re-opened is closed again by a new row; the old one stays as evidence."""

    CLOSED = "closed"
    REOPENED = "reopened", "Re-opened"


class ClosedDay(models.Model):
    """One close of one day, frozen by a trigger.

    It covers each movement that was numbered up to `last_sequence` and moved before `ends_at`, and not both already for
    `previous`. So every movement is in exactly one close, and what came in late is in the next one. `rows_hash` is of these
    movements, `hash` of all that the row says and of the hash before it.
    """

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="+")
    day = models.DateField()
    time_zone = models.CharField(max_length=64)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    previous = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="+")
    last_sequence = models.BigIntegerField(help_text="The newest number of the ledger when it was closed.")
    movements = models.BigIntegerField()
    late = models.BigIntegerField(help_text="Movements that belong to days before, and came in after those were closed.")
    totals = models.JSONField()
    unresolved = models.JSONField(default=list, help_text="Money of the day whose fate was not known yet.")
    rows_hash = models.CharField(max_length=64)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64, unique=True)
    closed_at = models.DateTimeField()
    closed_by = models.CharField(max_length=150)
    reason = models.TextField()
    state = models.CharField(max_length=8, choices=CloseState, default=CloseState.CLOSED)
    reopened_at = models.DateTimeField(null=True)
    reopened_by = models.CharField(max_length=150, blank=True)
    reopened_confirmed_by = models.CharField(max_length=150, blank=True)
    reopened_reason = models.TextField(blank=True)

    class Meta:
        permissions = [("close_day", "Can close days"), ("reopen_day", "Can re-open days")]
        constraints = [
            models.UniqueConstraint(name="closed_day_once", fields=["operator", "day"], condition=Q(state="closed")),
            models.UniqueConstraint(name="closed_day_chain", fields=["operator", "previous_hash"], condition=Q(state="closed")),
            models.UniqueConstraint(name="closed_day_tenant", fields=["operator", "id"]),
            models.CheckConstraint(name="closed_day_after_it_ended", condition=Q(closed_at__gte=F("ends_at"))),
            models.CheckConstraint(
                name="closed_day_reopened_by_two",
                condition=Q(state="closed", reopened_at__isnull=True)
                | (
                    Q(state="reopened", reopened_at__isnull=False)
                    & ~Q(reopened_by="")
                    & ~Q(reopened_confirmed_by="")
                    & ~Q(reopened_by=F("reopened_confirmed_by"))
                ),
            ),
        ]
        indexes = [models.Index(name="closed_day_of_operator", fields=["operator", "-day", "-id"])]

    def __str__(self) -> str:
        """Return the day."""
        return f"{self.day}"
