"""Items, boxes and rates. Versions are published by the service, since only it can number, hash and draw up a snapshot."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.utils import timezone
from factory.declarations import LazyAttribute, LazyFunction, Sequence, SubFactory
from factory.django import DjangoModelFactory

from catalog import services
from catalog.models import Attribute, AttributeType, Box, BoxVersion, ExchangeRate, Item, ItemType, PinnedRate, PrizeKind
from catalog.services import PrizeLine
from tests.factories.operators import OperatorFactory

# The catalogue file of the interface, as it stands there.
HARBOUR: Mapping[str, Any] = {
    "attributes": [{"name": "is_new", "type": "boolean", "default": False}],
    "items": [
        {
            "sku": "compass",
            "name": "Brass Compass",
            "type": "physical",
            "valueMinor": 480,
            "cashbackMinor": 120,
            "shippable": True,
            "imageUrl": None,
        }
    ],
    "boxes": [
        {
            "slug": "harbour",
            "name": "Harbour Crate",
            "priceMinor": 500,
            "active": True,
            "attributes": {"is_new": True},
            "prizes": [
                {"weight": 90, "item": "compass"},
                {"weight": 9, "cash": {"name": "5 euro", "valueMinor": 500}},
                {
                    "weight": 1,
                    "bonus": {"code": "FS10", "name": "10 free spins", "valueMinor": 100, "payload": {"spins": 10}},
                },
            ],
        }
    ],
}


class ItemFactory(DjangoModelFactory[Item]):
    """A physical item that can be shipped, with the operator's rule for cashback."""

    class Meta:
        model = Item

    operator = SubFactory(OperatorFactory)
    sku = Sequence(lambda n: f"item-{n}")
    name = LazyAttribute(lambda item: {"en": item.sku.title()})
    type = ItemType.PHYSICAL
    value_minor = 480
    currency = LazyAttribute(lambda item: item.operator.base_currency)
    shippable = True


class AttributeFactory(DjangoModelFactory[Attribute]):
    """A yes/no attribute without a default."""

    class Meta:
        model = Attribute

    operator = SubFactory(OperatorFactory)
    name = Sequence(lambda n: f"attribute_{n}")
    type = AttributeType.BOOLEAN


class BoxFactory(DjangoModelFactory[Box]):
    """An active box that was never published."""

    class Meta:
        model = Box

    operator = SubFactory(OperatorFactory)
    slug = Sequence(lambda n: f"box-{n}")
    name = LazyAttribute(lambda box: {"en": box.slug.title()})


class BoxVersionFactory(DjangoModelFactory[BoxVersion]):
    """A published version of a new or a given box; `prizes` are `PrizeLine`s, by default one cash prize."""

    class Meta:
        model = BoxVersion

    box = SubFactory(BoxFactory)
    price_minor = 500
    prizes: Any = LazyFunction(lambda: [cash_line()])
    at = LazyFunction(timezone.now)

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **kwargs: Any) -> BoxVersion:  # noqa: ARG003 - the library's signature
        return services.publish(**kwargs)


class ExchangeRateFactory(DjangoModelFactory[ExchangeRate]):
    """A euro in Swedish kronor, from now on."""

    class Meta:
        model = ExchangeRate

    base = "EUR"
    quote = "SEK"
    rate = Decimal("11.2345")
    source = "test"
    at = LazyFunction(timezone.now)


class PinnedRateFactory(DjangoModelFactory[PinnedRate]):
    """That euro as it was shown."""

    class Meta:
        model = PinnedRate

    operator = SubFactory(OperatorFactory)
    currency = "SEK"
    rate = Decimal("11.2345")
    pinned_at = LazyFunction(timezone.now)


def cash_line(value_minor: int = 450, *, weight: int = 1) -> PrizeLine:
    """Return a cash prize."""
    return PrizeLine(weight=weight, kind=PrizeKind.CASH, name={"en": f"{value_minor} cents"}, value_minor=value_minor)


def bonus_line(code: str = "FS10", *, weight: int = 1) -> PrizeLine:
    """Return a bonus prize."""
    name = {"en": "10 free spins"}
    return PrizeLine(
        weight=weight, kind=PrizeKind.BONUS, name=name, value_minor=100, bonus_code=code, bonus_payload={"spins": 10}
    )
