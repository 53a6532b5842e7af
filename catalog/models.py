"""What can be won and bought: items, boxes, frozen box versions with prizes, attributes, exchange rates."""

from typing import Any

from django.db import models
from django.db.models import F, Q

from operators.models import Operator


class PrizeKind(models.TextChoices):
    """What a prize is (contract section 4)."""

    ITEM = "item"
    CASH = "cash"
    BONUS = "bonus"


class ItemType(models.TextChoices):
    """Whether an item can be put into a parcel."""

    PHYSICAL = "physical"
    DIGITAL = "digital"


class AttributeType(models.TextChoices):
    """What a custom attribute holds."""

    BOOLEAN = "boolean"
    NUMBER = "number"
    TEXT = "text"


class Item(models.Model):
    """Something that a player can own. `name` maps locales to texts."""

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="items")
    sku = models.CharField(max_length=100)
    name = models.JSONField()
    type = models.CharField(max_length=10, choices=ItemType)
    value_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    cashback_minor = models.BigIntegerField(null=True, blank=True, help_text="Empty: the operator's cashback rate, if any.")
    shippable = models.BooleanField()
    image_url = models.CharField(max_length=2048, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(name="item_sku_unique", fields=["operator", "sku"]),
            models.UniqueConstraint(name="item_tenant", fields=["operator", "id"]),
            models.CheckConstraint(name="item_value_not_negative", condition=Q(value_minor__gte=0)),
            models.CheckConstraint(
                name="item_cashback_not_negative", condition=Q(cashback_minor__isnull=True) | Q(cashback_minor__gte=0)
            ),
        ]

    def __str__(self) -> str:
        """Return the sku, which the operator chose."""
        return self.sku


class Attribute(models.Model):
    """A custom attribute that an operator declares for its boxes; cosmetic (contract section 4)."""

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="attributes")
    name = models.CharField(max_length=60)
    type = models.CharField(max_length=10, choices=AttributeType)
    default: "models.JSONField[Any, Any]" = models.JSONField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(name="attribute_name_unique", fields=["operator", "name"])]

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class Box(models.Model):
    """A box as players know it over all its versions. `name` and `image_alt` map locales to texts."""

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="boxes")
    slug = models.CharField(max_length=100)
    name = models.JSONField()
    image_url = models.CharField(max_length=2048, blank=True, default="")
    image_webp_url = models.CharField(max_length=2048, blank=True, default="", db_default="", help_text="The picture as WebP.")
    image_alt = models.JSONField(
        default=dict, db_default=models.Value({}, models.JSONField()), blank=True, help_text="Empty: the box's name."
    )
    active = models.BooleanField(default=True)
    refundable = models.BooleanField(default=True)
    attributes = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name_plural = "boxes"
        constraints = [
            models.UniqueConstraint(name="box_slug_unique", fields=["operator", "slug"]),
            models.UniqueConstraint(name="box_tenant", fields=["operator", "id"]),
        ]

    def __str__(self) -> str:
        """Return the slug."""
        return self.slug


class BoxVersion(models.Model):
    """A published version: price, odds and prizes, frozen by a trigger. Current while not superseded, one a box."""

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="+")
    box = models.ForeignKey(Box, on_delete=models.PROTECT, db_constraint=False, related_name="versions")
    number = models.PositiveIntegerField()
    price_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    total_weight = models.BigIntegerField()
    house_edge_bps = models.IntegerField()
    snapshot = models.BinaryField(help_text="The canonical JSON that is hashed (contract section 9).")
    snapshot_hash = models.CharField(max_length=64)
    algorithm_key = models.CharField(max_length=40)
    published_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="box_version_number_unique", fields=["box", "number"]),
            models.UniqueConstraint(name="box_version_tenant", fields=["operator", "id"]),
            models.UniqueConstraint(name="box_version_one_current", fields=["box"], condition=Q(superseded_at__isnull=True)),
            models.CheckConstraint(name="box_version_price_positive", condition=Q(price_minor__gte=1)),
            models.CheckConstraint(name="box_version_weight_positive", condition=Q(total_weight__gte=1)),
        ]

    def __str__(self) -> str:
        """Return box and number."""
        return f"{self.box_id} v{self.number}"


