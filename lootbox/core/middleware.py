"""What every request passes."""

import secrets
from collections.abc import Callable
from functools import lru_cache
from typing import Final

import structlog
from django.conf import settings
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import ResolverMatch, get_resolver

from lootbox.core import patience

NEVER_FRAMED: Final = "frame-ancestors 'none'"


class RequestId:
    """Give each request an id: in the log lines, in the header `X-Request-Id`, and in errors (contract section 1)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Wrap the rest of the request's way."""
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request with its id beside the answer."""
        request_id = secrets.token_hex(13)
        request.request_id = request_id  # type: ignore[attr-defined]
        bound = structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            response = self._get_response(request)
        finally:
            structlog.contextvars.reset_contextvars(**bound)
        response["X-Request-Id"] = request_id
        return response


class FramedByNobody:
    """Let no page be framed, but for those that set a policy of their own (contract section 8)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Wrap the rest of the request's way."""
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request with a policy."""
        response = self._get_response(request)
        response.headers.setdefault("Content-Security-Policy", NEVER_FRAMED)
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


class ApisApart:
    """Answer what is below /api/ without what stands further inside: sessions, accounts, forms and languages are for pages.

    An API view knows its callers by signature or token, and by no cookie, so that there is nothing to forge; a law of the tests
    says that every view below /api/ is one. Fourteen layers would cost a refused signature more than checking it. None of these
    requests waits for the database for long.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Wrap the way of the pages."""
        self._page = get_response
        self._api: Callable[[HttpRequest], HttpResponseBase] = convert_exception_to_response(_call_view)  # type: ignore[assignment]

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request."""
        if not request.path_info.startswith("/api/"):
            return self._page(request)
        with patience.limited():
            response = self._api(request)
        headers = response.headers
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Content-Security-Policy"] = NEVER_FRAMED
        headers["X-Frame-Options"] = "DENY"
        if isinstance(response, HttpResponse) and response.content:
            headers["Content-Length"] = str(len(response.content))
        return response


def _call_view(request: HttpRequest) -> HttpResponseBase:
    request.resolver_match = found = _resolve(request.path_info, settings.ROOT_URLCONF)
    response: HttpResponseBase = found.func(request, *found.args, **found.kwargs)
    return response


@lru_cache(maxsize=1024)
def _resolve(path: str, urlconf: str) -> ResolverMatch:
    # Trying one pattern after another takes a seventh of what a refused signature costs in all.
    return get_resolver(urlconf).resolve(path)
