"""What operators' data teams read."""

from rest_framework.request import Request
from rest_framework.response import Response

from finance import ledger
from operators.views import S2SView


class LedgerView(S2SView):
    """`GET /api/s2s/ledger` (contract section 7)."""

    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        """Answer movements in the order of their numbers."""
        query = self.read_query()
        after = query.whole("after", default=0)
        limit = query.positive("limit", default=50, largest=200)
        query.check()
        page = ledger.read_ledger(operator=self.operator, after=after, limit=limit)
        return Response({"items": [row.as_json() for row in page.rows], "cursor": {"next": page.next}})
