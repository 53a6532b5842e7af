"""What every request passes."""

from collections.abc import Awaitable, Callable

import structlog
from django.contrib.messages.middleware import MessageMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.utils.deprecation import MiddlewareMixin
from ulid import ULID

from lootbox.core import patience


class RequestId:
    """Give each request an id: in the log lines, in the header `X-Request-Id`, and in errors (contract section 1)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Wrap the rest of the request's way."""
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request with its id beside the answer."""
        request_id = str(ULID())
        request.request_id = request_id  # type: ignore[attr-defined]
        structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            response = self._get_response(request)
        finally:
            structlog.contextvars.clear_contextvars()
        response["X-Request-Id"] = request_id
        return response


class LimitedWaits:
    """Let no request of the APIs wait for the database for long."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Wrap the rest of the request's way."""
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request, with the limits where it is one of the APIs."""
        if not request.path_info.startswith("/api/"):
            return self._get_response(request)
        with patience.limited():
            return self._get_response(request)


class FramedByNobody:
    """Let no page be framed, but for those that set a policy of their own (contract section 8)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Wrap the rest of the request's way."""
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request with a policy."""
        response = self._get_response(request)
        response.headers.setdefault("Content-Security-Policy", "frame-ancestors 'none'")
        return response


class Sized:
    """Say how long an answer is; without that it goes out in chunks, which costs both ends."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Wrap the rest of the request's way."""
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request with the length of its body."""
        response = self._get_response(request)
        if isinstance(response, HttpResponse) and response.content:
            response.headers.setdefault("Content-Length", str(len(response.content)))
        return response


class _PagesOnly(MiddlewareMixin):
    """Leave the APIs out, which know no forms, and no language but what a request names. That saves a tenth of a purchase."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if request.path_info.startswith("/api/"):
            return self.get_response(request)
        return super().__call__(request)


class PageLanguage(_PagesOnly, LocaleMiddleware):
    """Choose the language of a page by what the browser prefers."""


class PageMessages(_PagesOnly, MessageMiddleware):
    """Keep what a form has to say until the next page shows it."""
