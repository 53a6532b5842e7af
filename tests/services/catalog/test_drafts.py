"""Drafts: from a version to a version, through the gate, now or when they are due, and never anything but what was seen."""

import datetime as dt
import io
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from catalog import contents, drafts, gate, importing, services, tasks
from catalog.comparing import compare
from catalog.exporting import export_boxes
from catalog.figures import Table
from catalog.models import Box, BoxDraft, BoxVersion, DraftState, Item, Prize
from catalog.services import PrizeLine
from catalog.simulation import Simulation, simulate
from lootbox.core.errors import ApiError
from operators.audit import By
from operators.models import AuditEntry
from operators.services import NewOperator, change_settings
from tests.conftest import HARBOUR, publish_boxes
from tests.factories.catalog import HARBOUR as WHOLE_FILE
from tests.factories.catalog import bonus_line, cash_line
from webhooks.models import Event

AT = dt.datetime(2026, 6, 3, 12, 0, 5, tzinfo=dt.UTC)
LATER = AT + dt.timedelta(hours=1)
CARA = By("cara", "the summer odds")


@pytest.fixture
def harbour(acme: NewOperator) -> BoxVersion:
    """Return the published version of Acme's box."""
    return BoxVersion.objects.select_related("box", "operator").get(pk=publish_boxes(acme, HARBOUR)["harbour"])


@pytest.fixture
def draft(harbour: BoxVersion) -> BoxDraft:
    """Return a draft from that version."""
    return drafts.begin_from(box=harbour.box, version=harbour, by=CARA, at=AT)


def edit(draft: BoxDraft, *, lines: list[PrizeLine] | None = None, **changes: Any) -> BoxDraft:
    """Return the draft saved with other lines or fields."""
    lines = contents.lines_of(draft=draft) if lines is None else lines
    content = replace(contents.content_of(draft=draft), prizes=lines, **changes)
    return drafts.save(draft=draft, content=content, seen_at=draft.edited_at, by=CARA, at=draft.edited_at + dt.timedelta(1))


def publish(draft: BoxDraft, *, at: dt.datetime = LATER) -> BoxVersion:
    """Return what the draft became, as somebody publishes it who looked at it now."""
    return drafts.publish(draft=draft, seen=contents.digest(draft=draft), by=CARA, at=at)


def limit(made: NewOperator, **limits: str) -> None:
    """Set limits of what Acme publishes."""
    changes: Mapping[str, str] = limits
    change_settings(operator=made.operator, changes=changes, at=AT)


def published() -> list[tuple[int, int]]:
    """Return number and price of every version, in order."""
    return list(BoxVersion.objects.order_by("number").values_list("number", "price_minor"))


def logged() -> list[str]:
    """Return what Cara did, in order."""
    return list(AuditEntry.objects.filter(actor="cara").order_by("sequence").values_list("action", flat=True))


class TestADraft:
    def test_begins_as_the_version_and_publishes_nothing(self, harbour: BoxVersion, draft: BoxDraft) -> None:
        assert (draft.slug, draft.price_minor, draft.based_on) == ("harbour", 500, harbour)
        assert contents.lines_of(draft=draft) == services.published_lines(version=harbour)
        assert published() == [(1, 500)]

    def test_is_the_only_open_one_of_its_box(self, harbour: BoxVersion, draft: BoxDraft) -> None:
        with pytest.raises(drafts.NotPossible, match="begun by cara"):
            drafts.begin_from(box=harbour.box, version=None, by=CARA, at=AT)
        with pytest.raises(IntegrityError), transaction.atomic():
            BoxDraft.objects.create(
                operator=draft.operator, slug="harbour", created_by="x", created_at=AT, edited_by="x", edited_at=AT
            )
        drafts.discard(draft=draft, by=CARA, at=LATER)
        assert drafts.begin_from(box=harbour.box, version=None, by=CARA, at=LATER).prizes.count() == 0

    def test_of_a_new_box_takes_no_slug_of_an_old_one(self, acme: NewOperator, harbour: BoxVersion) -> None:
        with pytest.raises(drafts.NotPossible, match="There is a box harbour already"):
            drafts.begin_new(operator=acme.operator, slug="harbour", by=CARA, at=AT)

    def test_saved_by_two_at_once_keeps_the_first(self, draft: BoxDraft) -> None:
        edit(draft, price_minor=600)
        with pytest.raises(drafts.NotPossible, match="cara saved this draft while you were editing"):
            edit(draft, price_minor=700)
        draft.refresh_from_db()
        assert draft.price_minor == 600

    def test_points_to_no_item_of_another_operator(self, draft: BoxDraft, stranger: NewOperator) -> None:
        publish_boxes(stranger, HARBOUR)
        theirs = Item.objects.get(operator=stranger.operator)
        with pytest.raises(IntegrityError), transaction.atomic():  # the constraint is deferred to the commit
            draft.prizes.filter(kind="item").update(item=theirs)

    def test_holds_no_more_prizes_than_its_page_can_send(self, draft: BoxDraft) -> None:
        with pytest.raises(drafts.NotPossible, match="100 prizes at most"):
            edit(draft, lines=[cash_line()] * 101)


