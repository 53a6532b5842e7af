"""Tenants: the operator with its settings (contract section 3), keys and players; its staff, and what they did."""

import datetime as dt
from typing import Final

from django.conf import settings
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

    house_edge_min_bps = models.IntegerField(null=True, blank=True, help_text="Boxes below are not published.")
    house_edge_max_bps = models.IntegerField(null=True, blank=True, help_text="Boxes above are not published.")
    prize_max_minor = models.BigIntegerField(null=True, blank=True, help_text="No prize is worth more, in the base currency.")
    publish_by_two = models.BooleanField(default=False, db_default=False, help_text="Publication takes a second person.")
    big_win_minor = models.BigIntegerField(null=True, blank=True, help_text="A prize from here on is flagged; base currency.")
    rtp_pause = models.BooleanField(
        default=False, db_default=False, help_text="A box whose RTP is out of tolerance is taken offline."
    )

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


class Membership(models.Model):
    """That an account of the back-office works for an operator, and so sees what is its.

    `external_id` is the operator's own id of a person who came by single sign-on; such an account belongs to one operator only.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="members")
    external_id = models.CharField(max_length=190, null=True, blank=True, db_collation="C")  # noqa: DJ001 - NULLs do not collide
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(name="membership_once", fields=["user", "operator"]),
            models.UniqueConstraint(name="membership_external_id_unique", fields=["operator", "external_id"]),
            models.UniqueConstraint(name="membership_sso_single", fields=["user"], condition=Q(external_id__isnull=False)),
        ]

    def __str__(self) -> str:
        """Return who works for whom."""
        return f"{self.user} at {self.operator}"


class SsoTicket(models.Model):
    """An operator's signed word that one of its people may come in; single use (contract section 13)."""

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="+")
    request_hash = models.CharField(max_length=64, unique=True)
    ticket_hash = models.CharField(max_length=64, unique=True)
    external_id = models.CharField(max_length=190)
    email = models.CharField(max_length=254)
    display_name = models.CharField(max_length=150)
    return_path = models.CharField(max_length=2048)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        """Return who comes in by it."""
        return self.external_id


class AuditEntry(models.Model):
    """What a person did, hash-chained and insert-only: each entry's hash covers its content and the hash before it."""

    sequence = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, null=True, related_name="+")
    actor = models.CharField(max_length=150)
    confirmed_by = models.CharField(max_length=150, blank=True, help_text="The second person, where it took two.")
    action = models.CharField(max_length=60)
    subject = models.CharField(max_length=200, db_index=True, help_text="The id of what it was done to.")
    reason = models.TextField()
    before = models.JSONField()
    after = models.JSONField()
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64, unique=True)

    class Meta:
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(name="audit_of_operator", fields=["operator", "-sequence"]),
            models.Index(name="audit_of_actor", fields=["actor", "-sequence"]),
        ]

    def __str__(self) -> str:
        """Return what was done to what."""
        return f"{self.action} {self.subject}"


class RequestState(models.TextChoices):
    """Where a request for a second person stands. FAILED was confirmed, and could not be done any more."""

    WAITING = "waiting"
    DONE = "done"
    DECLINED = "declined"
    FAILED = "failed"


class ActionRequest(models.Model):
    """An action of the back-office that somebody asked for and a second person must confirm."""

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="+")
    action = models.CharField(max_length=40)
    subject = models.CharField(max_length=200)
    inputs = models.JSONField(default=dict)
    reason = models.TextField()
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=RequestState, default=RequestState.WAITING)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    outcome = models.TextField(blank=True)

    class Meta:
        permissions = [
            ("all_operators", "Sees every operator"),
            ("grant_roles", "Can grant roles"),
            ("refund_round", "Can refund held rounds"),
            ("ask_wallet", "Can ask a wallet again"),
            ("resolve_call", "Can resolve calls of unknown fate"),
            ("advance_order", "Can put orders forward"),
            ("block_player", "Can block players"),
            ("suspend_operator", "Can suspend operators and set their limits"),
            ("publish_box", "Can publish boxes and take them offline"),
            ("see_dashboard", "Can see turnover and payout"),
            ("export_audit", "Can export the audit log"),
        ]
        constraints = [
            models.CheckConstraint(
                name="action_request_two_people", condition=Q(decided_by__isnull=True) | ~Q(decided_by=F("requested_by"))
            ),
            models.CheckConstraint(
                name="action_request_decided_by_somebody",
                condition=Q(state="waiting", decided_by__isnull=True) | (~Q(state="waiting") & Q(decided_by__isnull=False)),
            ),
            models.UniqueConstraint(
                name="action_request_once", fields=["operator", "action", "subject"], condition=Q(state="waiting")
            ),
        ]

    def __str__(self) -> str:
        """Return what is to be done to what."""
        return f"{self.action} {self.subject}"
