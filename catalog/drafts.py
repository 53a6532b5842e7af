"""Drafts of boxes: begun, edited, scheduled, published or discarded, each with its entry in the audit log."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from catalog import gate, services
from catalog.contents import Content, again, again_digest, content_of, digest, lines_again, published_table, table_of
from catalog.figures import Table
from catalog.models import Box, BoxDraft, BoxVersion, DraftPrize, DraftState
from catalog.services import PrizeLine
from lootbox.core import db
from lootbox.core.errors import ApiError
from operators import audit
from operators.audit import By
from operators.models import Operator

# A form of more prizes would be larger than the platform takes; such a box is edited as a file.
MOST_PRIZES = 100


class NotPossible(Exception):
    """A draft can't be treated so; the message says why and what to do."""


def begin_new(*, operator: Operator, slug: str, by: By, at: dt.datetime) -> BoxDraft:
    """Return an empty draft of a box that does not exist yet. Raises `NotPossible`."""
    with db.phase():
        services.lock_catalogue(operator_id=operator.pk)
        if Box.objects.filter(operator=operator, slug=slug).exists():
            raise NotPossible(f"There is a box {slug} already. Begin a draft on its page, or take another slug.")
        empty = Content(name={}, price_minor=0, prizes=[])
        return _begin(operator=operator, box=None, version=None, slug=slug, content=empty, by=by, at=at)


def begin_from(*, box: Box, version: BoxVersion | None, by: By, at: dt.datetime) -> BoxDraft:
    """Return a draft of a box with the prize table of a version, None for an empty one. Raises `NotPossible`.

    Items are named and valued as they are now.
    """
    with db.phase():
        operator = services.lock_catalogue(operator_id=box.operator_id)
        content = Content(
            name=box.name,
            price_minor=version.price_minor if version else 0,
            prizes=lines_again(version=version) if version else [],
            refundable=box.refundable,
            image_url=box.image_url,
            image_webp_url=box.image_webp_url,
            image_alt=box.image_alt,
            attributes=box.attributes,
        )
        return _begin(operator=operator, box=box, version=version, slug=box.slug, content=content, by=by, at=at)


def save(*, draft: BoxDraft, content: Content, seen_at: dt.datetime, by: By, at: dt.datetime) -> BoxDraft:
    """Return the draft with its new content. Raises `NotPossible` when it was saved by somebody else since `seen_at`."""
    with db.phase():
        draft = _locked(draft, seen_at=seen_at)
        _check_size(content.prizes)
        for name, value in content.box_fields().items():
            setattr(draft, name, value)
        draft.price_minor, draft.edited_by, draft.edited_at, draft.trouble = content.price_minor, by.actor, at, ""
        draft.save()
        draft.prizes.all().delete()
        _add_prizes(draft, content.prizes)
        _record(draft, by, "draft_box.saved", at, after=_figures(table_of(draft=draft)))
        return draft


def discard(*, draft: BoxDraft, by: By, at: dt.datetime) -> None:
    """End a draft without publishing it; it can still be looked at. Raises `NotPossible`."""
    with db.phase():
        draft = _locked(draft)
        draft.state, draft.edited_by, draft.edited_at = DraftState.DISCARDED, by.actor, at
        draft.save()
        _record(draft, by, "draft_box.discarded", at)


def publish(*, draft: BoxDraft, seen: str, by: By, at: dt.datetime) -> BoxVersion:
    """Return the version that a draft became: a new one, or the current one when only what players don't draw from changed.

    `seen` is the digest of what the person looked at. Raises `NotPossible` when that has changed, or the gate is closed.
    """
    with db.phase():
        return _publish(_locked(draft), seen, by, at)


def schedule(*, draft: BoxDraft, seen: str, when: dt.datetime, by: By, at: dt.datetime) -> None:
    """Have a draft published at `when`, if by then nothing has changed. Raises `NotPossible` as `publish` does."""
    with db.phase():
        draft = _locked(draft)
        if when <= at:
            raise NotPossible("The time is past already. Choose a later one, or none to publish now.")
        _check_seen(draft, seen)
        _check_gate(draft.operator, table_of(draft=draft))
        draft.scheduled_for, draft.scheduled_by, draft.scheduled_confirmed_by = when, by.actor, by.confirmed_by
        draft.scheduled_reason, draft.scheduled_digest, draft.trouble = by.reason, seen, ""
        draft.save()
        _record(draft, by, "publish_box.scheduled", at, after={"for": when.isoformat(), "digest": seen})