class TestPublishing:
    def test_makes_the_next_version_and_sends_what_publication_sends(self, draft: BoxDraft) -> None:
        draft = edit(draft, price_minor=600, name={"en": "Harbour Chest"})
        version = publish(draft)
        draft.refresh_from_db()
        assert (draft.state, draft.version) == (DraftState.PUBLISHED, version)
        assert published() == [(1, 500), (2, 600)]
        assert Box.objects.get().name == {"en": "Harbour Chest"}
        assert Event.objects.filter(type="box_published").count() == 2
        assert logged() == ["draft_box.begun", "draft_box.saved", "publish_box"]
        entry = AuditEntry.objects.get(action="publish_box")
        assert (entry.before["priceMinor"], entry.after["priceMinor"], entry.reason) == (500, 600, CARA.reason)

    def test_of_a_new_box_makes_the_box(self, acme: NewOperator) -> None:
        draft = drafts.begin_new(operator=acme.operator, slug="night", by=CARA, at=AT)
        draft = edit(draft, lines=[cash_line(450), bonus_line()], price_minor=500, name={"en": "Night Chest"})
        version = publish(draft)
        assert (version.box.slug, version.number, version.box.active) == ("night", 1, True)
        assert [prize.bonus_code for prize in version.prizes.all()] == ["", "FS10"]

    def test_of_what_players_do_not_draw_from_makes_no_version(self, harbour: BoxVersion, draft: BoxDraft) -> None:
        assert publish(edit(draft, name={"en": "Harbour Chest"}, refundable=False)) == harbour
        box = Box.objects.get()
        assert (box.name, box.refundable) == ({"en": "Harbour Chest"}, False)
        assert published() == [(1, 500)]

    def test_is_of_what_was_seen_only(self, acme: NewOperator, draft: BoxDraft) -> None:
        seen = contents.digest(draft=draft)
        item = {"sku": "compass", "name": "Brass Compass", "type": "physical", "valueMinor": 499, "shippable": True}
        importing.save_entry(operator=acme.operator, kind="items", entry=item, by=CARA, at=AT)
        with pytest.raises(drafts.NotPossible, match="has changed since this was shown"):
            drafts.publish(draft=draft, seen=seen, by=CARA, at=LATER)
        assert published() == [(1, 500)]

    def test_over_a_version_that_came_since_is_refused(self, acme: NewOperator, draft: BoxDraft) -> None:
        seen = contents.digest(draft=draft)
        publish_boxes(acme, HARBOUR | {"priceMinor": 900})
        with pytest.raises(drafts.NotPossible, match="has changed since"):
            drafts.publish(draft=draft, seen=seen, by=CARA, at=LATER)
        assert published() == [(1, 500), (2, 900)]

    def test_is_done_once(self, draft: BoxDraft) -> None:
        draft = edit(draft, price_minor=600)
        publish(draft)
        with pytest.raises(drafts.NotPossible, match="published already"):
            publish(draft)
        assert published() == [(1, 500), (2, 600)]

    def test_that_fails_half_way_leaves_nothing(self, draft: BoxDraft, monkeypatch: pytest.MonkeyPatch) -> None:
        draft = edit(draft, price_minor=600, name={"en": "Harbour Chest"})
        monkeypatch.setattr(Prize.objects, "bulk_create", lambda *_: (_ for _ in ()).throw(RuntimeError("the disk is full")))
        with pytest.raises(RuntimeError):
            publish(draft)
        assert published() == [(1, 500)]
        assert Box.objects.get().name == {"en": "Harbour Crate"}
        assert "publish_box" not in logged()


