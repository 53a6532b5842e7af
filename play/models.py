"""A player's way in: launches that operators sign, sessions that players hold, and who funds what they open (section 8)."""

from django.db import models
from django.db.models import Q

from catalog.models import Box
from operators.models import Operator, Player
from purchases.models import Funding


class Launch(models.Model):
    """A launch as an operator signed it. Its token is known by its hash only, and used once.

    `request_hash` stands for the signed request, so that the same one sent again finds this launch. `box` is the target, empty
    for the lobby; `funding_rounds` caps the free opens of the target box, empty for no cap.
    """

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="+")
    player = models.ForeignKey(Player, on_delete=models.PROTECT, db_constraint=False, related_name="launches")
    request_hash = models.CharField(max_length=64, unique=True)
    token_hash = models.CharField(max_length=64, unique=True)
    game_key = models.CharField(max_length=40)
    box = models.ForeignKey(Box, on_delete=models.PROTECT, db_constraint=False, null=True, related_name="+")
    auto_open = models.BooleanField(default=False)
    locale = models.CharField(max_length=35)
    currency = models.CharField(max_length=3)
    return_url = models.CharField(max_length=2048, blank=True, default="")
    balance_minor = models.BigIntegerField(null=True)
    funding = models.CharField(max_length=8, choices=Funding, default=Funding.PLAYER)
    funding_rounds = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    consumed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "launches"
        constraints = [
            models.UniqueConstraint(name="launch_tenant", fields=["operator", "id"]),
            models.CheckConstraint(name="launch_auto_opens_a_box", condition=Q(auto_open=False) | Q(box__isnull=False)),
            models.CheckConstraint(
                name="launch_caps_free_opens",
                condition=Q(funding_rounds__isnull=True) | Q(funding=Funding.OPERATOR, funding_rounds__range=(1, 100)),
            ),
        ]

    @property
    def gives_free_opens(self) -> bool:
        """Return whether the operator funds opens of the target box."""
        return self.funding == Funding.OPERATOR and self.box_id is not None


class Session(models.Model):
    """A player in the game, from a consumed launch to logout or expiry. Its token is known by its hash only.

    `pinned_rate` is the rate that this session's prices were last shown at; empty in the operator's base currency.
    """

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="+")
    player = models.ForeignKey(Player, on_delete=models.PROTECT, db_constraint=False, related_name="sessions")
    launch = models.OneToOneField(Launch, on_delete=models.PROTECT, db_constraint=False, related_name="session")
    token_hash = models.CharField(max_length=64, unique=True)
    locale = models.CharField(max_length=35)
    currency = models.CharField(max_length=3)
    pinned_rate = models.DecimalField(max_digits=24, decimal_places=12, null=True)
    started_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(name="session_tenant", fields=["operator", "id"])]


class FundingDecision(models.Model):
    """Who funds one action of a session that has free opens, decided before it is bought, so that a retry finds the same.

    `reels` is how many boxes the action opens; those with the operator's funding count against the cap. `callers` is how many
    calls rely on the decision: only the last of them may take it back, and only where nothing was stored.
    """

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="+")
    session = models.ForeignKey(Session, on_delete=models.PROTECT, db_constraint=False, related_name="funding_decisions")
    client_action_id = models.CharField(max_length=80, db_collation="C")
    reels = models.PositiveIntegerField()
    funding = models.CharField(max_length=8, choices=Funding)
    callers = models.PositiveIntegerField(default=1)
    decided_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="funding_decision_once", fields=["session", "client_action_id"]),
            models.CheckConstraint(name="funding_decision_of_reels", condition=Q(reels__gte=1)),
        ]
