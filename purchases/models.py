"""Rounds: what was asked for (actions, reels), what was paid, what was drawn."""

from django.db import models
from django.db.models import Q

from catalog.models import BoxVersion, Prize
from fairness.models import SeedPair
from operators.models import Operator, Player


class Mode(models.TextChoices):
    """Whether a purchase opens its boxes at once (contract section 5)."""

    OPEN = "open"
    PREPAY = "prepay"


class Funding(models.TextChoices):
    """Who pays."""

    PLAYER = "player"
    OPERATOR = "operator"


class RoundState(models.TextChoices):
    """The states of a round; UNDOING is shown as pending: recovery has begun to give the money back, a one-way door."""

    PENDING = "pending"
    UNDOING = "undoing"
    HELD = "held"
    SETTLED = "settled"
    VOIDED = "voided"
    REFUNDED = "refunded"
    EXPIRED = "expired"


class Round(models.Model):
    """One purchase: one debit for all its reels, then one draw a reel.

    `fence` counts who owns a pending round; whoever records an outcome must hold the newest one. `locked_by` is the refund
    whose fate must be known before a held round may be opened.
    """

    id = models.UUIDField(primary_key=True)
    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="+")
    player = models.ForeignKey(Player, on_delete=models.PROTECT, db_constraint=False, related_name="rounds")
    mode = models.CharField(max_length=7, choices=Mode)
    funding = models.CharField(max_length=8, choices=Funding)
    state = models.CharField(max_length=8, choices=RoundState)
    currency = models.CharField(max_length=3)
    bet_minor = models.BigIntegerField()
    base_currency = models.CharField(max_length=3)
    base_bet_minor = models.BigIntegerField()
    fx_rate = models.DecimalField(max_digits=24, decimal_places=12, help_text="Units of currency for one of the base.")
    fx_source = models.CharField(max_length=40, blank=True)
    fx_at = models.DateTimeField(null=True)
    fence = models.PositiveIntegerField(default=1)
    lease_until = models.DateTimeField(null=True, help_text="Until then a retry waits for the caller that is at work.")
    recover_at = models.DateTimeField(null=True, help_text="When recovery takes it up, if nobody retries before.")
    undone_at = models.DateTimeField(null=True, help_text="When recovery began to undo it; nothing draws it from then on.")
    locked_by = models.UUIDField(null=True)
    purchased_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True, help_text="When it was voided, refunded or expired.")
    expires_at = models.DateTimeField(null=True, help_text="When a held round is refunded by itself.")
    expiring = models.BooleanField(default=False, db_default=False, help_text="Its time is up, and its refund is under way.")
    payout_minor = models.BigIntegerField(null=True)
    credited_minor = models.BigIntegerField(null=True, help_text="What its cash prizes credited, or owe.")
    base_payout_minor = models.BigIntegerField(null=True)
    seed_pair = models.ForeignKey(SeedPair, on_delete=models.PROTECT, db_constraint=False, null=True, related_name="+")
    nonce = models.BigIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="round_tenant", fields=["operator", "id"]),
            models.UniqueConstraint(name="round_nonce_unique", fields=["seed_pair", "nonce"]),
            models.CheckConstraint(name="round_bet_positive", condition=Q(bet_minor__gte=0) & Q(base_bet_minor__gte=1)),
            models.CheckConstraint(
                name="round_drawn_iff_settled",
                condition=Q(
                    state="settled",
                    nonce__isnull=False,
                    seed_pair__isnull=False,
                    settled_at__isnull=False,
                    payout_minor__isnull=False,
                )
                | (~Q(state="settled") & Q(nonce__isnull=True, seed_pair__isnull=True, settled_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="round_recovery_unfinished",
                condition=Q(recover_at__isnull=True) | Q(state__in=["pending", "undoing"]),
            ),
            models.CheckConstraint(name="round_lock_held", condition=Q(locked_by__isnull=True) | Q(state="held")),
        ]
        indexes = [
            models.Index(name="round_player", fields=["operator", "player", "-purchased_at", "-id"]),
            models.Index(name="round_expiry", fields=["expires_at"], condition=Q(state="held")),
            # Finance reads days: what was drawn on one, what was given back or voided since.
            models.Index(name="round_settled", fields=["operator", "settled_at"], condition=Q(settled_at__isnull=False)),
            models.Index(name="round_ended", fields=["operator", "ended_at"], condition=Q(ended_at__isnull=False)),
            models.Index(name="round_recovery", fields=["recover_at"], condition=Q(recover_at__isnull=False)),
        ]


class ActionKind(models.TextChoices):
    """What a player's action did; OPEN_HELD opened a round that an earlier PREPAY had made."""

    OPEN = "open"
    PREPAY = "prepay"
    OPEN_HELD = "open_held"


class Action(models.Model):
    """One `clientActionId` of one player: the idempotency key of a purchase, and a row of the player's history."""

    id = models.UUIDField(primary_key=True)
    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="+")
    player = models.ForeignKey(Player, on_delete=models.PROTECT, db_constraint=False, related_name="+")
    client_action_id = models.CharField(max_length=80, db_collation="C")
    fingerprint = models.BinaryField()
    kind = models.CharField(max_length=9, choices=ActionKind)
    round = models.ForeignKey(Round, on_delete=models.PROTECT, db_constraint=False, related_name="actions")
    balance_after_minor = models.BigIntegerField(null=True, help_text="The wallet's last word in this call.")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="action_client_id_unique", fields=["player", "client_action_id"]),
        ]
        indexes = [
            models.Index(name="action_history", fields=["operator", "player", "created_at", "id"]),
            # Support searches by it without knowing the player.
            models.Index(name="action_client_id", fields=["client_action_id"]),
        ]