class TestTheGate:
    @pytest.mark.parametrize(
        ("changes", "check", "said"),
        [
            ({"price_minor": 0}, "Price", "Type what the box costs"),
            ({"lines": []}, "Prizes and weights", "A box needs at least one prize."),
            ({"lines": [cash_line(weight=1), cash_line(weight=0)]}, "Prizes and weights", r"Prize 2 \(450 cents\): A weight"),
            ({"lines": [replace(cash_line(), name={"de": "x"})]}, "Prizes and weights", "no text for the default locale en"),
            ({"lines": [bonus_line(code="")]}, "Bonuses", "needs the code"),
            (
                {"price_minor": 481},
                "House edge",
                r"The house edge is 0\.62 %, and Acme publishes none below 2\.00 %. Raise the",
            ),
            ({"price_minor": 9000}, "House edge", r"none above 10\.00 %. Lower the price"),
            (
                {"lines": [cash_line(470, weight=9999), cash_line(5001)]},
                "Largest prize",
                "50.01 EUR is above the limit of 50.00",
            ),
        ],
    )
    def test_is_closed_to_what_is_wrong_and_says_what_to_change(
        self, acme: NewOperator, draft: BoxDraft, changes: dict[str, Any], check: str, said: str
    ) -> None:
        limit(acme, houseEdgeMinBps="200", houseEdgeMaxBps="1000", prizeMaxMinor="5000")
        draft = edit(draft, **changes)
        with pytest.raises(drafts.NotPossible, match=f"{check}: .*{said}"):
            publish(draft)
        assert published() == [(1, 500)]
        draft.refresh_from_db()
        assert draft.state == DraftState.OPEN

    def test_is_open_within_the_limits_after_a_million_draws(self, acme: NewOperator, draft: BoxDraft) -> None:
        limit(acme, houseEdgeMinBps="200", houseEdgeMaxBps="1000", prizeMaxMinor="500")
        verdict = gate.examine(operator=draft.operator, table=contents.table_of(draft=draft))
        assert verdict.passed
        assert verdict.simulation is not None
        assert sum(verdict.simulation.counts) == gate.DRAWS
        assert verdict == gate.examine(operator=draft.operator, table=contents.table_of(draft=draft))

    def test_is_closed_by_draws_that_do_not_agree(self, draft: BoxDraft, monkeypatch: pytest.MonkeyPatch) -> None:
        def false(**table: Any) -> Simulation:
            return replace(simulate(**table), counts=(1_000_000, 0, 0))

        monkeypatch.setattr("catalog.gate.simulate", false)
        with pytest.raises(drafts.NotPossible, match=r"Simulation: .*more apart than chance allows"):
            publish(draft)

    def test_holds_for_files_too_and_names_the_place(self, acme: NewOperator, harbour: BoxVersion) -> None:
        limit(acme, houseEdgeMinBps="500", prizeMaxMinor="450")
        publish_boxes(acme, HARBOUR)  # what is on sale already may stay
        with pytest.raises(ApiError) as refused:
            publish_boxes(acme, HARBOUR | {"priceMinor": 499})
        assert set(refused.value.fields or {}) == {
            "boxes[0].prizes", "boxes[0].prizes[0].valueMinor", "boxes[0].prizes[1].valueMinor",
        }  # fmt: skip
        assert published() == [(1, 500)]


