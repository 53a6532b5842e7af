"""The catalogue in a session, in its language and currency, and one box for guests (contract sections 4 and 8)."""

from django.http.response import HttpResponseBase
from rest_framework.request import Request

from catalog import rates
from catalog import selectors as catalog
from catalog.catalogue import catalogue
from catalog.listing import read_listing
from catalog.rendering import answer
from catalog.views import read_shown
from lootbox.core.answers import Answer
from lootbox.core.money import MAX_MINOR
from play import selectors
from play.services import sessions
from play.views.base import OpenView, PlayView


class BoxesView(PlayView):
    """`GET /api/play/boxes`."""

    def get(self, request: Request) -> HttpResponseBase:
        """Answer a page of boxes."""
        query = self.read_query()
        listing = read_listing(query, names=request.query_params, catalogue=catalogue(operator=self.operator))
        query.check()
        rendered = catalog.boxes(
            operator=self.operator,
            listing=listing,
            locale=self.session.locale,
            currency=self.session.currency,
            rate=sessions.price_rate(session=self.session, at=self.now),
        )
        return answer(rendered, request=request)


class BoxView(PlayView):
    """`GET /api/play/boxes/{boxId}`."""

    def get(self, request: Request, box_id: int) -> HttpResponseBase:
        """Answer a box with its prize table."""
        catalogue(operator=self.operator).published(box_id)  # no price of an unknown box is shown, so none is pinned
        rendered = catalog.box(
            operator=self.operator,
            box_id=box_id,
            locale=self.session.locale,
            currency=self.session.currency,
            rate=sessions.price_rate(session=self.session, at=self.now),
        )
        return answer(rendered, request=request)


class GuestView(OpenView):
    """`GET /api/play/guest/bootstrap`."""

    def get(self, request: Request) -> Answer:  # noqa: ARG002 - DRF's signature
        """Answer operator, theme and box to whoever asks."""
        query = self.read_query()
        slug = self.host_slug or query.text("operator", maximum=40)
        box_id = query.positive("boxId", default=0, largest=MAX_MINOR) or None
        query.check()
        operator = selectors.guest_operator(slug=slug)
        locale, currency = read_shown(query, operator=operator)
        rate = rates.quoted_rate(operator=operator, currency=currency, at=self.now).rate
        return Answer(selectors.guest_bootstrap(operator=operator, box_id=box_id, locale=locale, currency=currency, rate=rate))
