"""What people should look at, and the counts of draws that the RTP watch goes by."""

from django.db import models
from django.db.models import Q

from catalog.models import Box, BoxVersion, Prize
from operators.models import Operator, Player
from purchases.models import Funding


class FlagKind(models.TextChoices):
    """What a flag is about."""

    BIG_WIN = "big_win", "Big win"
    FREE_OPENS = "repeated_free_opens", "Repeated free opens"
    RTP = "rtp", "RTP out of tolerance"


class FlagState(models.TextChoices):
    """Where a flag stands: somebody takes it up, and closes it as explained or as no matter."""

    OPEN = "open", "Open"
    LOOKED_AT = "looked_at", "Looked at"
    EXPLAINED = "explained", "Explained"
    DISMISSED = "dismissed", "Dismissed"


class Severity(models.IntegerChoices):
    """How soon somebody should look."""

    LOW = 1, "Low"
    MEDIUM = 2, "Medium"
    HIGH = 3, "High"


UNRESOLVED = (FlagState.OPEN, FlagState.LOOKED_AT)


class Flag(models.Model):
    """Something unusual that was seen, with the evidence as it was then, and what people made of it.

    `cause` is unique to an operator and kind, so that one cause makes one flag however often it is seen. What it is about
    stands in those of the fields that fit its kind.
    """

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=20, choices=FlagKind)
    cause = models.CharField(max_length=80)
    severity = models.PositiveSmallIntegerField(choices=Severity)
    box = models.ForeignKey(Box, on_delete=models.PROTECT, null=True, related_name="+")
    box_version = models.ForeignKey(BoxVersion, on_delete=models.PROTECT, null=True, related_name="+")
    currency = models.CharField(max_length=3, blank=True)
    funding = models.CharField(max_length=8, choices=Funding, blank=True)
    player = models.ForeignKey(Player, on_delete=models.PROTECT, db_constraint=False, null=True, related_name="+")
    round_id = models.UUIDField(null=True)
    summary = models.TextField(help_text="The evidence in a sentence.")
    evidence = models.JSONField()
    seen_at = models.DateTimeField()
    box_paused = models.BooleanField(default=False, help_text="The box was taken offline with it.")
    state = models.CharField(max_length=9, choices=FlagState, default=FlagState.OPEN)
    handled_by = models.CharField(max_length=150, blank=True)
    handled_at = models.DateTimeField(null=True)
    handled_reason = models.TextField(blank=True)

    class Meta:
        permissions = [("handle_flag", "Can look at, explain and dismiss flags")]
        constraints = [
            models.UniqueConstraint(name="flag_once_a_cause", fields=["operator", "kind", "cause"]),
            models.CheckConstraint(
                name="flag_handled_by_somebody",
                condition=Q(state="open", handled_at__isnull=True)
                | (~Q(state="open") & Q(handled_at__isnull=False) & ~Q(handled_by="") & ~Q(handled_reason="")),
            ),
        ]
        indexes = [
            models.Index(name="flag_of_operator", fields=["operator", "-id"]),
            models.Index(name="flag_unresolved", fields=["operator", "-id"], condition=Q(state__in=["open", "looked_at"])),
            models.Index(name="flag_of_player", fields=["operator", "player"], condition=Q(kind="repeated_free_opens")),
            models.Index(name="flag_of_series", fields=["box_version", "currency", "funding"], condition=Q(kind="rtp")),
        ]

    def __str__(self) -> str:
        """Return what it says."""
        return self.summary


class DrawTally(models.Model):
    """How often a prize was drawn in an hour (UTC), by who paid and in which currency; counted from the draws, each once."""

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, db_index=False, related_name="+")
    box_version = models.ForeignKey(BoxVersion, on_delete=models.PROTECT, db_index=False, related_name="+")
    currency = models.CharField(max_length=3)
    funding = models.CharField(max_length=8, choices=Funding)
    prize = models.ForeignKey(Prize, on_delete=models.PROTECT, db_index=False, related_name="+")
    hour = models.DateTimeField()
    draws = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="draw_tally_unique", fields=["box_version", "currency", "funding", "hour", "prize"]),
        ]
        indexes = [models.Index(name="draw_tally_latest", fields=["hour", "box_version", "currency", "funding"])]


class DrawDay(models.Model):
    """The same by the day (UTC), counted from the draws by themselves: what is read of whole days, a tenth of as many rows."""

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, db_index=False, related_name="+")
    box_version = models.ForeignKey(BoxVersion, on_delete=models.PROTECT, db_index=False, related_name="+")
    currency = models.CharField(max_length=3)
    funding = models.CharField(max_length=8, choices=Funding)
    prize = models.ForeignKey(Prize, on_delete=models.PROTECT, db_index=False, related_name="+")
    day = models.DateField()
    draws = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="draw_day_unique", fields=["box_version", "currency", "funding", "day", "prize"]),
        ]
        indexes = [models.Index(name="draw_day_latest", fields=["day", "box_version", "currency", "funding"])]


class PlayTally(models.Model):
    """What was bought and won in an hour (UTC) of a box version; counted from the draws, each once.

    Amounts are in minor units of the player's currency, `base_…` in the operator's base. What the operator paid for stands in
    rows of its own, where `bet_minor` is what nobody paid.
    """

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, db_index=False, related_name="+")
    box_version = models.ForeignKey(BoxVersion, on_delete=models.PROTECT, db_index=False, related_name="+")
    currency = models.CharField(max_length=3)
    base_currency = models.CharField(max_length=3)
    funding = models.CharField(max_length=8, choices=Funding)
    hour = models.DateTimeField()
    rounds = models.BigIntegerField(help_text="A round counts at its first reel.")
    boxes = models.BigIntegerField()
    bet_minor = models.BigIntegerField()
    base_bet_minor = models.BigIntegerField()
    won_minor = models.BigIntegerField()
    base_won_minor = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="play_tally_unique",
                fields=["operator", "hour", "box_version", "currency", "base_currency", "funding"],
            ),
        ]


class DeliveryTally(models.Model):
    """How an operator's webhooks fared in an hour (UTC), attempt by attempt; `late` of those delivered took over a minute."""

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, db_index=False, related_name="+")
    hour = models.DateTimeField()
    delivered = models.BigIntegerField()
    late = models.BigIntegerField()
    failed = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(name="delivery_tally_unique", fields=["operator", "hour"])]


class TallyProgress(models.Model):
    """How far the rows of one table are counted; the row's lock makes whoever counts the only one.

    Rows up to `counted_to` are counted. Ids are given before the commit, so that a row may appear below ones that are there
    already. `seen_to` is the newest row that was seen, and `seen_before` the first transaction that began after that: once no
    older one runs, no row up to `seen_to` can appear any more, and all of them may be counted.
    """

    name = models.CharField(max_length=20, unique=True, default="draws", db_default="draws")
    counted_to = models.BigIntegerField(default=0)
    seen_to = models.BigIntegerField(default=0)
    seen_before = models.BigIntegerField(default=0)