def unschedule(*, draft: BoxDraft, by: By, at: dt.datetime) -> None:
    """Take a draft off the schedule, so that it can be edited again. Raises `NotPossible`."""
    with db.phase():
        draft = _locked(draft, scheduled=True)
        if draft.scheduled_for is None:
            raise NotPossible("The draft is not scheduled.")
        before = {"for": draft.scheduled_for.isoformat()}
        _take_off_schedule(draft)
        draft.save()
        _record(draft, by, "publish_box.unscheduled", at, before=before)


def due(*, at: dt.datetime) -> list[int]:
    """Return the ids of drafts that are to be published by now, the longest due first."""
    rows = BoxDraft.objects.filter(scheduled_for__lte=at).order_by("scheduled_for", "pk")
    return list(rows.values_list("pk", flat=True))


def publish_scheduled(*, draft_id: int, at: dt.datetime) -> BoxVersion | None:
    """Publish a draft that is due; None when it isn't any more, or can't be, which the draft and the audit log then tell.

    Of two that come at once, the second finds nothing due.
    """
    with db.phase():
        draft = BoxDraft.objects.get(pk=draft_id)
        services.lock_catalogue(operator_id=draft.operator_id)
        draft = _row(draft)
        if draft.scheduled_for is None or draft.scheduled_for > at:
            return None
        by = By(draft.scheduled_by, draft.scheduled_reason, draft.scheduled_confirmed_by)
        wanted, seen = draft.scheduled_for, draft.scheduled_digest
        try:
            with transaction.atomic():
                return _publish(draft, seen, by, at)
        except (NotPossible, ApiError) as refusal:
            draft = _row(draft)
            draft.trouble = f"It was not published at {wanted:%d %B %Y %H:%M} UTC. {refusal}"
        _take_off_schedule(draft)
        draft.save()
        _record(draft, by, "publish_box.failed", at, after={"why": draft.trouble})
        return None


def republish(*, version: BoxVersion, seen: str, by: By, at: dt.datetime) -> BoxVersion:
    """Return a new version with the prize table of an old one, items named and valued as they are now.

    Raises `NotPossible` when that is what can be bought already, when it changed since it was `seen`, or the gate is closed.
    """
    with db.phase():
        operator = services.lock_catalogue(operator_id=version.operator_id)
        box = Box.objects.select_for_update(no_key=True, of=("self",)).get(pk=version.box_id)
        if again_digest(version=version) != seen:
            raise NotPossible("The box or one of its items has changed since this was shown. Look at it again.")
        table = again(version=version)
        current = services.current_version(box=box)
        if current and _is_current(current, operator, table):
            raise NotPossible("Just this can be bought already.")
        _check_gate(operator, table)
        made = services.publish(box=box, price_minor=table.price_minor, prizes=table.lines, at=at)
        audit.record(
            by=by,
            action="republish_box",
            operator=operator,
            subject=box.slug,
            before=_figures(published_table(current)) if current else {},
            after={**_figures(table), "versionNumber": made.number, "likeVersion": version.number},
            at=at,
        )
        return made


def _begin(
    *, operator: Operator, box: Box | None, version: BoxVersion | None, slug: str, content: Content, by: By, at: dt.datetime
) -> BoxDraft:
    _check_size(content.prizes)
    if (other := BoxDraft.objects.filter(operator=operator, slug=slug, state=DraftState.OPEN).first()) is not None:
        raise NotPossible(
            f"There is an open draft of {slug} already, begun by {other.created_by}. Go on with it, or discard it."
        )
    draft = BoxDraft.objects.create(
        operator=operator,
        box=box,
        based_on=version,
        slug=slug,
        price_minor=content.price_minor,
        created_by=by.actor,
        created_at=at,
        edited_by=by.actor,
        edited_at=at,
        **content.box_fields(),
    )
    _add_prizes(draft, content.prizes)
    _record(draft, by, "draft_box.begun", at, after={"fromVersion": version.number if version else None})
    return draft


