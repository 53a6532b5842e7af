"""What anybody may see without a key, so that every round can be verified (contract section 9)."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer, JSONRenderer, TemplateHTMLRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from lootbox.core.views import ApiView
from purchases import proofs

# The page has nothing inline and nothing from elsewhere, and nobody may frame it.
PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class SnapshotView(ApiView):
    """`GET /fairness/box-version/{id}/snapshot`: a prize table, which never changes, so it may be kept for ever."""

    def get(self, request: Request, version_id: int) -> HttpResponseBase | None:
        """Answer the table byte for byte as it is hashed."""
        snapshot = proofs.snapshot(version_id=version_id)
        body = b'{"boxVersionId":%d,"snapshot":%b,"snapshotHash":"%b"}' % (version_id, snapshot.content, snapshot.hash.encode())
        response = HttpResponse(body, content_type="application/json")
        response["ETag"] = f'"{snapshot.hash}"'
        response["Cache-Control"] = "public, max-age=31536000, immutable"
        return get_conditional_response(request._request, etag=response["ETag"], response=response)  # noqa: SLF001 - DRF's is another type


class PageOrJSON(BaseContentNegotiation):
    """JSON for those who ask for it, else the page."""

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,  # noqa: ARG002 - DRF's signature
    ) -> tuple[BaseRenderer, str]:
        """Return the first renderer, the page's, unless the Accept header prefers another's type."""
        by_type = {str(renderer.media_type): renderer for renderer in renderers}
        media_type = request._request.get_preferred_type(list(by_type)) or next(iter(by_type))  # noqa: SLF001 - as above
        return by_type[media_type], media_type


class PageRenderer(TemplateHTMLRenderer):
    """A page, also for what is refused."""

    exception_template_names = ("fairness/refused.html",)


class RoundView(APIView):
    """`GET /fairness/rounds/{publicId}`: what a round was drawn from, as JSON or as a page that verifies it in the browser."""

    permission_classes: Sequence[Any] = ()
    metadata_class = None
    content_negotiation_class = PageOrJSON
    renderer_classes = (PageRenderer, JSONRenderer)

    def get(self, request: Request, public_id: str) -> Response:  # noqa: ARG002 - DRF's signature
        """Answer the round; the page fetches the same address as JSON."""
        return Response(proofs.proof(public_id=public_id), template_name="fairness/round.html")

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Have the answer asked for anew each time, because a seed may be revealed at any moment."""
        final = super().finalize_response(request, response, *args, **kwargs)
        final["Cache-Control"] = "no-cache"
        final["Content-Security-Policy"] = PAGE_POLICY
        return final
