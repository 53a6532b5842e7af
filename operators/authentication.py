"""Who is calling: the signature envelope of contract section 2, checked over raw bytes before anything is parsed."""

import datetime as dt
import ipaddress
import re
from dataclasses import dataclass, field
from typing import Final

from django.conf import settings
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from lootbox.core import signing
from lootbox.core.errors import ApiError, ErrorCode
from operators.models import ApiKey, Operator
from operators.selectors import is_current

HEADERS: Final = ("HTTP_X_KEY_ID", "HTTP_X_TIMESTAMP", "HTTP_X_SIGNATURE")
LAST_USED_STEP: Final = dt.timedelta(minutes=1)
_TIMESTAMP = re.compile(r"0|[1-9][0-9]*")


@dataclass
class Caller:
    """An operator's backend, known by one of its keys. `used_at` is when the key's use was last written down."""

    operator: Operator
    key: ApiKey
    used_at: dt.datetime | None = field(default=None)


class SignedRequest(BaseAuthentication):
    """Let in what an operator signed, and say who it was in `request.auth` (contract section 2).

    With `presumes`, the operator is as this process knows it, and the view has to find out whether it still is.
    """

    def __init__(self, *, presumes: bool = False) -> None:
        """Ask for the operator's version, a round trip, unless `presumes`."""
        self._presumes = presumes

    def authenticate(self, request: Request) -> tuple[Operator, Caller]:
        """Return the operator and its caller. Raises the errors of section 2, in its order."""
        raw = request._request  # noqa: SLF001 - the envelope is over the raw request
        key_id, timestamp, signature = (raw.META.get(name, "") for name in HEADERS)
        if not (key_id and timestamp and signature):
            raise ApiError(ErrorCode.MISSING_HEADERS)
        now = dt.datetime.now(dt.UTC)  # Django's asks its settings first, which takes longer than the clock
        _check_timestamp(timestamp, now=now)
        caller = _known_callers.find(key_id)
        # A key's secret never changes, so that a signature that fails by a secret from memory fails, at the cost of no query.
        if caller is None or not _is_signed(raw, by=caller, timestamp=timestamp, signature=signature):
            raise ApiError(ErrorCode.INVALID_SIGNATURE)
        # Nobody is refused by what is only remembered.
        if not (self._presumes and usable(caller, request=raw, now=now) and not caller.operator.suspended):
            caller = _known_callers.refresh(caller)
            if caller is None or not usable(caller, request=raw, now=now):
                raise ApiError(ErrorCode.INVALID_SIGNATURE)
        if caller.operator.suspended:
            raise ApiError(ErrorCode.TENANT_SUSPENDED)
        _note_use(caller, now=now)
        return caller.operator, caller

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - DRF's signature
        """Name the scheme, as a 401 must."""
        return "LootBox-HMAC"


def usable(caller: Caller, *, request: HttpRequest, now: dt.datetime) -> bool:
    """Return whether the key may be used now, on this host, from this address."""
    key, slug = caller.key, host_operator(request)
    return (
        key.revoked_at is None
        and (key.expires_at is None or now < key.expires_at)
        and (slug is None or slug == caller.operator.slug)
        and (not key.allowed_ips or _address_allowed(request.META.get("REMOTE_ADDR", ""), key.allowed_ips))
    )


def host_operator(request: HttpRequest) -> str | None:
    """Return the operator that the subdomain names, None on a bare host (contract section 1)."""
    address = request.get_host()
    host = address.rpartition(":")[0] or address
    suffix = f".{settings.LOOTBOX_DOMAIN}"
    return host.removesuffix(suffix) if host.endswith(suffix) else None


class _Callers:
    """Callers by key id, kept by the process and dropped as soon as the operator's version moves on.

    One small prepared statement a request buys that a revoked key or a changed setting holds from the next request on, in
    every process, without loading and decrypting the rows each time.
    """

    def __init__(self) -> None:
        self._callers: dict[str, Caller] = {}

    def find(self, key_id: str) -> Caller | None:
        """Return the caller as it was when it was last read; None for a key that there is not."""
        return self._callers.get(key_id) or self._load(key_id)

    def refresh(self, caller: Caller) -> Caller | None:
        """Return the caller as it is now."""
        return caller if is_current(operator=caller.operator) else self._load(caller.key.key_id)

    def _load(self, key_id: str) -> Caller | None:
        key = ApiKey.objects.select_related("operator").filter(key_id=key_id).first() if key_id.isprintable() else None
        if key is None:
            self._callers.pop(key_id, None)
            return None
        caller = self._callers[key_id] = Caller(operator=key.operator, key=key, used_at=key.last_used_at)
        return caller


_known_callers = _Callers()


def _is_signed(request: HttpRequest, *, by: Caller, timestamp: str, signature: str) -> bool:
    expected = signing.sign(
        secret=by.key.secret,
        timestamp=timestamp,
        method=request.method or "",
        path=signing.request_line_path(request),
        body=request.body,
    )
    return signing.holds(expected=expected, given=signature.encode("utf-8", "surrogateescape"))


def _check_timestamp(text: str, *, now: dt.datetime) -> None:
    if not _TIMESTAMP.fullmatch(text):
        raise ApiError(ErrorCode.INVALID_SIGNATURE, "X-Timestamp must be Unix seconds in plain digits.")
    if len(text) > 12 or abs(int(text) - now.timestamp()) > signing.WINDOW_S:
        raise ApiError(ErrorCode.TIMESTAMP_SKEW)


def _address_allowed(address: str, ranges: list[str]) -> bool:
    try:
        source = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(source in ipaddress.ip_network(allowed) for allowed in ranges)


def _note_use(caller: Caller, *, now: dt.datetime) -> None:
    # Once a minute is enough to see that a key is still in use, and costs nothing on the other requests.
    if caller.used_at is None or now - caller.used_at > LAST_USED_STEP:
        caller.used_at = now
        ApiKey.objects.filter(pk=caller.key.pk).update(last_used_at=now)
