"""The signature envelope of contract section 2, for both directions."""

import hashlib
import hmac
import re
from typing import Final

from django.http import HttpRequest

WINDOW_S: Final = 300
_SIGNATURE = re.compile(rb"[0-9a-f]{64}")


def sign(*, secret: str, timestamp: str, method: str, path: str, body: bytes) -> str:
    """Return the lowercase hex HMAC-SHA256 over timestamp, method, path and body hash.

    `timestamp` is the header's exact text (Unix seconds), `path` the path as it stands in the request line, still
    percent-encoded, without query.
    """
    canonical = f"{timestamp}\n{method}\n{path}\n{hashlib.sha256(body).hexdigest()}"
    return hmac.digest(secret.encode(), canonical.encode("utf-8", "surrogateescape"), "sha256").hex()


def holds(*, expected: str, given: bytes) -> bool:
    """Return whether `given` is 64 lowercase hex digits and equals `expected`, in constant time."""
    return _SIGNATURE.fullmatch(given) is not None and hmac.compare_digest(expected.encode(), given)


def request_line_path(request: HttpRequest) -> str:
    """Return the path as it stood in the request line, still percent-encoded, without scheme, host or query.

    The web server hands the target over as `RAW_URI`; a server that does not, as Django's test client, has its decoded path
    encoded again.
    """
    target: str | None = request.META.get("RAW_URI")
    if target is None:
        return request.get_full_path_info().partition("?")[0]
    if not target.startswith("/"):
        target = "/" + target.partition("://")[2].partition("/")[2]
    return target.partition("?")[0].partition("#")[0]