class TestAScheduledDraft:
    @pytest.fixture
    def scheduled(self, draft: BoxDraft) -> BoxDraft:
        """Return a draft that is due in an hour, which two people agreed to."""
        draft = edit(draft, price_minor=600)
        by = replace(CARA, confirmed_by="carl")
        drafts.schedule(draft=draft, seen=contents.digest(draft=draft), when=LATER, by=by, at=AT)
        draft.refresh_from_db()
        return draft

    def test_is_published_when_it_is_due_and_by_two_beats_once(self, scheduled: BoxDraft) -> None:
        before = LATER - dt.timedelta(seconds=1)
        assert drafts.due(at=before) == []
        assert drafts.publish_scheduled(draft_id=scheduled.pk, at=before) is None
        assert drafts.due(at=LATER) == [scheduled.pk]
        made = drafts.publish_scheduled(draft_id=scheduled.pk, at=LATER)
        assert drafts.publish_scheduled(draft_id=scheduled.pk, at=LATER) is None
        assert made is not None
        assert published() == [(1, 500), (2, 600)]
        assert drafts.due(at=LATER) == []
        entry = AuditEntry.objects.get(action="publish_box")
        assert (entry.actor, entry.confirmed_by, entry.reason) == ("cara", "carl", CARA.reason)

    def test_is_published_by_the_schedules_task(self, scheduled: BoxDraft) -> None:
        tasks.publish_scheduled(draft_id=scheduled.pk)
        assert published() == [(1, 500), (2, 600)]

    def test_that_does_not_pass_any_more_stays_a_draft_and_says_why(self, acme: NewOperator, scheduled: BoxDraft) -> None:
        limit(acme, houseEdgeMaxBps="300")
        assert drafts.publish_scheduled(draft_id=scheduled.pk, at=LATER) is None
        scheduled.refresh_from_db()
        assert (scheduled.state, scheduled.scheduled_for) == (DraftState.OPEN, None)
        assert "It was not published at 03 June 2026 13:00 UTC. House edge: " in scheduled.trouble
        assert published() == [(1, 500)]
        assert AuditEntry.objects.get(action="publish_box.failed").after == {"why": scheduled.trouble}
        assert drafts.publish_scheduled(draft_id=scheduled.pk, at=LATER) is None
        assert edit(scheduled, price_minor=490).trouble == ""

    def test_is_not_published_over_what_came_since(self, acme: NewOperator, scheduled: BoxDraft) -> None:
        publish_boxes(acme, HARBOUR | {"priceMinor": 700})
        assert drafts.publish_scheduled(draft_id=scheduled.pk, at=LATER) is None
        assert published() == [(1, 500), (2, 700)]

    def test_is_edited_only_after_it_is_taken_off(self, scheduled: BoxDraft) -> None:
        for attempt in (lambda: edit(scheduled, price_minor=1), lambda: drafts.discard(draft=scheduled, by=CARA, at=AT)):
            with pytest.raises(drafts.NotPossible, match="Take it off the schedule first"):
                attempt()
        drafts.unschedule(draft=scheduled, by=CARA, at=AT)
        scheduled.refresh_from_db()
        assert edit(scheduled, price_minor=700).price_minor == 700
        assert drafts.publish_scheduled(draft_id=scheduled.pk, at=LATER) is None

    def test_is_not_scheduled_for_the_past_or_against_the_gate(self, draft: BoxDraft) -> None:
        seen = contents.digest(draft=draft)
        with pytest.raises(drafts.NotPossible, match="past already"):
            drafts.schedule(draft=draft, seen=seen, when=AT, by=CARA, at=AT)
        empty = edit(draft, lines=[])
        with pytest.raises(drafts.NotPossible, match="A box needs at least one prize"):
            drafts.schedule(draft=empty, seen=contents.digest(draft=empty), when=LATER, by=CARA, at=AT)
        assert not BoxDraft.objects.exclude(scheduled_for=None).exists()


