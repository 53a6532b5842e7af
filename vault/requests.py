"""What a caller asks for, read strictly (contract sections 6 and 7)."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from lootbox.core import strict_json
from lootbox.core.fields import Reader
from operators.models import Operator

EXTERNAL_ID_LENGTH: Final = 190
MOST_ITEMS: Final = 50
# Fields of an address in the order they are shown, with their longest text.
ADDRESS: Final[Mapping[str, int]] = {
    "name": 100,
    "line1": 190,
    "line2": 190,
    "city": 100,
    "region": 100,
    "postalCode": 20,
    "country": 2,
    "phone": 40,
}
OPTIONAL: Final = ("line2", "phone")
_COUNTRY = re.compile("[A-Z]{2}")
# The wallet gets the key as a header too, where other characters and spaces at the ends do not survive.
_KEY = re.compile("[!-~](?:[ -~]{0,118}[!-~])?")


@dataclass(frozen=True, kw_only=True)
class OrderRequest:
    """A parcel that a player wants: of which items, where to, whom to write to."""

    operator: Operator
    player: str
    item_ids: tuple[int, ...]
    address: Mapping[str, str]
    email: str
    idempotency_key: str | None

    def fingerprint(self, *, charged: bool) -> bytes:
        """Return the hash of what makes two requests the same; to charge the player, or not to, is part of it."""
        same = {"items": sorted(self.item_ids), "address": dict(self.address), "email": self.email, "charged": charged}
        return hashlib.sha256(strict_json.canonical(same)).digest()


def read_player(body: Reader) -> str:
    """Return the player that the operator names."""
    return body.text("playerExternalId", maximum=EXTERNAL_ID_LENGTH)


def read_idempotency_key(body: Reader) -> str | None:
    """Return the key that the caller brings for the wallet, None for none (contract section 6)."""
    key = body.optional_text("idempotencyKey", maximum=120)
    if key and not _KEY.fullmatch(key):
        body.wrong("idempotencyKey", "Send 1 to 120 printable ASCII characters, without a space at either end.")
    return key


def read_order(body: Reader, *, operator: Operator, player: str) -> OrderRequest:
    """Return the order that a body asks for. Raises `VALIDATION_FAILED`."""
    request = OrderRequest(
        operator=operator,
        player=player,
        item_ids=tuple(body.integers("inventoryItemIds", maximum=MOST_ITEMS)),
        address=_read_address(body.nested("address")),
        email=_read_email(body.nested("contact")),
        idempotency_key=read_idempotency_key(body),
    )
    body.check()
    return request


def _read_address(address: Reader) -> dict[str, str]:
    read = {}
    for name, longest in ADDRESS.items():
        if name in OPTIONAL and not address.has(name):
            continue
        text = read[name] = address.text(name, maximum=longest, minimum=0 if name in OPTIONAL else 1)
        if text.isspace():
            address.wrong(name, "Write more than spaces.")
    if not _COUNTRY.fullmatch(read["country"]):
        address.wrong("country", "Send the country as two capital letters, such as DE.")
    return read


def _read_email(contact: Reader) -> str:
    email = contact.text("email", maximum=254)
    try:
        validate_email(email)
    except ValidationError:
        contact.wrong("email", "Send an e-mail address, such as ada@example.com.")
    return email
