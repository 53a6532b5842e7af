"""Making and changing operators and their keys."""

import base64
import datetime as dt
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from django.db import IntegrityError, transaction

from lootbox.core.fields import print_moment
from operators import audit, configuration
from operators.audit import COMMAND_LINE, By
from operators.configuration import InvalidSetting
from operators.models import MYSTERY_BOX, ApiKey, Operator

_SLUG = re.compile(r"[a-z0-9-]{2,40}")
SECRET_OVERLAP: Final = dt.timedelta(hours=72)


class NewKey(NamedTuple):
    """A key as it is shown, this once."""

    key_id: str
    secret: str


class NewOperator(NamedTuple):
    """An operator with its first key and its outbound secret, shown this once."""

    operator: Operator
    key: NewKey
    outbound_secret: str


def create_operator(
    *,
    slug: str,
    name: str,
    currency: str,
    currencies: Sequence[str],
    wallet_url: str,
    webhook_url: str,
    at: dt.datetime,
    by: By = COMMAND_LINE,
) -> NewOperator:
    """Return a new live operator with one key and its secrets. Raises `InvalidSetting`."""
    if not _SLUG.fullmatch(slug):
        raise InvalidSetting("An operator's slug is 2 to 40 of the characters a-z 0-9 and -.")
    given = {"name": name, "currencies": ",".join([currency, *currencies]), "walletUrl": wallet_url, "webhookUrl": webhook_url}
    outbound_secret = new_outbound_secret()
    try:
        with transaction.atomic():
            operator = Operator.objects.create(
                slug=slug,
                base_currency=_currency(currency),
                games=[MYSTERY_BOX],
                locales=["en"],
                outbound_secret=outbound_secret,
                previous_outbound_secret="",
                created_at=at,
                **configuration.parse(changes=given),
            )
            after = {setting: configuration.for_the_log(value) for setting, value in given.items()}
            audit.record(by=by, action="operator.made", operator=operator, subject=slug, after=after, at=at)
            key = create_key(operator=operator, at=at, by=by)
    except IntegrityError as error:
        raise InvalidSetting(f"There is an operator {slug} already. Choose another slug.") from error
    return NewOperator(operator, key, outbound_secret)


def create_key(
    *,
    operator: Operator,
    at: dt.datetime,
    label: str = "",
    test: bool = False,
    expires_at: dt.datetime | None = None,
    allowed_ips: Sequence[str] = (),
    by: By = COMMAND_LINE,
) -> NewKey:
    """Return a new inbound key; the secret can't be shown again. Raises `InvalidSetting`."""
    try:
        ranges = [configuration.read_network(text) for text in allowed_ips]
    except ValueError as error:
        raise InvalidSetting(f"An allowed address is not valid: {error}") from error
    if expires_at is not None and expires_at <= at:
        raise InvalidSetting("The key would have expired already. Choose a time to come.")
    key = NewKey(f"igk_{'test' if test else 'live'}_{secrets.token_hex(12)}", secrets.token_urlsafe(32))
    with transaction.atomic():
        ApiKey.objects.create(
            operator=operator,
            key_id=key.key_id,
            secret=key.secret,
            label=label,
            created_at=at,
            expires_at=expires_at,
            allowed_ips=ranges,
        )
        after = {"expiresAt": expires_at and print_moment(expires_at), "allowedIps": ranges}
        audit.record(by=by, action="key.made", operator=operator, subject=key.key_id, after=after, at=at)
    return key


def revoke_key(*, key_id: str, at: dt.datetime, by: By = COMMAND_LINE) -> ApiKey:
    """Return the key, which no request can use from now on. Raises `InvalidSetting` for one that does not exist."""
    with transaction.atomic():
        key = ApiKey.objects.select_for_update(of=("self",)).select_related("operator").filter(key_id=key_id).first()
        if key is None:
            raise InvalidSetting(f"There is no key {key_id}.")
        if key.revoked_at is None:
            key.revoked_at = at
            key.save(update_fields=["revoked_at"])
            audit.record(by=by, action="key.revoked", operator=key.operator, subject=key_id, at=at)
    return key


def change_settings(
    *,
    operator: Operator,
    changes: Mapping[str, str],
    at: dt.datetime,
    suspended: bool | None = None,
    by: By = COMMAND_LINE,
) -> Operator:
    """Return the operator, its settings changed, from the next request on. Raises `InvalidSetting` and changes nothing."""
    values = configuration.parse(changes=changes)
    if suspended is not None:
        values["suspended"] = suspended
    with transaction.atomic():
        locked = Operator.objects.select_for_update(of=("self",)).get(pk=operator.pk)
        before = {field: getattr(locked, field) for field in values}
        for field, value in values.items():
            setattr(locked, field, value)
        configuration.check_whole(locked)
        if values:
            locked.save(update_fields=list(values))
            audit.record(
                by=by,
                action="operator.settings",
                operator=locked,
                subject=locked.slug,
                before={field: configuration.for_the_log(value) for field, value in before.items()},
                after={field: configuration.for_the_log(value) for field, value in values.items()},
                at=at,
            )
    return Operator.objects.get(pk=operator.pk)


def rotate_outbound_secret(
    *, operator: Operator, at: dt.datetime, overlap: dt.timedelta = SECRET_OVERLAP, by: By = COMMAND_LINE
) -> str:
    """Return a new outbound secret; until the overlap ends, calls carry a signature by the old one too (contract section 2)."""
    outbound_secret = new_outbound_secret()
    with transaction.atomic():
        locked = Operator.objects.select_for_update(of=("self",)).get(pk=operator.pk)
        locked.previous_outbound_secret = locked.outbound_secret
        locked.previous_secret_until = at + overlap
        locked.outbound_secret = outbound_secret
        locked.save(update_fields=["previous_outbound_secret", "previous_secret_until", "outbound_secret"])
        after = {"oldSecretSignsUntil": print_moment(at + overlap)}
        audit.record(by=by, action="operator.secret_rotated", operator=locked, subject=locked.slug, after=after, at=at)
    return outbound_secret


def note(*, operator: Operator, action: str, by: By, at: dt.datetime) -> None:
    """Write into the audit log that a person did something to an operator that changes nothing."""
    with transaction.atomic():
        audit.record(by=by, action=action, operator=operator, subject=operator.slug, at=at)


def new_outbound_secret() -> str:
    """Return `whsec_` and the base64 of 32 random bytes (contract section 11)."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def _currency(text: str) -> str:
    try:
        return configuration.read_currency(text)
    except ValueError as error:
        raise InvalidSetting(f"The base currency can't be {text!r}: {error}") from error
