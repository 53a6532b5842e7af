"""The ledger of wallet calls: every movement of money that we asked an operator's wallet for, and what became of it."""

from django.db import models
from django.db.models import Q

from operators.models import Operator, Player


class CallType(models.TextChoices):
    """The calls that move money (contract section 10)."""

    DEBIT = "wallet.debit"
    CREDIT = "wallet.credit"
    ROLLBACK = "wallet.rollback"


class Reason(models.TextChoices):
    """Why money moves."""

    PURCHASE = "purchase"
    PAYOUT = "payout"
    CASHBACK = "cashback"
    REFUND = "refund"
    SHIPPING = "shipping"
    ROLLBACK = "rollback"


class CallState(models.TextChoices):
    """What we know of a call. PENDING and UNKNOWN are unresolved: only the same call again, or two people, can end them."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    CLOSED = "closed"


class WalletCall(models.Model):
    """One movement under one idempotency key.

    The row is committed before anything goes on the wire; `body` holds the exact bytes, which every attempt sends again. What
    the call is for stands in one of `round_id`, `inventory_item_id` and `order_id`; those tables belong to apps above this
    one, so their foreign keys are made there, in SQL.
    """

    id = models.UUIDField(primary_key=True)
    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="+")
    player = models.ForeignKey(Player, on_delete=models.PROTECT, db_constraint=False, related_name="+")
    type = models.CharField(max_length=16, choices=CallType)
    reason = models.CharField(max_length=10, choices=Reason)
    idempotency_key = models.CharField(max_length=190, db_collation="C")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    base_amount_minor = models.BigIntegerField()
    base_currency = models.CharField(max_length=3)
    body = models.BinaryField()
    round_id = models.UUIDField(null=True)
    inventory_item_id = models.BigIntegerField(null=True)
    order_id = models.UUIDField(null=True)

    state = models.CharField(max_length=8, choices=CallState, default=CallState.PENDING)
    attempts = models.PositiveIntegerField(default=0, help_text="Counted before each attempt goes out.")
    maybe_sent = models.BooleanField(default=False, help_text="False while its one attempt failed before its first byte.")
    error_code = models.CharField(max_length=64, blank=True, default="")
    provider_txn_ref = models.CharField(max_length=190, blank=True, default="")
    balance_after_minor = models.BigIntegerField(null=True)
    created_at = models.DateTimeField()
    last_attempt_at = models.DateTimeField(null=True)
    next_attempt_at = models.DateTimeField(null=True, help_text="When recovery takes it up; empty once it is resolved.")
    resolved_at = models.DateTimeField(null=True)
    ledger_sequence = models.BigIntegerField(
        null=True, help_text="Its place in the operator's ledger feed; see wallet.numbering."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(name="wallet_call_key_unique", fields=["operator", "idempotency_key"]),
            models.UniqueConstraint(name="wallet_call_tenant", fields=["operator", "id"]),
            models.CheckConstraint(name="wallet_call_amount_positive", condition=Q(amount_minor__gt=0)),
            models.UniqueConstraint(
                name="wallet_call_ledger_unique",
                fields=["operator", "ledger_sequence"],
                condition=Q(ledger_sequence__isnull=False),
            ),
            models.CheckConstraint(
                name="wallet_call_numbered_has_moved",
                condition=Q(ledger_sequence__isnull=True)
                | Q(ledger_sequence__gte=1, state="accepted", type__in=["wallet.debit", "wallet.credit"]),
            ),
            models.CheckConstraint(
                name="wallet_call_accepted_has_time", condition=~Q(state="accepted") | Q(resolved_at__isnull=False)
            ),
            models.CheckConstraint(
                name="wallet_call_due_iff_unresolved",
                condition=Q(state__in=["pending", "unknown"], next_attempt_at__isnull=False)
                | (~Q(state__in=["pending", "unknown"]) & Q(next_attempt_at__isnull=True)),
            ),
        ]
        indexes = [
            models.Index(name="wallet_call_due", fields=["next_attempt_at"], condition=Q(state__in=["pending", "unknown"])),
            models.Index(name="wallet_call_round", fields=["round_id"]),
            models.Index(name="wallet_call_item", fields=["inventory_item_id"], condition=Q(inventory_item_id__isnull=False)),
            # Support searches by the wallet's own reference.
            models.Index(name="wallet_call_reference", fields=["provider_txn_ref"], condition=~Q(provider_txn_ref="")),
            models.Index(name="wallet_call_order", fields=["order_id"], condition=Q(order_id__isnull=False)),
            # The few whose fate was not known at once, for how much money was unresolved at a time gone by.
            models.Index(name="wallet_call_retried", fields=["operator", "resolved_at"], condition=Q(attempts__gt=1)),
            # What has moved and has no number yet: empty but for the last second or two.
            models.Index(
                name="wallet_call_unnumbered",
                fields=["operator", "resolved_at", "id"],
                condition=Q(state="accepted", ledger_sequence__isnull=True, type__in=["wallet.debit", "wallet.credit"]),
            ),
            # Reports read the days of the ledger; written when a movement is numbered, so that no purchase waits for it.
            models.Index(
                name="wallet_call_ledger_day", fields=["operator", "resolved_at"], condition=Q(ledger_sequence__isnull=False)
            ),
            models.Index(
                name="wallet_call_history",
                fields=["operator", "player", "created_at", "id"],
                condition=Q(reason__in=["refund", "cashback"]),
            ),
        ]

    def __str__(self) -> str:
        """Return the key that the wallet knows it by."""
        return self.idempotency_key


class WalletAttempt(models.Model):
    """One time that a call went out, as it ended; rows are only ever added."""

    call = models.ForeignKey(WalletCall, on_delete=models.PROTECT, related_name="attempt_log")
    number = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    latency_ms = models.PositiveIntegerField()
    fate = models.CharField(max_length=8)
    http_status = models.PositiveIntegerField(null=True)
    detail = models.CharField(max_length=300, blank=True)
    excerpt = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(name="wallet_attempt_number_unique", fields=["call", "number"])]


class Breaker(models.Model):
    """How often in a row an operator's wallet left a debit's fate unknown, and until when no new debit is tried."""

    operator = models.OneToOneField(Operator, on_delete=models.CASCADE, primary_key=True, related_name="+")
    failures = models.PositiveIntegerField(default=0)
    open_until = models.DateTimeField(null=True)
