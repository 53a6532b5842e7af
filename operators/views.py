"""The signed surface's base view, its catch-all, and health."""

from collections.abc import Sequence
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from lootbox.core.errors import ApiError, ErrorCode
from lootbox.core.fields import print_moment
from lootbox.core.views import ApiView
from operators.authentication import SignedRequest
from operators.models import Operator
from operators.throttling import PerKey


class S2SView(ApiView):
    """A view for operators' backends: signed, limited in rate, and for one operator."""

    authentication_classes: Sequence[Any] = (SignedRequest,)
    throttle_classes: Sequence[Any] = (PerKey,)

    @property
    def operator(self) -> Operator:
        """Return the operator that signed the request."""
        operator: Operator = self.request.user  # type: ignore[assignment]
        return operator


class HealthView(S2SView):
    """`GET /api/s2s/health` (contract section 13)."""

    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        """Answer that the platform is up, and its time."""
        return Response({"status": "ok", "time": print_moment(self.now)})


class UnknownView(S2SView):
    """Every other address below `/api/s2s/`: 401 for the unsigned, `NOT_FOUND` for the signed (contract section 12)."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check the signature, then say that there is nothing here, whatever the method."""
        super().initial(request, *args, **kwargs)
        raise ApiError(ErrorCode.NOT_FOUND)
