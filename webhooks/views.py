"""The feed of events."""

from django.http import HttpResponse
from rest_framework.request import Request

from lootbox.core import strict_json
from operators.views import S2SView
from webhooks import services


class EventsView(S2SView):
    """`GET /api/s2s/events` (contract section 7)."""

    def get(self, request: Request) -> HttpResponse:  # noqa: ARG002 - DRF's signature
        """Answer events in order, each exactly as it was sent."""
        query = self.read_query()
        after = query.optional_text("after", maximum=64)
        limit = query.positive("limit", default=50, largest=200)
        query.check()
        page = services.read_feed(operator=self.operator, after=after, limit=limit)
        cursor = strict_json.compact({"next": page.next})
        body = b'{"items":[' + b",".join(page.bodies) + b'],"cursor":' + cursor + b"}"
        return HttpResponse(body, content_type="application/json")
