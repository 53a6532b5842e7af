"""A player's seed pairs (contract section 9)."""

from django.db import models
from django.db.models import Q

from lootbox.core.crypto import EncryptedTextField
from operators.models import Operator, Player


class SeedState(models.TextChoices):
    """A server seed is committed to first, then draws, then is revealed."""

    NEXT = "next"
    ACTIVE = "active"
    REVEALED = "revealed"


class SeedPair(models.Model):
    """A server seed with the client seed it draws with. `next_nonce` is the nonce of the next round."""

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="+")
    player = models.ForeignKey(Player, on_delete=models.PROTECT, db_constraint=False, related_name="seed_pairs")
    server_seed = EncryptedTextField()
    server_seed_hash = models.CharField(max_length=64, unique=True)
    client_seed = models.CharField(max_length=64)
    state = models.CharField(max_length=8, choices=SeedState)
    next_nonce = models.BigIntegerField(default=0)
    created_at = models.DateTimeField()
    activated_at = models.DateTimeField(null=True)
    revealed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="seed_pair_tenant", fields=["operator", "id"]),
            models.UniqueConstraint(name="seed_pair_one_active", fields=["player"], condition=Q(state="active")),
            models.UniqueConstraint(name="seed_pair_one_next", fields=["player"], condition=Q(state="next")),
            models.CheckConstraint(name="seed_pair_nonce_not_negative", condition=Q(next_nonce__gte=0)),
            models.CheckConstraint(name="seed_pair_next_unused", condition=~Q(state="next") | Q(next_nonce=0)),
        ]

    def __str__(self) -> str:
        """Return the public half."""
        return self.server_seed_hash
