"""The one registry of what the API can refuse with, and the one way that it is answered (contract sections 1 and 12)."""

import enum
import math
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

import structlog
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response

from lootbox.core import patience

logger = structlog.get_logger(__name__)

MoneyMoved = Literal["none", "debited", "credited", "unknown"]


class ErrorSpec(NamedTuple):
    """What every error of one code has in common."""

    status: int
    retryable: bool
    message: str


class ErrorCode(enum.Enum):
    """The codes that clients branch on, each with its HTTP status (contract section 12)."""

    MISSING_HEADERS = ErrorSpec(401, False, "Send the headers X-Key-Id, X-Timestamp and X-Signature.")
    INVALID_SIGNATURE = ErrorSpec(401, False, "The signature does not hold for this key, path, timestamp and body.")
    TIMESTAMP_SKEW = ErrorSpec(401, False, "X-Timestamp is more than 300 seconds off. Check the clock and sign again.")
    GAME_DISABLED = ErrorSpec(403, False, "This game is not enabled for the operator. The only game is mystery_box.")
    TENANT_SUSPENDED = ErrorSpec(403, False, "The operator is suspended. Please contact support.")
    UNKNOWN_BOX = ErrorSpec(404, False, "There is no such box.")
    BOX_NOT_PLAYABLE = ErrorSpec(409, False, "This version of the box can't be opened any more. Refresh and try again.")
    LAUNCH_TOKEN_INVALID = ErrorSpec(401, False, "The launch token is not known. Ask the casino for a new launch.")
    LAUNCH_TOKEN_EXPIRED = ErrorSpec(401, False, "The launch token has expired. Ask the casino for a new launch.")
    LAUNCH_TOKEN_CONSUMED = ErrorSpec(409, False, "The launch token was used before. Ask the casino for a new launch.")
    SESSION_INVALID = ErrorSpec(401, False, "The session is not known. Launch the game again.")
    SESSION_EXPIRED = ErrorSpec(401, False, "The session has ended. Launch the game again.")
    INSUFFICIENT_FUNDS = ErrorSpec(422, False, "The player's balance is too low.")
    PLAYER_BLOCKED = ErrorSpec(403, False, "The player may not play at the moment.")
    WALLET_UNAVAILABLE = ErrorSpec(503, True, "The operator's wallet gave no usable answer. Send the same request again.")
    ROUND_NOT_FOUND = ErrorSpec(404, False, "There is no such round.")
    ROUND_NOT_HELD = ErrorSpec(409, False, "The round is not waiting in the vault.")
    ROUND_NOT_REFUNDABLE = ErrorSpec(409, False, "Only a box that a player paid for and has not opened can be refunded.")
    REFUND_NOT_ALLOWED = ErrorSpec(403, False, "The refund policy does not allow this refund.")
    FX_RATE_MOVED = ErrorSpec(422, False, "The exchange rate moved since the price was shown. Fetch the price again.")
    UNSUPPORTED_CURRENCY = ErrorSpec(422, False, "This currency can't be used here, or has no rate.")
    UNSUPPORTED_LOCALE = ErrorSpec(422, False, "This language is not one of the operator's languages.")
    INVENTORY_ITEM_NOT_FOUND = ErrorSpec(404, False, "The player has no such item.")
    CASHBACK_NOT_AVAILABLE = ErrorSpec(422, False, "This item can't be cashed back.")
    INVENTORY_NOT_SHIPPABLE = ErrorSpec(422, False, "One of the items can't be shipped, so no order was made.")
    SHIPPING_DISABLED = ErrorSpec(403, False, "Shipping is switched off for this operator.")
    ORDER_NOT_FOUND = ErrorSpec(404, False, "There is no such order.")
    INVALID_CLIENT_SEED = ErrorSpec(422, False, "A client seed is 1 to 64 of the characters A-Z a-z 0-9 _ and -.")
    VALIDATION_FAILED = ErrorSpec(422, False, "Some fields are not valid; error.fields names each of them.")
    MALFORMED_REQUEST = ErrorSpec(400, False, "The body must be one JSON object in UTF-8, sent as application/json.")
    IDEMPOTENCY_CONFLICT = ErrorSpec(409, False, "This idempotency key was used for a different request.")
    ACTION_IN_PROGRESS = ErrorSpec(409, True, "The same action is still running. Ask again in a moment.")
    NOT_FOUND = ErrorSpec(404, False, "There is nothing at this address.")
    METHOD_NOT_ALLOWED = ErrorSpec(405, False, "This address does not answer that method.")
    PAYLOAD_TOO_LARGE = ErrorSpec(413, False, "The body is larger than 64 KiB.")
    RATE_LIMITED = ErrorSpec(429, True, "Too many requests. Wait for Retry-After seconds.")
    SERVICE_UNAVAILABLE = ErrorSpec(503, True, "The platform's database did not answer in time. Send the same request again.")
    INTERNAL_ERROR = ErrorSpec(500, True, "Something went wrong on our side. Send the same request again.")


