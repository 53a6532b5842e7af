"""Exports that are made in the background and wait for download."""

from django.db import models
from django.db.models import Q

from operators.models import Operator


class ExportState(models.TextChoices):
    """Where an export stands. GONE was ready, and its file was deleted when its time was up."""

    WAITING = "waiting"
    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"
    GONE = "gone"


class Export(models.Model):
    """A file that somebody asked for: what it holds, how far it is, and in the end what it is known by.

    Until `leased_until` one worker writes it; when that one dies, the lease lapses and the next one starts over.
    """

    id = models.UUIDField(primary_key=True)
    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="+")
    report = models.CharField(max_length=40)
    format = models.CharField(max_length=5)
    filters = models.JSONField(default=dict)
    requested_by = models.CharField(max_length=150)
    requested_at = models.DateTimeField()
    state = models.CharField(max_length=7, choices=ExportState, default=ExportState.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    leased_until = models.DateTimeField(null=True)
    rows = models.BigIntegerField(default=0, help_text="Written so far.")
    rows_expected = models.BigIntegerField(null=True)
    size = models.BigIntegerField(null=True, help_text="In bytes.")
    sha256 = models.CharField(max_length=64, blank=True)
    totals = models.JSONField(default=dict)
    finished_at = models.DateTimeField(null=True)
    kept_until = models.DateTimeField(null=True)
    problem = models.TextField(blank=True)

    class Meta:
        permissions = [("see_reports", "Can see reports and export them")]
        constraints = [
            models.CheckConstraint(
                name="export_ready_is_known_by_its_digest",
                condition=~Q(state__in=["ready", "gone"]) | (~Q(sha256="") & Q(finished_at__isnull=False)),
            ),
        ]
        indexes = [
            models.Index(name="export_of_operator", fields=["operator", "-requested_at"]),
            models.Index(name="export_unfinished", fields=["leased_until"], condition=Q(state__in=["waiting", "running"])),
        ]

    def __str__(self) -> str:
        """Return what it holds."""
        return f"{self.report}.{self.format}"
