"""What people, the dispatcher and the feed do with endpoints and deliveries (contract sections 7 and 11)."""

import datetime as dt
from collections.abc import Sequence
from itertools import groupby
from typing import Final
from uuid import UUID

import structlog
from django.core.mail import mail_admins
from django.db import transaction
from django.db.models import Q

from lootbox.core import db
from lootbox.core.fields import print_moment
from lootbox.core.ids import Prefix, public_id
from operators import audit
from operators.audit import By
from operators.configuration import InvalidSetting
from operators.models import Operator
from webhooks import feed, outbox, selectors
from webhooks.models import Delivery, DeliveryState, Endpoint, Event, EventType
from webhooks.nudge import wake
from webhooks.outbox import PreparedEvent
from webhooks.selectors import FeedPage

logger = structlog.get_logger(__name__)

GIVE_UP_AFTER: Final = dt.timedelta(days=5)

# Also events that were stored while there was no webhook URL, which have no delivery yet.
_SEND_SINCE: Final = """
    INSERT INTO webhooks_delivery (event_id, operator_id, state, attempts, next_attempt_at)
    SELECT id, operator_id, 'due', 0, %(at)s FROM webhooks_event WHERE operator_id = %(operator)s AND id >= %(earliest)s
    ON CONFLICT (event_id) DO UPDATE
        SET state = 'due', failures = 0, next_attempt_at = EXCLUDED.next_attempt_at, leased_until = NULL
    RETURNING event_id
"""
# One entry in the audit log for each thing told of, not for each of its events; a longer list is cut and says how many.
_NAMED_AT_MOST: Final = 20


def read_feed(*, operator: Operator, after: str | None, limit: int) -> FeedPage:
    """Return the feed's next events; all that is committed by now is in it. Raises `VALIDATION_FAILED`. Contract section 7."""
    feed.number_events(operator_id=operator.pk)
    return selectors.feed_page(operator=operator, after=after, limit=limit)


def send_again(*, delivery_ids: Sequence[UUID], by: By, at: dt.datetime) -> int:
    """Make these deliveries due, also those that had succeeded, and return how many.

    Id and body stay the same, the retry schedule starts anew. The audit log gets an entry for each thing that they tell of.
    """
    with transaction.atomic():
        told = Event.objects.filter(delivery__in=delivery_ids).select_related("operator").order_by("operator_id", "subject")
        for (operator, subject), events in groupby(told, key=lambda event: (event.operator, event.subject)):
            names = [public_id(Prefix.EVENT, event.pk) for event in events]
            _note(
                by,
                "webhooks.sent_again",
                operator,
                subject or names[0],
                at,
                deliveries=len(names),
                events=names[:_NAMED_AT_MOST],
            )
        return _make_due(Q(pk__in=delivery_ids), at=at)


def send_again_since(*, operator: Operator, since: dt.datetime, by: By, at: dt.datetime) -> int:
    """Make all events since `since` due, also those that had succeeded, and return how many. Raises `InvalidSetting`."""
    _require_url(operator)
    with transaction.atomic():
        found = db.rows(_SEND_SINCE, {"operator": operator.pk, "earliest": selectors.earliest_id(at=since), "at": at})
        _note(by, "webhooks.sent_since", operator, operator.slug, at, since=print_moment(since), deliveries=len(found))
        transaction.on_commit(wake)
    return len(found)


def send_test_event(*, operator: Operator, by: By, at: dt.datetime) -> PreparedEvent:
    """Return a `webhook_test` event that is on its way to the operator. Raises `InvalidSetting` without a webhook URL."""
    _require_url(operator)
    data = {"test": {"message": "This event tests your receiver. Nothing has happened."}}
    event = outbox.prepare(type=EventType.WEBHOOK_TEST, subject="", player_external_id=None, data=data, at=at)
    with db.phase():
        outbox.record(operator=operator, event=event, at=at)
        _note(by, "webhooks.tested", operator, operator.slug, at, event=public_id(Prefix.EVENT, event.id))
    return event