class Reel(models.Model):
    """One box of a round, as it was bought; rows are only ever added."""

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="+")
    round = models.ForeignKey(Round, on_delete=models.PROTECT, db_constraint=False, related_name="reels")
    position = models.PositiveIntegerField()
    reel_index = models.IntegerField()
    box_version = models.ForeignKey(BoxVersion, on_delete=models.PROTECT, db_constraint=False, related_name="+")
    bet_minor = models.BigIntegerField()
    base_bet_minor = models.BigIntegerField()

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(name="reel_unique", fields=["round", "reel_index"])]


class Draw(models.Model):
    """What a reel drew, frozen by a trigger. Values are in the round's currency and in the base."""

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="+")
    round = models.ForeignKey(Round, on_delete=models.PROTECT, db_constraint=False, related_name="draws")
    reel_index = models.IntegerField()
    box_version = models.ForeignKey(BoxVersion, on_delete=models.PROTECT, db_constraint=False, related_name="+")
    seed_pair = models.ForeignKey(SeedPair, on_delete=models.PROTECT, db_constraint=False, related_name="+")
    nonce = models.BigIntegerField()
    roll = models.BigIntegerField()
    prize = models.ForeignKey(Prize, on_delete=models.PROTECT, related_name="+")
    value_minor = models.BigIntegerField()
    base_value_minor = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="draw_once", fields=["round", "reel_index"]),
            models.UniqueConstraint(name="draw_nonce_once", fields=["seed_pair", "nonce", "reel_index"]),
        ]


class CapPeriod(models.TextChoices):
    """Calendar periods in UTC."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class SpendingCap(models.Model):
    """How much a player may spend of one currency in a period, set by the operator (contract section 3)."""

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="+")
    player = models.ForeignKey(Player, on_delete=models.PROTECT, db_constraint=False, related_name="caps")
    period = models.CharField(max_length=5, choices=CapPeriod)
    currency = models.CharField(max_length=3)
    amount_minor = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="spending_cap_unique", fields=["player", "period", "currency"]),
            models.CheckConstraint(name="spending_cap_not_negative", condition=Q(amount_minor__gte=0)),
        ]
