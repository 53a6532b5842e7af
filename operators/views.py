"""The signed surface's base view, its catch-all, and health."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from lootbox.core.answers import Answer
from lootbox.core.errors import ApiError, ErrorCode, Outdated
from lootbox.core.fields import print_moment
from lootbox.core.views import ApiView
from operators.authentication import Caller, SignedRequest
from operators.models import Operator
from operators.selectors import is_current
from operators.throttling import PerKey


class S2SView(ApiView):
    """A view for operators' backends: signed, limited in rate, and for one operator.

    One that `presumes` goes by the operator as this process knows it until it has that confirmed. That saves it the round trip
    of asking where one of its own statements compares the version.
    """

    authentication_classes: Sequence[Any] = (SignedRequest,)
    throttle_classes: Sequence[Any] = (PerKey,)
    presumes = False
    caller: Caller | None = None

    def get_authenticators(self) -> list[BaseAuthentication]:
        """Return the one that checks signatures."""
        return [SignedRequest(presumes=self.presumes)]

    def perform_authentication(self, request: Request) -> None:
        """Find out who signed."""
        super().perform_authentication(request)
        self.caller = request.auth  # type: ignore[assignment]

    def attempt(self, request: HttpRequest) -> Any:
        """Return the view's answer. Nothing is refused for what only was so when the operator was read."""
        try:
            return super().attempt(request)
        except Outdated:
            self.presumes = False
            raise
        except Exception:
            if self.caller is not None and self.presumes:
                self.confirm_operator()
            raise

    def confirm_operator(self) -> None:
        """Start the request again, with the operator read anew, where it has changed."""
        self.presumes = False
        if not is_current(operator=self.operator):
            raise Outdated

    @property
    def operator(self) -> Operator:
        """Return the operator that signed the request."""
        operator: Operator = self.request.user  # type: ignore[assignment]
        return operator


class HealthView(S2SView):
    """`GET /api/s2s/health` (contract section 13)."""

    def get(self, request: Request) -> Answer:  # noqa: ARG002 - DRF's signature
        """Answer that the platform is up, and its time."""
        return Answer({"status": "ok", "time": print_moment(self.now)})


class UnknownView(S2SView):
    """Every other address below `/api/s2s/`: 401 for the unsigned, `NOT_FOUND` for the signed (contract section 12)."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check the signature, then say that there is nothing here, whatever the method."""
        super().initial(request, *args, **kwargs)
        raise ApiError(ErrorCode.NOT_FOUND)
