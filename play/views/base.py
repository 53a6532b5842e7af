"""The base of the player API: open to pages of any origin, for one session (contract section 8)."""

from collections.abc import Sequence
from typing import Any, Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from lootbox.core.answers import Answer
from lootbox.core.errors import ApiError, ErrorCode
from lootbox.core.views import ApiView
from operators.authentication import host_operator
from operators.models import Operator
from play.authentication import BearerSession, bearer_token
from play.models import Session

# Open to all, and yet safe: no cookie counts here, and a foreign page has no token.
CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "ETag, Idempotent-Replayed, Retry-After, X-Request-Id",
}
PREFLIGHT_AGE_S: Final = 86_400


class OpenView(ApiView):
    """A view that pages of any origin may call, and that needs no session."""

    @property
    def host_slug(self) -> str | None:
        """Return the operator that the host names, None on a bare host."""
        return host_operator(self.request._request)  # noqa: SLF001 - DRF's request is another type

    def perform_authentication(self, request: Request) -> None:
        """Let a browser's preflight pass, which carries no token."""
        if request.method != "OPTIONS":
            super().perform_authentication(request)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer the request, errors too, readable to pages of any origin."""
        answer = super().dispatch(request, *args, **kwargs)
        for name, value in CORS.items():
            answer[name] = value
        return answer

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002 - DRF's signature
        """Answer a browser's preflight."""
        headers = {
            "Access-Control-Allow-Methods": ", ".join(self.allowed_methods),
            "Access-Control-Allow-Headers": "Authorization, Content-Type, If-None-Match",
            "Access-Control-Max-Age": str(PREFLIGHT_AGE_S),
        }
        return Answer(status=204, headers=headers)


class PlayView(OpenView):
    """A view for the player of a session."""

    authentication_classes: Sequence[Any] = (BearerSession,)

    @property
    def session(self) -> Session:
        """Return the session that the token is of."""
        session: Session = self.request.auth  # type: ignore[assignment]
        return session

    @property
    def operator(self) -> Operator:
        """Return the session's operator."""
        return self.session.operator

    @property
    def player(self) -> str:
        """Return the player as the operator names them."""
        return self.session.player.external_id

    @property
    def token(self) -> str:
        """Return the session's token, which is stored nowhere."""
        return bearer_token(self.request)


class UnknownView(PlayView):
    """Every other address below `/api/play/`: 401 without a session, else `NOT_FOUND` (contract section 12)."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check the token, then say that there is nothing here, whatever the method."""
        super().initial(request, *args, **kwargs)
        raise ApiError(ErrorCode.NOT_FOUND)