def _publish(draft: BoxDraft, seen: str, by: By, at: dt.datetime) -> BoxVersion:
    _check_seen(draft, seen)
    operator, table = draft.operator, table_of(draft=draft)
    _check_gate(operator, table)
    current = services.current_version(box=draft.box) if draft.box else None
    box = _saved_box(draft)
    if current and _is_current(current, operator, table):
        version = current
    else:
        version = services.publish(box=box, price_minor=table.price_minor, prizes=table.lines, at=at)
    draft.state, draft.box, draft.version, draft.trouble = DraftState.PUBLISHED, box, version, ""
    _take_off_schedule(draft)
    draft.save()
    before = {**_figures(published_table(current)), "versionNumber": current.number} if current else {}
    _record(draft, by, "publish_box", at, before=before, after={**_figures(table), "versionNumber": version.number})
    return version


def _saved_box(draft: BoxDraft) -> Box:
    fields = content_of(draft=draft).box_fields()
    if draft.box is None:
        if Box.objects.filter(operator=draft.operator, slug=draft.slug).exists():
            raise NotPossible(f"A box {draft.slug} was made since. Discard this draft, and begin one on that box's page.")
        return Box.objects.create(operator=draft.operator, slug=draft.slug, **fields)
    box = Box.objects.select_for_update(no_key=True, of=("self",)).get(pk=draft.box.pk)
    Box.objects.filter(pk=box.pk).update(**fields)
    return box


def _is_current(current: BoxVersion, operator: Operator, table: Table) -> bool:
    return services.is_published(version=current, operator=operator, price_minor=table.price_minor, prizes=table.lines)


def _locked(draft: BoxDraft, *, seen_at: dt.datetime | None = None, scheduled: bool = False) -> BoxDraft:
    """Return the open draft as it is now, with its operator's catalogue locked before it, as every writer does."""
    services.lock_catalogue(operator_id=draft.operator_id)
    draft = _row(draft)
    if draft.state != DraftState.OPEN:
        raise NotPossible(f"The draft is {draft.get_state_display().lower()} already.")
    if draft.scheduled_for is not None and not scheduled:
        raise NotPossible("The draft is scheduled. Take it off the schedule first.")
    if seen_at is not None and draft.edited_at != seen_at:
        raise NotPossible(
            f"{draft.edited_by} saved this draft while you were editing it. Load the page again, then repeat that."
        )
    return draft


def _row(draft: BoxDraft) -> BoxDraft:
    rows = BoxDraft.objects.select_for_update(no_key=True, of=("self",)).select_related("operator", "box")
    return rows.get(pk=draft.pk)


def _check_seen(draft: BoxDraft, seen: str) -> None:
    if digest(draft=draft) != seen:
        raise NotPossible("The draft, the box or one of its items has changed since this was shown. Look at it again.")


def _check_gate(operator: Operator, table: Table) -> None:
    verdict = gate.examine(operator=operator, table=table)
    if not verdict.passed:
        raise NotPossible(" ".join(f"{check.title}: {check.said}" for check in verdict.failures))


def _check_size(prizes: Sequence[PrizeLine]) -> None:
    if len(prizes) > MOST_PRIZES:
        raise NotPossible(f"A draft holds {MOST_PRIZES} prizes at most. Export the catalogue, edit the file and import it.")


def _take_off_schedule(draft: BoxDraft) -> None:
    draft.scheduled_for = None
    draft.scheduled_by = draft.scheduled_confirmed_by = draft.scheduled_reason = draft.scheduled_digest = ""


def _add_prizes(draft: BoxDraft, lines: Sequence[PrizeLine]) -> None:
    DraftPrize.objects.bulk_create(
        DraftPrize(
            operator=draft.operator,
            draft=draft,
            index=index,
            kind=line.kind,
            item=line.item,
            name={} if line.item else dict(line.name),
            value_minor=0 if line.item else line.value_minor,
            weight=line.weight,
            bonus_code=line.bonus_code,
            bonus_payload=line.bonus_payload,
        )
        for index, line in enumerate(lines)
    )


def _figures(table: Table) -> dict[str, Any]:
    return {
        "priceMinor": table.price_minor,
        "houseEdgeBps": table.house_edge_bps,
        "largestPrizeMinor": table.largest_minor,
        "prizes": len(table.lines),
    }


def _record(
    draft: BoxDraft,
    by: By,
    action: str,
    at: dt.datetime,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    audit.record(by=by, action=action, operator=draft.operator, subject=draft.slug, before=before, after=after, at=at)
