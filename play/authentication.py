"""Who is playing: the bearer token of a session (contract section 8)."""

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from lootbox.core.errors import ApiError, ErrorCode
from operators.authentication import host_operator
from operators.models import Operator
from play.models import Session
from play.services import sessions

SCHEME = "Bearer "


class BearerSession(BaseAuthentication):
    """Let in who holds a live session's token, and say which session it is in `request.auth`."""

    def authenticate(self, request: Request) -> tuple[Operator, Session]:
        """Return the operator and the session. Raises `SESSION_INVALID`, `SESSION_EXPIRED`, `TENANT_SUSPENDED`."""
        slug = host_operator(request._request)  # noqa: SLF001 - DRF's request is another type
        session = sessions.find(token=bearer_token(request), slug=slug, at=timezone.now())
        return session.operator, session


def bearer_token(request: Request) -> str:
    """Return the token that the request carries. Raises `SESSION_INVALID` when there is none."""
    header = request.headers.get("Authorization", "")
    if not header.startswith(SCHEME):
        raise ApiError(ErrorCode.SESSION_INVALID, "Send the session's token as Authorization: Bearer ps_…")
    return header.removeprefix(SCHEME)