class Prize(models.Model):
    """One line of a version's prize table, as it was published. `value_minor` is in the version's currency."""

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="+")
    version = models.ForeignKey(BoxVersion, on_delete=models.PROTECT, db_constraint=False, related_name="prizes")
    index = models.PositiveIntegerField()
    kind = models.CharField(max_length=5, choices=PrizeKind)
    item = models.ForeignKey(Item, on_delete=models.PROTECT, db_constraint=False, null=True, related_name="+")
    item_type = models.CharField(max_length=10, choices=ItemType, blank=True, default="", db_default="")
    name = models.JSONField()
    value_minor = models.BigIntegerField()
    weight = models.BigIntegerField()
    bonus_code = models.CharField(max_length=100, blank=True, default="")
    bonus_payload: "models.JSONField[Any, Any]" = models.JSONField(null=True)

    class Meta:
        ordering = ["version", "index"]
        constraints = [
            models.UniqueConstraint(name="prize_index_unique", fields=["version", "index"]),
            models.CheckConstraint(name="prize_weight_positive", condition=Q(weight__gte=1)),
            models.CheckConstraint(name="prize_value_not_negative", condition=Q(value_minor__gte=0)),
            models.CheckConstraint(
                name="prize_item_iff_item",
                condition=Q(kind=PrizeKind.ITEM, item__isnull=False) | (~Q(kind=PrizeKind.ITEM) & Q(item__isnull=True)),
            ),
        ]

    def __str__(self) -> str:
        """Return version and place."""
        return f"{self.version_id}[{self.index}]"


class DraftState(models.TextChoices):
    """Where a draft stands: being worked on, or at its end."""

    OPEN = "open"
    PUBLISHED = "published"
    DISCARDED = "discarded"


class BoxDraft(models.Model):
    """What a box is to become: worked on freely, checked and frozen into a version when it is published.

    `box` is empty for a box that does not exist yet. While `scheduled_for` is set the draft can't be edited, because
    `scheduled_digest` says what exactly was agreed to.
    """

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="+")
    box = models.ForeignKey(Box, on_delete=models.PROTECT, db_constraint=False, null=True, related_name="drafts")
    slug = models.CharField(max_length=100)
    based_on = models.ForeignKey(BoxVersion, on_delete=models.PROTECT, db_constraint=False, null=True, related_name="+")
    name = models.JSONField(default=dict)
    price_minor = models.BigIntegerField(default=0)
    image_url = models.CharField(max_length=2048, blank=True, default="")
    image_webp_url = models.CharField(max_length=2048, blank=True, default="")
    image_alt = models.JSONField(default=dict, blank=True)
    refundable = models.BooleanField(default=True)
    attributes = models.JSONField(default=dict, blank=True)

    state = models.CharField(max_length=9, choices=DraftState, default=DraftState.OPEN)
    version = models.ForeignKey(BoxVersion, on_delete=models.PROTECT, db_constraint=False, null=True, related_name="+")
    created_by = models.CharField(max_length=150)
    created_at = models.DateTimeField()
    edited_by = models.CharField(max_length=150)
    edited_at = models.DateTimeField()

    scheduled_for = models.DateTimeField(null=True)
    scheduled_by = models.CharField(max_length=150, blank=True, default="")
    scheduled_confirmed_by = models.CharField(max_length=150, blank=True, default="")
    scheduled_reason = models.TextField(blank=True, default="")
    scheduled_digest = models.CharField(max_length=64, blank=True, default="")
    trouble = models.TextField(blank=True, default="", help_text="Why a scheduled publication did not happen.")

    class Meta:
        verbose_name = "draft"
        indexes = [
            models.Index(name="box_draft_due", fields=["scheduled_for"], condition=Q(scheduled_for__isnull=False)),
        ]
        constraints = [
            models.UniqueConstraint(name="box_draft_one_open", fields=["operator", "slug"], condition=Q(state=DraftState.OPEN)),
            models.UniqueConstraint(name="box_draft_tenant", fields=["operator", "id"]),
            models.CheckConstraint(name="box_draft_price_not_negative", condition=Q(price_minor__gte=0)),
            models.CheckConstraint(
                name="box_draft_published_as_version",
                condition=Q(state=DraftState.PUBLISHED, version__isnull=False)
                | (~Q(state=DraftState.PUBLISHED) & Q(version__isnull=True)),
            ),
            models.CheckConstraint(
                name="box_draft_scheduled_by_somebody",
                condition=Q(scheduled_for__isnull=True, scheduled_by="", scheduled_digest="")
                | (Q(state=DraftState.OPEN, scheduled_for__isnull=False) & ~Q(scheduled_by="") & ~Q(scheduled_digest="")),
            ),
        ]

    def __str__(self) -> str:
        """Return the slug of the box."""
        return self.slug


