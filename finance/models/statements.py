"""Statements of a casino, how they are written, and where they differ from our wallet calls."""

from typing import Final

from django.db import models
from django.db.models import Q

from operators.models import Operator


class StatementFormat(models.Model):
    """How an operator's statements are written, mapped once and confirmed by a person."""

    operator = models.OneToOneField(Operator, on_delete=models.PROTECT, primary_key=True, related_name="+")
    mapping = models.JSONField()
    confirmed_by = models.CharField(max_length=150)
    confirmed_at = models.DateTimeField()

    def __str__(self) -> str:
        """Return whose it is."""
        return f"format of {self.operator}"


class StatementState(models.TextChoices):
    """Where a statement stands. UNMAPPED waits for a person to say which column is what."""

    UNMAPPED = "unmapped"
    WAITING = "waiting"
    RUNNING = "running"
    MATCHED = "matched"
    FAILED = "failed"


class Statement(models.Model):
    """A file of a casino's own transactions for some days, and what came of matching it.

    Neither its lines nor those that matched are kept: the file itself is, so that the same result can be had again, and what is
    not among the differences was matched. Until `leased_until` one worker reads it; when that one dies, another starts over.
    """

    ALL_READ: Final = 99  # `progress` when the file is read, and nothing is compared yet

    id = models.UUIDField(primary_key=True)
    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="+")
    first_day = models.DateField()
    last_day = models.DateField()
    time_zone = models.CharField(max_length=64, help_text="Where its days begin.")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(help_text="The first moment that does not belong to it.")
    tolerance_minor = models.BigIntegerField(default=0, help_text="Amounts may differ by this many minor units.")
    file_name = models.CharField(max_length=200)
    file_size = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    mapping = models.JSONField(null=True, help_text="How the file was read.")
    uploaded_by = models.CharField(max_length=150)
    uploaded_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=StatementState)
    attempts = models.PositiveSmallIntegerField(default=0)
    leased_until = models.DateTimeField(null=True)
    lines_read = models.BigIntegerField(default=0)
    progress = models.PositiveSmallIntegerField(default=0, help_text="In percent.")
    matched_at = models.DateTimeField(null=True)
    seconds = models.DecimalField(max_digits=9, decimal_places=2, null=True, help_text="What the last matching took.")
    result = models.JSONField(default=dict)
    problem = models.TextField(blank=True)

    class Meta:
        permissions = [("match_statement", "Can upload and match statements")]
        constraints = [
            models.UniqueConstraint(name="statement_tenant", fields=["operator", "id"]),
            models.CheckConstraint(name="statement_days_in_order", condition=Q(last_day__gte=models.F("first_day"))),
            models.CheckConstraint(name="statement_tolerance_not_negative", condition=Q(tolerance_minor__gte=0)),
            models.CheckConstraint(
                name="statement_matched_has_result", condition=~Q(state="matched") | Q(matched_at__isnull=False)
            ),
        ]
        indexes = [
            models.Index(name="statement_of_operator", fields=["operator", "-uploaded_at"]),
            models.Index(name="statement_period", fields=["operator", "starts_at"], condition=Q(state="matched")),
            models.Index(name="statement_unfinished", fields=["leased_until"], condition=Q(state__in=["waiting", "running"])),
        ]

    def __str__(self) -> str:
        """Return the file and its days."""
        days = f"{self.first_day}" if self.first_day == self.last_day else f"{self.first_day} to {self.last_day}"
        return f"{self.file_name} for {days}"


class StatementPart(models.Model):
    """A piece of a statement's file, compressed. In the database, so that every web server and worker has it."""

    statement = models.ForeignKey(Statement, on_delete=models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField()
    content = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(name="statement_part_once", fields=["statement", "number"])]


class Category(models.TextChoices):
    """What a line of a statement and a wallet call are to each other."""

    MATCHED = "matched"
    AMOUNT = "amount", "Amount differs"
    MISSING_OURS = "missing_ours", "Missing at ours"
    MISSING_THEIRS = "missing_theirs", "Missing at theirs"
    DUPLICATE = "duplicate", "Duplicate"
    TIMING = "timing", "Timing"
    STATE = "state", "State differs"


class Difference(models.Model):
    """Where a statement and our wallet calls do not agree. Amounts are what was done to the player, in minor units."""

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="+")
    statement = models.ForeignKey(Statement, on_delete=models.CASCADE, related_name="differences")
    category = models.CharField(max_length=14, choices=Category)
    reason = models.CharField(max_length=20)
    line_number = models.BigIntegerField(null=True)
    key = models.CharField(max_length=255, db_collation="C")
    reference = models.CharField(max_length=255, blank=True)
    player_external_id = models.CharField(max_length=255, blank=True)
    theirs_minor = models.BigIntegerField(null=True)
    theirs_currency = models.CharField(max_length=3, blank=True)
    theirs_at = models.DateTimeField(null=True)
    call_id = models.UUIDField(null=True)
    round_id = models.UUIDField(null=True)
    ours_minor = models.BigIntegerField(null=True)
    ours_currency = models.CharField(max_length=3, blank=True)
    ours_state = models.CharField(max_length=8, blank=True)
    ours_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(name="difference_listed", fields=["statement", "category", "id"]),
            models.Index(name="difference_of_call", fields=["call_id"], condition=Q(call_id__isnull=False)),
        ]

    def __str__(self) -> str:
        """Return which booking it is about."""
        return f"{self.get_category_display()}: {self.key}"