class TestRepublishing:
    def test_makes_a_new_version_like_the_old_one(self, acme: NewOperator, harbour: BoxVersion) -> None:
        publish_boxes(acme, HARBOUR | {"priceMinor": 700})
        made = drafts.republish(version=harbour, seen=contents.again_digest(version=harbour), by=CARA, at=LATER)
        assert published() == [(1, 500), (2, 700), (3, 500)]
        assert contents.published_table(made) == contents.published_table(harbour)
        assert AuditEntry.objects.get(action="republish_box").after["likeVersion"] == 1

    def test_of_what_is_on_sale_or_has_changed_is_refused(self, acme: NewOperator, harbour: BoxVersion) -> None:
        seen = contents.again_digest(version=harbour)
        with pytest.raises(drafts.NotPossible, match="Just this can be bought already"):
            drafts.republish(version=harbour, seen=seen, by=CARA, at=LATER)
        publish_boxes(acme, HARBOUR | {"priceMinor": 700})
        with pytest.raises(drafts.NotPossible, match="has changed since"):
            drafts.republish(version=harbour, seen=seen, by=CARA, at=LATER)
        assert published() == [(1, 500), (2, 700)]


class TestADifference:
    def test_says_what_comes_goes_and_moves(self) -> None:
        before = Table(500, "EUR", [cash_line(450, weight=9), bonus_line(weight=1)])
        after = Table(500, "EUR", [cash_line(450, weight=8), cash_line(900, weight=2)])
        found = compare(before=before, after=after, locale="en")
        assert [(line.name, line.kind, line.odds.before, line.odds.after) for line in found.lines] == [
            ("450 cents", "changed", "90.00 %", "80.00 %"),
            ("900 cents", "added", "", "20.00 %"),
            ("10 free spins", "removed", "10.00 %", ""),
        ]
        moved = {figure.what: (figure.before, figure.after) for figure in found.figures if figure.changed}
        assert moved == {
            "RTP": ("83.00 %", "108.00 %"), "House edge": ("17.00 %", "-8.00 %"), "Largest prize": ("4.50 EUR", "9.00 EUR"),
        }  # fmt: skip
        assert not found.nothing
        assert compare(before=after, after=after, locale="en").nothing


class TestAnExport:
    def test_imported_again_changes_nothing(self, acme: NewOperator) -> None:
        document = {**WHOLE_FILE, "boxes": [{**WHOLE_FILE["boxes"][0], "image": {"default": "/b.png", "alt": {"en": "A box"}}}]}
        importing.import_boxes(operator=acme.operator, document=document, at=AT)
        out = io.StringIO()
        call_command("export_boxes", "acme", stdout=out)
        exported = json.loads(out.getvalue())
        assert exported == export_boxes(operator=acme.operator)
        acme.operator.refresh_from_db()
        version = acme.operator.version
        assert importing.preview(operator=acme.operator, document=exported, at=LATER) == []
        importing.import_boxes(operator=acme.operator, document=exported, at=LATER)
        acme.operator.refresh_from_db()
        assert acme.operator.version == version
        assert export_boxes(operator=acme.operator) == exported

    def test_makes_the_same_catalogue_elsewhere(self, acme: NewOperator, stranger: NewOperator) -> None:
        importing.import_boxes(operator=acme.operator, document=WHOLE_FILE, at=AT)
        exported = export_boxes(operator=acme.operator)
        importing.import_boxes(operator=stranger.operator, document=exported, at=AT)
        assert export_boxes(operator=stranger.operator) == exported

    def test_of_nobody_says_so(self, transactional_db: None) -> None:
        with pytest.raises(CommandError, match="nobody"):
            call_command("export_boxes", "nobody")


class TestAPreview:
    def test_says_what_an_import_would_change_and_changes_nothing(self, acme: NewOperator, harbour: BoxVersion) -> None:
        document = {
            "items": [{"sku": "map", "name": "Map", "type": "digital", "valueMinor": 5, "shippable": False}],
            "boxes": [HARBOUR | {"priceMinor": 600}],
        }
        found = importing.preview(operator=acme.operator, document=document, at=LATER)
        assert [(change.kind, change.key) for change in found] == [("items", "map"), ("boxes", "harbour")]
        assert found[1].difference is not None
        assert {figure.what for figure in found[1].difference.figures if figure.changed} == {"Price", "RTP", "House edge"}
        assert published() == [(1, 500)]
        assert Item.objects.count() == 1
        assert Event.objects.filter(type="box_published").count() == 1