class ApiError(Exception):
    """A refusal, raised anywhere below a view and answered by `refusal`.

    `beside` stands next to `error` in the answer (a round, a balance), `fields` maps a field's path to what is wrong with it,
    `retry_after` is in seconds.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str | None = None,
        *,
        fields: Mapping[str, str] | None = None,
        money_moved: MoneyMoved | None = None,
        retryable: bool | None = None,
        retry_after: int | None = None,
        beside: Mapping[str, Any] | None = None,
        wallet_code: str | None = None,
    ) -> None:
        """Refuse with `code`; `wallet_code` is what the operator's wallet said, passed on verbatim (contract section 5)."""
        self.code = code.name if wallet_code is None else wallet_code
        self.status = code.value.status
        self.message = message or code.value.message
        self.retryable = code.value.retryable if retryable is None else retryable
        self.fields = fields
        self.money_moved = money_moved
        self.retry_after = retry_after
        self.beside = beside or {}
        super().__init__(f"{self.code}: {self.message}")


class Outdated(ApiError):
    """What was read in advance has changed meanwhile, and nothing was done; the request is answered again from its start."""

    def __init__(self) -> None:
        """Refuse for now, for whoever can't start again."""
        message = "The operator's settings are being changed. Send the same request again."
        super().__init__(ErrorCode.ACTION_IN_PROGRESS, message, money_moved="none", retry_after=1)


def refused_by_wallet(*, wallet_code: str, beside: Mapping[str, Any]) -> ApiError:
    """Return the error for a wallet's refusal: the code verbatim, its own status where we know it, else 422 (section 5)."""
    known = ErrorCode.__members__.get(wallet_code)
    return ApiError(
        known or ErrorCode.VALIDATION_FAILED,
        None if known else "The operator's wallet refused this.",
        wallet_code=wallet_code,
        money_moved="none",
        retryable=False,
        beside=beside,
    )


def invalid(field: str, problem: str) -> ApiError:
    """Return a `VALIDATION_FAILED` that names one field."""
    return ApiError(ErrorCode.VALIDATION_FAILED, fields={field: problem})


def error_body(error: ApiError, *, request_id: str, moves_money: bool) -> dict[str, Any]:
    """Return the answer of section 1: code, message, request id, retryable, and what applies of fields and money moved."""
    body: dict[str, Any] = {
        "code": error.code,
        "message": error.message,
        "requestId": request_id,
        "retryable": error.retryable,
    }
    if error.money_moved or moves_money:
        body["moneyMoved"] = error.money_moved or "none"
    if error.fields is not None:
        body["fields"] = dict(error.fields)
    return {"error": body, **error.beside}


class Refusal(NamedTuple):
    """An error as it is answered."""

    body: dict[str, Any]
    status: int
    headers: dict[str, str]


def refusal(exc: Exception, *, request_id: str, moves_money: bool) -> Refusal:
    """Return what any exception out of a view is answered with.

    A database that is away, stuck or too busy is `SERVICE_UNAVAILABLE`. What else is not an `ApiError` or a refusal of the
    framework is a defect: it is logged and answered as `INTERNAL_ERROR`. On a call that could move money both carry
    `moneyMoved: unknown`, because then only a retry can tell.
    """
    error = _translate(exc)
    if error is None and patience.is_passing(exc):
        logger.warning("database_unavailable", reason=str(exc))
        error = ApiError(ErrorCode.SERVICE_UNAVAILABLE, money_moved="unknown" if moves_money else None, retry_after=1)
    elif error is None:
        logger.error("request_failed", exc_info=exc)
        error = ApiError(ErrorCode.INTERNAL_ERROR, money_moved="unknown" if moves_money else None)
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    return Refusal(error_body(error, request_id=request_id, moves_money=moves_money), error.status, headers)


def answer_error(exc: Exception, context: dict[str, Any]) -> Response:
    """Answer any exception out of a view that leaves its answers to the framework; DRF's exception handler."""
    moves_money = getattr(context["view"], "moves_money", False)
    body, status, headers = refusal(exc, request_id=getattr(context["request"], "request_id", ""), moves_money=moves_money)
    return Response(body, status=status, headers=headers)


def _translate(exc: Exception) -> ApiError | None:
    if isinstance(exc, ApiError):
        return exc
    if isinstance(exc, exceptions.Throttled):
        return ApiError(ErrorCode.RATE_LIMITED, retry_after=math.ceil(getattr(exc, "wait", None) or 1))
    for kind, code in _FRAMEWORK_REFUSALS.items():
        if isinstance(exc, kind):
            return ApiError(code)
    return None


# RequestDataTooBig is a SuspiciousOperation too, so it stands first.
_FRAMEWORK_REFUSALS: Final[Mapping[type[Exception], ErrorCode]] = {
    Http404: ErrorCode.NOT_FOUND,
    exceptions.NotFound: ErrorCode.NOT_FOUND,
    exceptions.MethodNotAllowed: ErrorCode.METHOD_NOT_ALLOWED,
    RequestDataTooBig: ErrorCode.PAYLOAD_TOO_LARGE,
    SuspiciousOperation: ErrorCode.MALFORMED_REQUEST,
}
