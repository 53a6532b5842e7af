"""An operator's settings by the names that people use (contract section 3, `set_operator` in the interface)."""

import ipaddress
import json
import re
import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings

from lootbox.core import http
from lootbox.core.money import MAX_MINOR, is_currency
from operators.models import MYSTERY_BOX, Operator

_LOCALE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?")


class InvalidSetting(Exception):
    """A setting can't have this value; the message says which and what to do. `setting` is its name, where it is about one."""

    def __init__(self, message: str, *, setting: str = "") -> None:
        """Say why."""
        super().__init__(message)
        self.setting = setting


@dataclass(frozen=True)
class Setting:
    """One setting: the field it is kept in, and how its text is read. `read` raises ValueError with a sentence."""

    field: str
    read: Callable[[str], Any]


def parse(*, changes: Mapping[str, str]) -> dict[str, Any]:
    """Return model fields and values for settings given as text. Raises `InvalidSetting` for the first that is wrong."""
    values: dict[str, Any] = {}
    for name, text in changes.items():
        if name not in SETTINGS:
            raise InvalidSetting(f"There is no setting {name}. The settings are: {', '.join(SETTINGS)}.")
        try:
            values[SETTINGS[name].field] = SETTINGS[name].read(text)
        except ValueError as error:
            raise InvalidSetting(f"{name} can't be {text!r}: {error}", setting=name) from error
    return values


def as_json(operator: Operator) -> dict[str, Any]:
    """Return all settings of an operator by name, with its slug and whether it is suspended."""
    shown = {name: getattr(operator, setting.field) for name, setting in SETTINGS.items()}
    return {"operator": operator.slug, "suspended": operator.suspended, "baseCurrency": operator.base_currency, **shown}


def check_whole(operator: Operator) -> None:
    """Raise `InvalidSetting` when settings contradict each other."""
    if operator.base_currency not in operator.currencies:
        raise InvalidSetting(f"currencies must hold the base currency {operator.base_currency}.", setting="currencies")
    if operator.default_locale not in operator.locales:
        message = f"locales must hold the default locale {operator.default_locale}; set defaultLocale too."
        raise InvalidSetting(message, setting="locales")
    lowest, highest = operator.house_edge_min_bps, operator.house_edge_max_bps
    if lowest is not None and highest is not None and lowest > highest:
        raise InvalidSetting("houseEdgeMinBps can't be above houseEdgeMaxBps.", setting="houseEdgeMinBps")


def as_text(value: Any) -> str:
    """Return the value of a setting as the text that its reader takes."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case list():
            return ", ".join(value)
        case dict():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)


def for_the_log(value: Any) -> Any:
    """Return what the audit log keeps of a value: of a URL not its query, which may hold a secret of the operator's."""
    is_url = isinstance(value, str) and value.startswith(("http://", "https://"))
    return re.sub(r"\?.*", "?…", value) if is_url else value


def read_currency(text: str) -> str:
    """Return an ISO 4217 code. Raises ValueError."""
    if not is_currency(text):
        raise ValueError("send an ISO 4217 code such as EUR.")
    return text


def read_network(text: str) -> str:
    """Return a CIDR range. Raises ValueError."""
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise ValueError("send an address or a range such as 203.0.113.0/24.") from error


def read_url(text: str) -> str:
    """Return a URL that the platform may call, or nothing for none. Raises ValueError."""
    if text:
        try:
            http.check_url(text, allow_private=settings.LOOTBOX_ALLOW_PRIVATE_URLS)
        except http.UnacceptableURL as error:
            raise ValueError(str(error)) from error
    return text


def _one_of(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"send one of: {', '.join(words)}.")
        return text

    return read


def _boolean(text: str) -> bool:
    return _one_of("true", "false")(text) == "true"


def _integer(minimum: int, maximum: int, *, optional: bool = False) -> Callable[[str], int | None]:
    def read(text: str) -> int | None:
        if optional and not text:
            return None
        if not re.fullmatch("[0-9]{1,16}", text) or not minimum <= int(text) <= maximum:
            raise ValueError(f"send a whole number from {minimum} to {maximum}{', or nothing for none' if optional else ''}.")
        return int(text)

    return read


def _list(read_one: Callable[[str], str], *, empty: bool = False) -> Callable[[str], list[str]]:
    def read(text: str) -> list[str]:
        values = [read_one(part.strip()) for part in text.split(",")] if text else []
        if not values and not empty:
            raise ValueError("send at least one.")
        return list(dict.fromkeys(values))

    return read


def _pattern(pattern: re.Pattern[str], example: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f"send something like {example}.")
        return text

    return read


def _text(text: str) -> str:
    if not 1 <= len(text) <= 190 or not text.isprintable():
        raise ValueError("send a text of 1 to 190 characters.")
    return text


def _theme(text: str) -> dict[str, str]:
    try:
        tokens = json.loads(text or "{}")
    except json.JSONDecodeError:
        tokens = None
    if not isinstance(tokens, dict) or not all(isinstance(value, str) for value in tokens.values()):
        raise ValueError('send an object of texts such as {"brandColor": "#0a7f5a"}.')
    return tokens


def _time_zone(text: str) -> str:
    if text not in zoneinfo.available_timezones():
        raise ValueError("send a time zone such as Europe/Stockholm.")
    return text


_read_locale = _pattern(_LOCALE, "en or pt-BR")

SETTINGS: Final[Mapping[str, Setting]] = {
    "name": Setting("name", _text),
    "walletUrl": Setting("wallet_url", read_url),
    "walletRollback": Setting("wallet_rollback", _boolean),
    "webhookUrl": Setting("webhook_url", read_url),
    "games": Setting("games", _list(_one_of(MYSTERY_BOX), empty=True)),
    "currencies": Setting("currencies", _list(read_currency)),
    "locales": Setting("locales", _list(_read_locale)),
    "defaultLocale": Setting("default_locale", _read_locale),
    "fxToleranceBps": Setting("fx_tolerance_bps", _integer(0, 10_000)),
    "refunds": Setting("refunds", _boolean),
    "cashback": Setting("cashback", _boolean),
    "cashbackRateBps": Setting("cashback_rate_bps", _integer(0, 10_000, optional=True)),
    "shipping": Setting("shipping", _boolean),
    "shippingCostMinor": Setting("shipping_cost_minor", _integer(0, MAX_MINOR)),
    "heldExpiryDays": Setting("held_expiry_days", _integer(1, 36_500, optional=True)),
    "itemExpiryDays": Setting("item_expiry_days", _integer(1, 36_500, optional=True)),
    "maxReels": Setting("max_reels", _integer(1, 100)),
    "houseEdgeMinBps": Setting("house_edge_min_bps", _integer(0, 10_000, optional=True)),
    "houseEdgeMaxBps": Setting("house_edge_max_bps", _integer(0, 10_000, optional=True)),
    "prizeMaxMinor": Setting("prize_max_minor", _integer(0, MAX_MINOR, optional=True)),
    "publishByTwo": Setting("publish_by_two", _boolean),
    "bigWinMinor": Setting("big_win_minor", _integer(1, MAX_MINOR, optional=True)),
    "rtpPause": Setting("rtp_pause", _boolean),
    "origins": Setting("origins", _list(_pattern(_ORIGIN, "https://casino.example"), empty=True)),
    "theme": Setting("theme", _theme),
    "logoUrl": Setting("logo_url", read_url),
    "rateLimit": Setting("rate_limit", _integer(0, 1_000_000, optional=True)),
    "timeZone": Setting("time_zone", _time_zone),
}
