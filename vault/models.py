"""What a player owns and has not resolved: won items, and the orders that ship them."""

from django.contrib.postgres.functions import TransactionNow
from django.db import models
from django.db.models import Q

from catalog.models import Item, ItemType
from lootbox.core.ids import Prefix, public_id
from operators.models import Operator, Player


class ItemState(models.TextChoices):
    """The states of a won item (contract section 7); FORWARDED is reserved."""

    UNRESOLVED = "unresolved"
    CASHED_BACK = "cashed_back"
    SHIP_REQUESTED = "ship_requested"
    FULFILLED = "fulfilled"
    EXPIRED = "expired"
    FORWARDED = "forwarded_to_casino"


class InventoryItem(models.Model):
    """An item that a player won, valued as it was won, in the item's own currency.

    `locked_by` is the wallet call whose fate must be known before anything else may happen to the item.
    """

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="+")
    player = models.ForeignKey(Player, on_delete=models.PROTECT, db_constraint=False, related_name="inventory")
    item = models.ForeignKey(Item, on_delete=models.PROTECT, db_constraint=False, related_name="+")
    round_id = models.UUIDField()
    reel_index = models.IntegerField()
    name = models.TextField()
    type = models.CharField(max_length=10, choices=ItemType)
    value_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    state = models.CharField(max_length=20, choices=ItemState, default=ItemState.UNRESOLVED)
    locked_by = models.UUIDField(null=True)
    created_at = models.DateTimeField(db_default=TransactionNow())
    expires_at = models.DateTimeField(null=True)
    resolved_at = models.DateTimeField(null=True, help_text="When it left the state unresolved.")

    class Meta:
        constraints = [
            models.UniqueConstraint(name="inventory_item_of_reel", fields=["round_id", "reel_index"]),
            models.UniqueConstraint(name="inventory_item_tenant", fields=["operator", "id"]),
            models.CheckConstraint(
                name="inventory_item_lock_unresolved", condition=Q(locked_by__isnull=True) | Q(state=ItemState.UNRESOLVED)
            ),
        ]
        indexes = [
            models.Index(name="inventory_item_list", fields=["operator", "player", "-created_at", "-id"]),
            # Finance tells what was unclaimed on a past day; written when an item is resolved, not when it is won.
            models.Index(
                name="inventory_item_resolved", fields=["operator", "resolved_at"], condition=Q(resolved_at__isnull=False)
            ),
            models.Index(name="inventory_item_expiry", fields=["expires_at"], condition=Q(state="unresolved")),
        ]

    def __str__(self) -> str:
        """Return the name as it was won."""
        return self.name


class OrderStatus(models.TextChoices):
    """The statuses of a shipping order (contract section 7).

    UNPAID waits for its debit and is not shown yet. VOIDED never became an order: its debit was refused, or nobody retried it.
    """

    UNPAID = "unpaid"
    VOIDED = "voided"
    PENDING = "pending"
    PROCESSING = "processing"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


class ShippingOrder(models.Model):
    """A parcel of won items. The address and e-mail are the only personal data that the platform keeps."""

    id = models.UUIDField(primary_key=True)
    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="+")
    player = models.ForeignKey(Player, on_delete=models.PROTECT, db_constraint=False, related_name="orders")
    idempotency_key = models.CharField(max_length=190, null=True, db_collation="C")  # noqa: DJ001 - NULLs do not collide
    fingerprint = models.BinaryField()
    status = models.CharField(max_length=10, choices=OrderStatus)
    currency = models.CharField(max_length=3)
    cost_minor = models.BigIntegerField(help_text="What the player is debited for it; 0 where the operator sees to that.")
    address = models.JSONField()
    email = models.CharField(max_length=254)
    carrier = models.CharField(max_length=100, blank=True, default="")
    tracking_number = models.CharField(max_length=100, blank=True, default="")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="order_key_unique", fields=["operator", "player", "idempotency_key"]),
            models.UniqueConstraint(name="order_tenant", fields=["operator", "id"]),
            models.CheckConstraint(name="order_cost_not_negative", condition=Q(cost_minor__gte=0)),
        ]
        indexes = [
            models.Index(name="order_list", fields=["operator", "player", "-created_at", "-id"]),
            # Support searches by it.
            models.Index(name="order_tracking", fields=["tracking_number"], condition=~Q(tracking_number="")),
        ]

    def __str__(self) -> str:
        """Return the public id."""
        return public_id(Prefix.ORDER, self.pk)


class OrderItem(models.Model):
    """An item in an order."""

    order = models.ForeignKey(ShippingOrder, on_delete=models.PROTECT, related_name="lines")
    inventory_item = models.ForeignKey(InventoryItem, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(name="order_item_once", fields=["order", "inventory_item"])]