def turn_on(*, operator: Operator, by: By, at: dt.datetime) -> int:
    """Turn the operator's endpoint on, make due what waited for it, and return how many deliveries that is."""
    with db.phase():
        Endpoint.objects.filter(pk=operator.pk).update(
            enabled=True, failing_since=None, disabled_at=None, disabled_reason=Endpoint.Reason.NONE, noticed_at=None
        )
        count = _make_due(Q(operator=operator, state=DeliveryState.STOPPED), at=at)
        _note(by, "webhooks.turned_on", operator, operator.slug, at, deliveries=count)
    return count


def turn_off(*, operator: Operator, by: By, at: dt.datetime) -> None:
    """Turn the operator's endpoint off until a person turns it on; its events wait, and none is lost."""
    with db.phase():
        # People who turn it off need no e-mail about it.
        on = Endpoint.objects.filter(pk=operator.pk, enabled=True)
        on.update(enabled=False, disabled_at=at, disabled_reason=Endpoint.Reason.PERSON, noticed_at=at)
        park_stopped(at=at)
        _note(by, "webhooks.turned_off", operator, operator.slug, at)


def stop_endpoint(*, operator_id: int, reason: Endpoint.Reason, at: dt.datetime) -> bool:
    """Turn an endpoint off until a person turns it on, and return whether that changed anything.

    For failures it must have failed for five days, whatever a dispatcher remembers.
    """
    endpoint = Endpoint.objects.filter(pk=operator_id, enabled=True)
    if reason == Endpoint.Reason.FAILING:
        endpoint = endpoint.filter(failing_since__lte=at - GIVE_UP_AFTER)
    with db.phase():
        stopped = endpoint.update(enabled=False, disabled_at=at, disabled_reason=reason) == 1
        park_stopped(at=at)
    if stopped:
        logger.warning("webhook_endpoint_off", operator_id=operator_id, reason=reason.label)
    return stopped


def park_stopped(*, at: dt.datetime) -> int:
    """Let what is due to endpoints that are off wait for a person, and return how many; what is in the air ends first."""
    due = Delivery.objects.filter(
        state=DeliveryState.DUE, operator__in=Endpoint.objects.filter(enabled=False).values("operator")
    )
    return due.filter(Q(leased_until=None) | Q(leased_until__lte=at)).update(
        state=DeliveryState.STOPPED, next_attempt_at=None, leased_until=None
    )


def send_notices(*, at: dt.datetime) -> int:
    """Tell the platform's administrators by e-mail of endpoints that went off, and return of how many."""
    unnoticed = Endpoint.objects.filter(enabled=False, noticed_at=None).select_related("operator")
    for endpoint in unnoticed:
        mail_admins(
            f"Webhooks to {endpoint.operator} are off",
            f"The endpoint went off at {endpoint.disabled_at:%Y-%m-%d %H:%M} UTC: {endpoint.get_disabled_reason_display()}."
            " Its events wait. When its receiver works again, turn it on under Webhooks in the administration.",
        )
        Endpoint.objects.filter(pk=endpoint.pk, disabled_at=endpoint.disabled_at).update(noticed_at=at)
    return len(unnoticed)


def _note(by: By, action: str, operator: Operator, subject: str, at: dt.datetime, **after: object) -> None:
    audit.record(by=by, action=action, operator=operator, subject=subject, after=after, at=at)


def _make_due(which: Q, *, at: dt.datetime) -> int:
    count = Delivery.objects.filter(which).update(state=DeliveryState.DUE, failures=0, next_attempt_at=at, leased_until=None)
    transaction.on_commit(wake)
    return count


def _require_url(operator: Operator) -> None:
    if not operator.webhook_url:
        raise InvalidSetting(f"{operator.name} has no webhook URL. Set webhookUrl first.")
