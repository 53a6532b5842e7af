"""The catalogue on the signed surface (contract section 4)."""

from decimal import Decimal
from typing import NamedTuple

from django.http.response import HttpResponseBase
from rest_framework.request import Request

from catalog import rates, selectors
from catalog.catalogue import catalogue
from catalog.listing import read_listing
from catalog.rendering import answer
from lootbox.core.errors import ApiError, ErrorCode
from lootbox.core.fields import Query
from operators.models import Operator
from operators.views import S2SView


class Shown(NamedTuple):
    """How a caller wants to be shown the catalogue."""

    locale: str
    currency: str


def read_shown(query: Query, *, operator: Operator) -> Shown:
    """Return the locale and currency asked for, by default the operator's. Call after all else of `query` was read.

    Raises `VALIDATION_FAILED` for whatever is wrong in `query`, then `UNSUPPORTED_LOCALE`.
    """
    locale = query.optional_text("locale", maximum=35) or operator.default_locale
    currency = query.optional_text("currency", maximum=16) or operator.base_currency
    query.check()
    if locale not in operator.locales:
        raise ApiError(ErrorCode.UNSUPPORTED_LOCALE, f"This operator's locales are: {', '.join(operator.locales)}.")
    return Shown(locale, currency)


class CatalogueView(S2SView):
    """A view of the catalogue. Serving a price in another currency than the base pins its rate as the one shown."""

    presumes = True

    def rate(self, currency: str) -> Decimal:
        """Return the rate to show prices at, pinned, with the operator confirmed. Raises `UNSUPPORTED_CURRENCY`."""
        if currency == self.operator.base_currency:
            self.confirm_operator()
        return rates.price_rate(operator=self.operator, currency=currency, at=self.now).rate


class BoxesView(CatalogueView):
    """`GET /api/s2s/boxes`."""

    def get(self, request: Request) -> HttpResponseBase:
        """Answer a page of boxes."""
        query = self.read_query()
        listing = read_listing(query, names=request.query_params, catalogue=catalogue(operator=self.operator))
        locale, currency = read_shown(query, operator=self.operator)
        rendered = selectors.boxes(
            operator=self.operator, listing=listing, locale=locale, currency=currency, rate=self.rate(currency)
        )
        return answer(rendered, request=request)


class BoxView(CatalogueView):
    """`GET /api/s2s/boxes/{boxId}`."""

    def get(self, request: Request, box_id: int) -> HttpResponseBase:
        """Answer a box with its prize table."""
        locale, currency = read_shown(self.read_query(), operator=self.operator)
        catalogue(operator=self.operator).published(box_id)  # no price of an unknown box is shown, so none is pinned
        rendered = selectors.box(
            operator=self.operator, box_id=box_id, locale=locale, currency=currency, rate=self.rate(currency)
        )
        return answer(rendered, request=request)


class BoxVersionView(CatalogueView):
    """`GET /api/s2s/boxes/{boxId}/version`."""

    def get(self, request: Request, box_id: int) -> HttpResponseBase:
        """Answer which version of a box is current, and its price."""
        _, currency = read_shown(self.read_query(), operator=self.operator)
        catalogue(operator=self.operator).published(box_id)
        rendered = selectors.box_version(operator=self.operator, box_id=box_id, currency=currency, rate=self.rate(currency))
        return answer(rendered, request=request)
