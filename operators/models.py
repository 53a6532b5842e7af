"""Tenants: the operator with its settings (contract section 3), its API keys, its players."""

import datetime as dt
from typing import Final

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from lootbox.core.crypto import EncryptedTextField

MYSTERY_BOX: Final = "mystery_box"


class Operator(models.Model):
    """A casino. `version` goes up with every change of its row or keys, so that caches know when they are old."""

    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=190)
    version = models.BigIntegerField(default=0, editable=False)
    suspended = models.BooleanField(default=False)
    created_at = models.DateTimeField()

    wallet_url = models.CharField(max_length=2048, blank=True, default="")
    wallet_rollback = models.BooleanField(default=False, help_text="The wallet knows wallet.rollback (contract section 10).")
    webhook_url = models.CharField(max_length=2048, blank=True, default="")
    outbound_secret = EncryptedTextField()
    previous_outbound_secret = EncryptedTextField(help_text="Empty until the first rotation.")
    previous_secret_until = models.DateTimeField(null=True, help_text="Until then outbound calls carry both signatures.")

    games = ArrayField(models.CharField(max_length=40), default=list)
    base_currency = models.CharField(max_length=3)
    currencies = ArrayField(models.CharField(max_length=3), default=list)
    locales = ArrayField(models.CharField(max_length=35), default=list)
    default_locale = models.CharField(max_length=35, default="en")
    fx_tolerance_bps = models.PositiveIntegerField(default=100)

    refunds = models.BooleanField(default=True)
    cashback = models.BooleanField(default=True)
    cashback_rate_bps = models.PositiveIntegerField(null=True, blank=True)
    shipping = models.BooleanField(default=True)
    shipping_cost_minor = models.BigIntegerField(default=0, help_text="In the minor unit of the base currency.")
    held_expiry_days = models.PositiveIntegerField(null=True, blank=True)
    item_expiry_days = models.PositiveIntegerField(null=True, blank=True)
    max_reels = models.PositiveIntegerField(default=10)

    origins = ArrayField(models.CharField(max_length=255), default=list, blank=True)
    theme = models.JSONField(default=dict, blank=True)
    logo_url = models.CharField(max_length=2048, blank=True, default="")
    rate_limit = models.PositiveIntegerField(null=True, blank=True, help_text="Requests a second a key; empty: the platform's.")
    time_zone = models.CharField(max_length=64, default="UTC", help_text="Where this operator's days begin in reports.")

    class Meta:
        constraints = [
            models.CheckConstraint(name="operator_shipping_cost_not_negative", condition=Q(shipping_cost_minor__gte=0)),
            models.CheckConstraint(name="operator_max_reels_positive", condition=Q(max_reels__gte=1)),
            models.CheckConstraint(name="operator_base_supported", condition=Q(currencies__contains=[F("base_currency")])),
            models.CheckConstraint(
                name="operator_default_locale_supported", condition=Q(locales__contains=[F("default_locale")])
            ),
        ]

    def __str__(self) -> str:
        """Return the name that people know."""
        return self.name

    def previous_secret(self, *, at: dt.datetime) -> str | None:
        """Return the outbound secret that still gives a verification hint at `at`, if one does (contract section 2)."""
        overlapping = self.previous_secret_until is not None and at < self.previous_secret_until
        return self.previous_outbound_secret if overlapping else None


class ApiKey(models.Model):
    """An inbound key of an operator's backend. The secret is shown once, at creation."""

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="keys")
    key_id = models.CharField(max_length=64, unique=True)
    secret = EncryptedTextField()
    label = models.CharField(max_length=100, blank=True, default="")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    allowed_ips = ArrayField(models.CharField(max_length=64), default=list, blank=True, help_text="CIDR ranges; empty: any.")

    def __str__(self) -> str:
        """Return the public key id."""
        return self.key_id


class Player(models.Model):
    """A player as the operator names them. Nothing else of a person is kept (contract section 1)."""

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="players")
    external_id = models.CharField(max_length=190, db_collation="C")
    blocked = models.BooleanField(default=False)
    capped = models.BooleanField(default=False, help_text="Has spending caps; purchases then count under a lock.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(name="player_external_id_unique", fields=["operator", "external_id"]),
            models.UniqueConstraint(name="player_tenant", fields=["operator", "id"]),
        ]

    def __str__(self) -> str:
        """Return the operator's own id of the player."""
        return self.external_id
