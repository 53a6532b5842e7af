"""The base of every API view: strict JSON in, JSON out, whatever the Accept header says."""

import datetime as dt
import random
import time
from collections.abc import Sequence
from typing import Any, Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.response import Response
from rest_framework.views import APIView

from lootbox.core import patience, strict_json
from lootbox.core.errors import ApiError, ErrorCode
from lootbox.core.fields import Query, Reader

JSON_TYPES = frozenset({"application/json", "application/json; charset=utf-8", "application/json;charset=utf-8"})


TRIES: Final = 3
LONGEST_PAUSE_S: Final = 0.05


class _Contention(Exception):
    """Transactions got into each other's way, and this one was undone."""


class ApiView(APIView):
    """A view of the API. `moves_money` says that its errors carry `moneyMoved` (contract section 1)."""

    permission_classes: Sequence[Any] = ()
    metadata_class = None  # OPTIONS is a method like any other: not allowed unless a view answers it
    moves_money = False
    _tries_left = 0

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer, and try again at once where transactions got into each other's way.

        Only what moves money, and so is idempotent by key: done in part, it goes on where it was.
        """
        self._tries_left = TRIES if self.moves_money else 1
        while True:
            self._tries_left -= 1
            try:
                return super().dispatch(request, *args, **kwargs)
            except _Contention:
                time.sleep(random.uniform(0, LONGEST_PAUSE_S))  # noqa: S311 - only keeps the two from meeting again

    def handle_exception(self, exc: Exception) -> Response:
        """Answer what was raised, by `answer_error`, unless it is worth another try."""
        if self._tries_left and patience.is_contention(exc):
            raise _Contention from exc
        return super().handle_exception(exc)

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
