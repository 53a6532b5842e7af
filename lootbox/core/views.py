"""The base of every API view: strict JSON in, JSON out, whatever the Accept header says."""

import datetime as dt
import random
import time
from collections.abc import Sequence
from typing import Any, Final

from django.db import DatabaseError
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.views import APIView

from lootbox.core import patience, strict_json
from lootbox.core.answers import Answer
from lootbox.core.errors import ApiError, ErrorCode, Outdated, refusal
from lootbox.core.fields import Query, Reader

JSON_TYPES = frozenset({"application/json", "application/json; charset=utf-8", "application/json;charset=utf-8"})
TRIES: Final = 3
LONGEST_PAUSE_S: Final = 0.05


class ApiView(APIView):
    """A view of the API. `moves_money` says that its errors carry `moneyMoved` (contract section 1).

    A view of the framework's but for the steps that this API does not have: bodies in other formats, answers to negotiate,
    versions, pages to browse. Left in, they cost as much as the purchase's own code.
    """

    permission_classes: Sequence[Any] = ()
    metadata_class = None  # OPTIONS is a method like any other: not allowed unless a view answers it
    moves_money = False

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer the request; whatever is raised meanwhile is answered too."""
        self.args, self.kwargs, self.headers = args, kwargs, {}
        try:
            answer: HttpResponseBase = self.attend(request)
        except Exception as exc:  # noqa: BLE001 - one handler answers all of them
            answer = self.handle_exception(exc)
        return answer

    def attend(self, request: HttpRequest) -> Any:
        """Return the answer, trying again at once where that is worth it.

        Where what was gone by has changed meanwhile, and nothing was done; and where transactions got into each other's way, if
        the call moves money, and so is idempotent by key: done in part, it goes on where it was.
        """
        for _ in range(TRIES - 1):
            try:
                return self.attempt(request)
            except Outdated:
                continue
            except DatabaseError as error:
                if not self.moves_money or not patience.is_contention(error):
                    raise
                time.sleep(random.uniform(0, LONGEST_PAUSE_S))  # noqa: S311 - only keeps the two from meeting again
        return self.attempt(request)

    def attempt(self, request: HttpRequest) -> Any:
        """Return what the view's own method answers, once it is known who calls, and how often."""
        self.request = self.initialize_request(request, *self.args, **self.kwargs)
        self.initial(self.request, *self.args, **self.kwargs)
        return self._method(request)(self.request, *self.args, **self.kwargs)

    def _method(self, request: HttpRequest) -> Any:
        name = (request.method or "").lower()
        refuse = self.http_method_not_allowed
        return getattr(self, name, refuse) if name in self.http_method_names else refuse

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:  # noqa: ARG002 - DRF's signature
        """Return the request as the framework's authentication and throttling know it."""
        return Request(request, authenticators=self.get_authenticators())

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002 - DRF's signature
        """Find out who calls, whether they may, and how often."""
        self.perform_authentication(request)
        self.check_permissions(request)
        self.check_throttles(request)

    def handle_exception(self, exc: Exception) -> Any:
        """Return the answer for whatever was raised."""
        could = self.moves_money and self.request.method not in SAFE_METHODS
        body, status, headers = refusal(exc, request_id=self._request_id(), moves_money=could)
        if isinstance(exc, MethodNotAllowed):
            headers["Allow"] = ", ".join(self.allowed_methods)
        return Answer(body, status=status, headers=headers)

    def _request_id(self) -> str:
        return getattr(self.request._request, "request_id", "")  # noqa: SLF001 - DRF's request is another type

    def read_body(self, *, optional: bool = False) -> Reader:
        """Return a reader of the body's JSON object. With `optional`, no body is an empty one. Raises `MALFORMED_REQUEST`."""
        request = self.request._request  # noqa: SLF001 - the raw bytes, which the signature was checked over
        if optional and not request.body:
            return Reader({})
        if request.META.get("CONTENT_TYPE", "").lower() not in JSON_TYPES:
            raise ApiError(ErrorCode.MALFORMED_REQUEST, "Send the body with Content-Type: application/json.")
        try:
            value = strict_json.loads(request.body)
        except strict_json.MalformedJSON as error:
            raise ApiError(ErrorCode.MALFORMED_REQUEST, f"The body could not be read: {error}.") from error
        if not isinstance(value, dict):
            raise ApiError(ErrorCode.MALFORMED_REQUEST)
        return Reader(value)

    def read_query(self) -> Query:
        """Return a reader of the query string; of a parameter that stands twice the last one counts."""
        return Query(self.request.query_params)

    @property
    def now(self) -> dt.datetime:
        """Return the clock's time: a view is a door, and services take the time as an argument."""
        return timezone.now()
