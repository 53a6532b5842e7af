"""What an operator's job asks for, read strictly, and the signed link that it gets (docs/integrating.md, section 5)."""

import datetime as dt
from typing import Final

from django.conf import settings
from django.core import signing

from finance.days import Zone
from finance.exports.columns import ReportName
from finance.exports.formats import Format
from finance.exports.making import Wanted
from finance.reports import Dimension
from lootbox.core.errors import ApiError, ErrorCode
from lootbox.core.fields import Reader
from operators.models import Operator

_SALT: Final = "finance.exports.link"


def read_wanted(body: Reader, *, operator: Operator) -> Wanted:
    """Return what the body asks for. Raises `VALIDATION_FAILED`."""
    report = body.choice("report", options=[name.value for name in ReportName])
    format_ = body.choice("format", options=[name.value for name in Format], default="csv")
    zone = body.choice("timeZone", options=[name.value for name in Zone], default="utc")
    first, last = _day(body, "from"), _day(body, "to")
    currency = body.optional_text("currency", maximum=3, minimum=3)
    funding = body.choice("funding", options=["player", "operator"]) if body.has("funding") else None
    by = {name for name in (body.optional_text("by", maximum=60) or "").split(",") if name}
    if not by <= set(Dimension):
        body.wrong("by", f"Send a comma list of: {', '.join(Dimension)}.")
    if report != ReportName.MOVEMENTS and not (body.has("from") and body.has("to")):
        body.wrong("from", "Send from and to: this report is of days.")
    if first and last and last < first:
        body.wrong("to", "Send a day that is not before from.")
    if body.has("from") != body.has("to"):
        body.wrong("to", "Send both from and to, or neither.")
    body.check()
    return Wanted(
        report=ReportName(report),
        format=Format(format_),
        operators=[operator],
        first=first,
        last=last,
        zone=Zone(zone),
        by=frozenset(Dimension(name) for name in by),
        currency=currency,
        funding=funding,
    )


def _day(body: Reader, name: str) -> dt.date | None:
    text = body.optional_text(name, maximum=10, minimum=10)
    if not text:
        return None
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        body.wrong(name, "Send a day such as 2026-06-30.")
        return None
    if not 2000 <= day.year <= 9000:
        body.wrong(name, "Send a day of this century.")
    return day


def link_token(wanted: Wanted, *, operator: Operator, key_id: str) -> str:
    """Return the signed text that stands for the file in a link."""
    return signing.dumps({"operator": operator.pk, "key": key_id, "wanted": wanted.as_json()}, salt=_SALT, compress=True)


def read_link(token: str) -> tuple[Wanted, str]:
    """Return what a link stands for and the key that asked for it. Raises `NOT_FOUND` when it is none, or too old."""
    try:
        value = signing.loads(token, salt=_SALT, max_age=settings.LOOTBOX_EXPORTS_LINK_S)
    except signing.BadSignature as error:
        raise ApiError(ErrorCode.NOT_FOUND, "This link is none of ours, or too old. Ask for a new one.") from error
    operator = Operator.objects.filter(pk=value["operator"], suspended=False).first()
    if operator is None:
        raise ApiError(ErrorCode.NOT_FOUND)
    return Wanted.from_json(value["wanted"], operators=[operator]), value["key"]
