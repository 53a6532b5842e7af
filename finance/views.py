"""What operators' data teams read."""

import datetime as dt

from django.conf import settings
from django.http import StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone
from rest_framework.request import Request

from finance import ledger
from finance.exports.making import Wanted
from finance.requests import link_token, read_link, read_wanted
from finance.services import exporting
from lootbox.core.answers import Answer
from lootbox.core.fields import print_moment
from lootbox.core.views import ApiView
from operators.audit import By
from operators.authentication import Caller
from operators.views import S2SView


class LedgerView(S2SView):
    """`GET /api/s2s/ledger` (contract section 7)."""

    def get(self, request: Request) -> Answer:  # noqa: ARG002 - DRF's signature
        """Answer movements in the order of their numbers."""
        query = self.read_query()
        after = query.whole("after", default=0)
        limit = query.positive("limit", default=50, largest=200)
        query.check()
        page = ledger.read_ledger(operator=self.operator, after=after, limit=limit)
        return Answer({"items": [row.as_json() for row in page.rows], "cursor": {"next": page.next}})


class ExportsView(S2SView):
    """`POST /api/s2s/exports`: a signed link to a file, which stores nothing and so needs no idempotency key."""

    def post(self, request: Request) -> Answer:
        """Answer the link."""
        wanted = read_wanted(self.read_body(), operator=self.operator)
        assert isinstance(request.auth, Caller)
        token = link_token(wanted, operator=self.operator, key_id=request.auth.key.key_id)
        expires_at = self.now + dt.timedelta(seconds=settings.LOOTBOX_EXPORTS_LINK_S)
        url = request.build_absolute_uri(reverse("export-link", args=[token]))
        shown = {"report": wanted.report, "format": wanted.format, "filename": wanted.filename}
        return Answer({"export": shown | {"url": url, "expiresAt": print_moment(expires_at)}}, status=201)


class LinkView(ApiView):
    """`GET /exports/{token}`: the file, to whoever holds the link while it holds."""

    def get(self, request: Request, token: str) -> StreamingHttpResponse:  # noqa: ARG002 - DRF's signature
        """Answer the file as it is made."""
        wanted, key_id = read_link(token)
        return attachment(wanted, by=By(f"link of {key_id}", "asked for by the operator's job"))


def attachment(wanted: Wanted, *, by: By) -> StreamingHttpResponse:
    """Return the file as an answer of HTTP, made while it goes out. Raises `NotExportable`."""
    chunks = exporting.stream(wanted, by=by, clock=timezone.now)
    answer = StreamingHttpResponse(chunks, content_type=wanted.format.content_type)
    answer["Content-Disposition"] = f'attachment; filename="{wanted.filename}"'
    answer["Cache-Control"] = "no-store"
    answer["X-Accel-Buffering"] = "no"
    return answer