class DraftPrize(models.Model):
    """One line of a draft's prize table. An item is named and valued as it is when the draft is published."""

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="+")
    draft = models.ForeignKey(BoxDraft, on_delete=models.CASCADE, db_constraint=False, related_name="prizes")
    index = models.PositiveIntegerField()
    kind = models.CharField(max_length=5, choices=PrizeKind)
    item = models.ForeignKey(Item, on_delete=models.PROTECT, db_constraint=False, null=True, related_name="+")
    name = models.JSONField(default=dict)
    value_minor = models.BigIntegerField(default=0)
    weight = models.BigIntegerField()
    bonus_code = models.CharField(max_length=100, blank=True, default="")
    bonus_payload: "models.JSONField[Any, Any]" = models.JSONField(null=True)

    class Meta:
        ordering = ["draft", "index"]
        constraints = [
            models.UniqueConstraint(name="draft_prize_index_unique", fields=["draft", "index"]),
            models.CheckConstraint(name="draft_prize_weight_not_negative", condition=Q(weight__gte=0)),
            models.CheckConstraint(name="draft_prize_value_not_negative", condition=Q(value_minor__gte=0)),
            models.CheckConstraint(
                name="draft_prize_item_iff_item",
                condition=Q(kind=PrizeKind.ITEM, item__isnull=False) | (~Q(kind=PrizeKind.ITEM) & Q(item__isnull=True)),
            ),
        ]

    def __str__(self) -> str:
        """Return draft and place."""
        return f"{self.draft_id}[{self.index}]"


class CatalogueUpload(models.Model):
    """A catalogue file that somebody uploaded: previewed, then imported or left."""

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="+")
    file_name = models.CharField(max_length=200)
    content = models.TextField()
    sha256 = models.CharField(max_length=64)
    uploaded_by = models.CharField(max_length=150)
    uploaded_at = models.DateTimeField()
    imported_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "catalogue file"

    def __str__(self) -> str:
        """Return the file's name."""
        return self.file_name


class ExchangeRate(models.Model):
    """What one unit of `base` was worth in `quote` from `at` on. Rows are only ever added; the newest counts."""

    base = models.CharField(max_length=3)
    quote = models.CharField(max_length=3)
    rate = models.DecimalField(max_digits=24, decimal_places=12)
    source = models.CharField(max_length=40)
    at = models.DateTimeField()

    class Meta:
        get_latest_by = ["at", "id"]
        indexes = [models.Index(name="exchange_rate_newest", fields=["base", "quote", "-at", "-id"])]
        constraints = [
            models.CheckConstraint(name="exchange_rate_positive", condition=Q(rate__gt=0)),
            models.CheckConstraint(name="exchange_rate_of_two", condition=~Q(base=F("quote"))),
        ]

    def __str__(self) -> str:
        """Return the pair and its rate."""
        return f"1 {self.base} = {self.rate.normalize():f} {self.quote}"


class PinnedRate(models.Model):
    """The rate at which prices in `currency` were shown last to this operator (contract section 4)."""

    operator = models.ForeignKey(Operator, on_delete=models.CASCADE, related_name="+")
    currency = models.CharField(max_length=3)
    rate = models.DecimalField(max_digits=24, decimal_places=12)
    pinned_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(name="pinned_rate_unique", fields=["operator", "currency"])]
