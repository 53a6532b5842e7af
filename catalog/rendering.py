"""An answer as it is sent, kept with its ETag so that neither is computed twice."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from rest_framework.request import Request

from lootbox.core.strict_json import compact


@dataclass(frozen=True, slots=True)
class Rendered:
    """The bytes of a JSON answer and the ETag that names them."""

    body: bytes
    etag: str


def render(value: Mapping[str, Any]) -> Rendered:
    """Return the value as it is sent."""
    body = compact(value)
    return Rendered(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def answer(rendered: Rendered, *, request: Request | HttpRequest) -> HttpResponseBase:
    """Return the answer, or 304 without a body when the caller has these bytes already (contract section 4)."""
    response = HttpResponse(rendered.body, content_type="application/json")
    response["ETag"] = rendered.etag
    response["Cache-Control"] = "private, no-cache"
    return get_conditional_response(request, etag=rendered.etag, response=response)  # type: ignore[return-value]
