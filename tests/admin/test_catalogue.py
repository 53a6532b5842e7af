"""The catalogue manager's pages: drafts typed and published, items, files; each person's own operators only."""

import datetime as dt
import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from catalog import drafts, importing
from catalog.exporting import export_boxes
from catalog.models import Attribute, Box, BoxDraft, BoxVersion, CatalogueUpload, DraftState, Item
from operators import staff
from operators.audit import By
from operators.models import ActionRequest
from operators.services import NewOperator, change_settings
from tests.admin.cast import acts, browser, page, person
from tests.conftest import COMPASS, HARBOUR, publish_boxes
from tests.signed import SignedClient

AT = dt.datetime(2026, 6, 3, 12, 0, 5, tzinfo=dt.UTC)
WHY = {"reason": "the summer odds"}
PRIZES: list[dict[str, str]] = [
    {"kind": "item", "item": "compass", "weight": "80"},
    {"kind": "cash", "name_en": "5 euro", "value": "5.00", "weight": "19"},
    {"kind": "bonus", "name_en": "Spins", "value": "1", "weight": "1", "bonus_code": "FS10", "bonus_payload": '{"spins": 10}'},
]


@pytest.fixture
def harbour(acme: NewOperator) -> Box:
    """Return Acme's published box."""
    publish_boxes(acme, HARBOUR)
    return Box.objects.get()


@pytest.fixture
def manager(acme: NewOperator) -> User:
    """Return Acme's catalogue manager."""
    return person("cara", role=staff.CATALOGUE_MANAGER, at=acme.operator)


@pytest.fixture
def cara(manager: User) -> Client:
    """Return her browser."""
    return browser(manager)


@pytest.fixture
def draft(harbour: Box, cara: Client) -> BoxDraft:
    """Return the draft that she begins on the box's page."""
    cara.post(page("catalog_box_draft", harbour.pk), {"version": harbour.versions.get().pk})
    return BoxDraft.objects.get()


def typed(draft: BoxDraft, *prizes: dict[str, str], **fields: str) -> dict[str, Any]:
    """Return what the draft's page sends."""
    form: dict[str, Any] = {"seen_at": draft.edited_at.isoformat(), "name_en": "Harbour Crate", "price": "5.00", **fields}
    form |= {"prizes-TOTAL_FORMS": len(prizes), "prizes-INITIAL_FORMS": 0}
    return form | {f"prizes-{index}-{name}": text for index, prize in enumerate(prizes) for name, text in prize.items()}


def save(client: Client, draft: BoxDraft, *prizes: dict[str, str], **fields: str) -> Any:
    """Return the answer to saving the draft's page."""
    return client.post(page("catalog_boxdraft_change", draft.pk), typed(draft, *prizes, **fields))


def act(client: Client, name: str, row: Any, **form: str) -> str:
    """Return the page that follows an action, taken by somebody who saw its page."""
    address = page("act", name, row.pk)
    seen = client.get(address).context["form"].initial.get("seen", "")
    return client.post(address, {**WHY, "seen": seen, **form}, follow=True).content.decode()


class TestADraftsPage:
    def test_begins_from_the_current_version(self, harbour: Box, draft: BoxDraft, cara: Client) -> None:
        assert (draft.box, draft.price_minor, draft.prizes.count(), draft.created_by) == (harbour, 500, 3, "cara")
        shown = cara.get(page("catalog_boxdraft_change", draft.pk)).content.decode()
        assert 'value="5.00"' in shown
        assert "Nothing that players draw from changes." in shown
        assert "<script>" not in shown.partition('id="draft"')[2]

    def test_keeps_what_is_typed(self, draft: BoxDraft, cara: Client) -> None:
        assert save(cara, draft, *PRIZES, price="5.5").status_code == 302
        draft.refresh_from_db()
        assert (draft.price_minor, draft.edited_by) == (550, "cara")
        rows = [
            (row.kind, row.item and row.item.sku, row.name, row.value_minor, row.weight, row.bonus_code, row.bonus_payload)
            for row in draft.prizes.all()
        ]
        assert rows == [
            ("item", "compass", {}, 0, 80, "", None),
            ("cash", None, {"en": "5 euro"}, 500, 19, "", None),
            ("bonus", None, {"en": "Spins"}, 100, 1, "FS10", {"spins": 10}),
        ]

    @pytest.mark.parametrize(
        ("prize", "said"),
        [
            ({"item": "sextant"}, "There is no item sextant"),
            ({"item": ""}, "Choose an item"),
            ({"weight": "1.5"}, "Type a whole number"),
            ({"weight": "-1"}, "Type a whole number"),
            ({"kind": "cash", "value": "1.234"}, "Type an amount such as 5.00"),
            ({"kind": "cash", "value": "1,5"}, "Type an amount such as 5.00"),
            ({"kind": "cash", "value": "90071992547409.92"}, "Type an amount such as 5.00"),
            ({"kind": "cash", "name_en": "x\x07"}, "Control characters"),
            ({"kind": "bonus", "bonus_payload": "[1]"}, "Type a JSON object"),
            ({"kind": "bonus", "bonus_payload": '{"a": 1, "a": 2}'}, "This is not JSON"),
            ({"kind": "wish"}, "Select a valid choice"),
        ],
    )
    def test_says_what_can_not_be_read_and_keeps_the_draft(
        self, draft: BoxDraft, cara: Client, prize: dict[str, str], said: str
    ) -> None:
        form = PRIZES[0] | prize
        assert said in save(cara, draft, form, price="9").content.decode()
        looked = cara.post(page("catalog_boxdraft_look", draft.pk), typed(draft, form))
        assert said in looked.content.decode()
        draft.refresh_from_db()
        assert (draft.price_minor, draft.prizes.count()) == (500, 3)

    def test_shows_the_figures_of_what_is_typed_and_saves_nothing(
        self, acme: NewOperator, draft: BoxDraft, cara: Client
    ) -> None:
        change_settings(operator=acme.operator, changes={"houseEdgeMinBps": "500"}, at=AT)
        shown = cara.post(page("catalog_boxdraft_look", draft.pk), typed(draft, *PRIZES)).content.decode()
        assert "The house edge is 4.00 %, and Acme publishes none below 5.00 %" in shown
        assert "90.00 %" in shown
        assert "80.00 %" in shown
        assert "<svg" in shown
        draft.refresh_from_db()
        assert draft.prizes.first().weight == 90  # type: ignore[union-attr]

    def test_keeps_the_first_of_two_that_save(self, draft: BoxDraft, cara: Client) -> None:
        save(cara, draft, *PRIZES, price="6")
        answer = save(cara, draft, *PRIZES, price="7")  # from the page as it was before
        assert "cara saved this draft while you were editing it" in answer.content.decode()
        draft.refresh_from_db()
        assert draft.price_minor == 600

    def test_shows_markup_in_names_as_text(self, draft: BoxDraft, cara: Client) -> None:
        save(cara, draft, PRIZES[1] | {"name_en": "<img src=x>"})
        shown = cara.get(page("catalog_boxdraft_change", draft.pk)).content.decode()
        assert "<img src=x>" not in shown
        assert "&lt;img src=x&gt;" in shown


class TestPublication:
    def test_is_previewed_with_gate_and_difference_then_done(self, draft: BoxDraft, cara: Client, s2s: SignedClient) -> None:
        save(cara, draft, *PRIZES)
        shown = cara.get(page("act", "publish_box", draft.pk)).content.decode()
        assert "The gate is open" in shown
        assert "1,000,000 draws" in shown
        assert "90.00 %" in shown
        assert BoxVersion.objects.count() == 1
        assert "version 2 is what players buy" in act(cara, "publish_box", draft)
        version = BoxVersion.objects.get(superseded_at=None)
        assert (version.number, version.house_edge_bps) == (2, 400)
        [box] = s2s.get("/api/s2s/boxes").body["boxes"]
        assert (box["boxVersionId"], box["houseEdgeBps"]) == (version.pk, 400)
        entry = acts().get(action="publish_box")
        assert (entry.actor, entry.reason, entry.after["versionNumber"]) == ("cara", WHY["reason"], 2)

    def test_is_not_offered_while_the_gate_is_closed(self, draft: BoxDraft, cara: Client) -> None:
        save(cara, draft, *PRIZES, price="0")
        shown = cara.get(page("act", "publish_box", draft.pk)).content.decode()
        assert "Type what the box costs" in shown
        assert "Go back and change that" in shown
        assert "Price: Type what the box costs" in act(cara, "publish_box", draft)
        assert BoxVersion.objects.count() == 1

    def test_of_something_else_than_was_seen_is_refused(self, draft: BoxDraft, cara: Client) -> None:
        seen = cara.get(page("act", "publish_box", draft.pk)).context["form"].initial["seen"]
        save(cara, draft, *PRIZES)
        assert "has changed since this was shown" in act(cara, "publish_box", draft, seen=seen)
        assert BoxVersion.objects.count() == 1

    def test_takes_two_people_where_the_operator_asks_for_it(
        self, acme: NewOperator, draft: BoxDraft, manager: User, cara: Client
    ) -> None:
        change_settings(operator=acme.operator, changes={"publishByTwo": "true"}, at=AT)
        save(cara, draft, *PRIZES)
        assert "A second person must confirm" in act(cara, "publish_box", draft)
        assert BoxVersion.objects.count() == 1
        asked = ActionRequest.objects.get()
        address = page("operators_actionrequest_change", asked.pk)
        assert "asked for this yourself" in cara.post(address, {"decision": "confirm"}, follow=True).content.decode()
        carl = browser(person("carl", role=staff.CATALOGUE_MANAGER, at=acme.operator))
        shown = carl.get(address).content.decode()
        assert "The gate is open" in shown
        assert "90.00 %" in shown
        assert "version 2 is what players buy" in carl.post(address, {"decision": "confirm"}, follow=True).content.decode()
        entry = acts().get(action="publish_box")
        assert (entry.actor, entry.confirmed_by) == ("cara", "carl")

    def test_confirmed_of_a_draft_that_was_edited_since_is_refused(
        self, acme: NewOperator, draft: BoxDraft, cara: Client
    ) -> None:
        change_settings(operator=acme.operator, changes={"publishByTwo": "true"}, at=AT)
        act(cara, "publish_box", draft)
        save(cara, draft, *PRIZES)
        carl = browser(person("carl", role=staff.CATALOGUE_MANAGER, at=acme.operator))
        address = page("operators_actionrequest_change", ActionRequest.objects.get().pk)
        assert "has changed since" in carl.post(address, {"decision": "confirm"}, follow=True).content.decode()
        assert (BoxVersion.objects.count(), ActionRequest.objects.get().state) == (1, "failed")

    def test_is_scheduled_and_taken_off_again(self, draft: BoxDraft, cara: Client) -> None:
        save(cara, draft, *PRIZES)
        assert "is published on 01 July 2099 at 06:30 UTC" in act(cara, "publish_box", draft, when="2099-07-01T06:30")
        draft.refresh_from_db()
        assert draft.scheduled_for == dt.datetime(2099, 7, 1, 6, 30, tzinfo=dt.UTC)
        assert "Scheduled" in cara.get(page("catalog_boxdraft_change", draft.pk)).content.decode()
        assert save(cara, draft, *PRIZES, price="9").status_code == 403
        assert "not scheduled any more" in act(cara, "unschedule_draft", draft)
        assert "discarded" in act(cara, "discard_draft", draft)
        draft.refresh_from_db()
        assert (draft.state, draft.price_minor, BoxVersion.objects.count()) == (DraftState.DISCARDED, 500, 1)

    def test_of_an_old_version_again_makes_a_new_one(self, acme: NewOperator, harbour: Box, cara: Client) -> None:
        publish_boxes(acme, HARBOUR | {"priceMinor": 700})
        assert "like version 1" in act(cara, "republish_box", harbour.versions.get(number=1))
        assert [version.price_minor for version in harbour.versions.order_by("number")] == [500, 700, 500]

    def test_of_a_new_box_begins_with_its_slug(self, acme: NewOperator, harbour: Box, cara: Client) -> None:
        add = page("catalog_boxdraft_add")
        assert "There is a box harbour already" in cara.post(add, {"slug": "harbour"}).content.decode()
        assert "Use only the characters" in cara.post(add, {"slug": "a b"}).content.decode()
        cara.post(add, {"slug": "night"})
        save(cara, BoxDraft.objects.get(), *PRIZES, name_en="Night Chest")
        assert "version 1 is what players buy" in act(cara, "publish_box", BoxDraft.objects.get())
        assert Box.objects.get(slug="night").name == {"en": "Night Chest"}


class TestABox:
    def test_is_taken_offline_at_once_by_one_person_and_put_online(
        self, acme: NewOperator, harbour: Box, cara: Client, s2s: SignedClient
    ) -> None:
        change_settings(operator=acme.operator, changes={"publishByTwo": "true"}, at=AT)
        assert "harbour is offline" in act(cara, "take_box_offline", harbour)
        assert s2s.get("/api/s2s/boxes").body["boxes"] == []
        assert "A second person must confirm" in act(cara, "put_box_online", harbour)
        assert not Box.objects.get().active

    def test_shows_versions_prizes_and_a_chart(self, acme: NewOperator, harbour: Box, cara: Client) -> None:
        publish_boxes(acme, HARBOUR | {"priceMinor": 700})
        shown = cara.get(page("catalog_box_change", harbour.pk)).content.decode()
        assert "7.00 EUR" in shown
        assert "version 1" in shown
        assert "<svg" in shown
        old = cara.get(page("catalog_boxversion_change", harbour.versions.get(number=2).pk)).content.decode()
        assert "What changed from version 1" in old


class TestWhoMay:
    def test_of_another_operator_nothing(self, draft: BoxDraft, harbour: Box, stranger: NewOperator) -> None:
        sam = browser(person("sam", role=staff.CATALOGUE_MANAGER, at=stranger.operator))
        before = BoxDraft.objects.values().get()
        for address in (
            page("catalog_boxdraft_change", draft.pk), page("catalog_boxdraft_look", draft.pk),
            page("catalog_box_draft", harbour.pk), page("act", "publish_box", draft.pk),
            page("act", "take_box_offline", harbour.pk), page("act", "republish_box", harbour.versions.get().pk),
        ):  # fmt: skip
            assert sam.post(address, {**WHY, **typed(draft, *PRIZES)}).status_code == 404, address
        assert BoxDraft.objects.values().get() == before
        assert Box.objects.get().active

    def test_with_an_item_of_another_operator_nothing(self, draft: BoxDraft, cara: Client, stranger: NewOperator) -> None:
        theirs = {**COMPASS, "sku": "theirs"}
        importing.import_boxes(operator=stranger.operator, document={"items": [theirs]}, at=AT)
        assert "There is no item theirs" in save(cara, draft, PRIZES[0] | {"item": "theirs"}).content.decode()

    def test_support_and_auditors_look_and_change_nothing(self, acme: NewOperator, draft: BoxDraft, harbour: Box) -> None:
        for name, role in (("sue", staff.SUPPORT), ("ada", staff.AUDITOR)):
            who = browser(person(name, role=role, at=acme.operator))
            assert who.get(page("catalog_boxdraft_change", draft.pk)).status_code == 200
            for address in (
                page("catalog_boxdraft_change", draft.pk), page("catalog_boxdraft_look", draft.pk),
                page("catalog_box_draft", harbour.pk), page("act", "publish_box", draft.pk), page("catalog_boxdraft_add"),
                page("catalog_item_change", Item.objects.get().pk), page("catalog_catalogueupload_add"),
            ):  # fmt: skip
                assert who.post(address, {**WHY, **typed(draft, *PRIZES)}).status_code == 403, address
        draft.refresh_from_db()
        assert draft.edited_by == "cara"


class TestItemsAndAttributes:
    ITEM = {"sku": "map", "name_en": "Sea Map", "type": "physical", "value": "12.34", "cashback": "", "shippable": "on"}

    def test_are_made_and_changed_with_a_reason(self, acme: NewOperator, harbour: Box, cara: Client) -> None:
        assert cara.post(page("catalog_item_add"), self.ITEM).status_code == 200  # no reason
        assert not Item.objects.filter(sku="map").exists()
        assert cara.post(page("catalog_item_add"), {**self.ITEM, **WHY}).status_code == 302
        item = Item.objects.get(sku="map")
        assert (item.value_minor, item.cashback_minor, item.shippable, item.currency) == (1234, None, True, "EUR")
        change = {**self.ITEM, **WHY, "sku": "other", "value": "13", "cashback": "0.50"}
        assert cara.post(page("catalog_item_change", item.pk), change).status_code == 302
        item.refresh_from_db()
        assert (item.sku, item.value_minor, item.cashback_minor) == ("map", 1300, 50)
        entry = acts().filter(action="save_item").last()
        assert entry is not None
        assert (entry.before["valueMinor"], entry.after["valueMinor"], entry.reason) == (1234, 1300, WHY["reason"])

    def test_say_beside_the_field_what_is_wrong(self, acme: NewOperator, cara: Client) -> None:
        wrong = {**self.ITEM, **WHY, "name_en": "", "image_url": "ftp://x"}
        shown = cara.post(page("catalog_item_add"), wrong).content.decode()
        assert "There is no text for the default locale en." in shown
        assert "Write an http or https address" in shown
        assert not Item.objects.exists()

    def test_of_a_box_keep_a_published_version_as_it_was(self, harbour: Box, cara: Client) -> None:
        compass = Item.objects.get()
        form = {**self.ITEM, **WHY, "name_en": "Compass", "value": "99"}
        cara.post(page("catalog_item_change", compass.pk), form)
        assert harbour.versions.get().prizes.get(item=compass).value_minor == 480

    def test_are_declared_for_boxes(self, draft: BoxDraft, cara: Client) -> None:
        for name, kind, default in (("is_new", "boolean", "false"), ("rank", "number", "1.5"), ("mood", "text", "")):
            form = {"name": name, "type": kind, "default": default, **WHY}
            assert cara.post(page("catalog_attribute_add"), form).status_code == 302
        assert list(Attribute.objects.order_by("pk").values_list("default", flat=True)) == [False, 1.5, None]
        wrong = {"name": "n", "type": "number", "default": "many", **WHY}
        assert "Write a number" in cara.post(page("catalog_attribute_add"), wrong).content.decode()
        saved = save(cara, draft, *PRIZES, attribute_is_new="true", attribute_rank="3", attribute_mood="")
        assert saved.status_code == 302, saved.content.decode()
        draft.refresh_from_db()
        assert draft.attributes == {"is_new": True, "rank": 3}


def upload(client: Client, raw: bytes) -> Any:
    """Return the answer to uploading a file."""
    return client.post(page("catalog_catalogueupload_add"), {"file": SimpleUploadedFile("boxes.json", raw)}, follow=True)


class TestAFile:
    def test_is_previewed_then_imported_once(self, harbour: Box, cara: Client) -> None:
        shown = upload(cara, json.dumps({"boxes": [HARBOUR | {"priceMinor": 600}]}).encode()).content.decode()
        assert "5.00 EUR" in shown
        assert "6.00 EUR" in shown
        assert BoxVersion.objects.count() == 1
        row = CatalogueUpload.objects.get()
        assert "1 boxes were published" in act(cara, "import_boxes", row)
        assert [version.price_minor for version in harbour.versions.order_by("number")] == [500, 600]
        assert "It was imported on" in cara.get(page("act", "import_boxes", row.pk)).content.decode()
        assert "It was imported on" in cara.post(page("act", "import_boxes", row.pk), WHY, follow=True).content.decode()
        assert acts().get(action="import_boxes").after["published"] == ["harbour v2"]

    def test_that_is_wrong_names_the_place_and_imports_nothing(self, harbour: Box, cara: Client) -> None:
        shown = upload(cara, json.dumps({"boxes": [HARBOUR | {"priceMinor": 0}]}).encode()).content.decode()
        assert "boxes[0].priceMinor" in shown
        for raw in (b"{", b'{"boxes": [], "boxes": []}', b"\xff"):
            assert "This is not a catalogue file" in upload(cara, raw).content.decode()
        assert (CatalogueUpload.objects.count(), BoxVersion.objects.count()) == (1, 1)

    def test_that_is_too_large_is_refused_before_it_is_read(self, acme: NewOperator, cara: Client) -> None:
        assert upload(cara, b" " * (2 * 1024 * 1024 + 20_000)).status_code == 413
        assert "larger than 2 MiB" in upload(cara, b" " * (2 * 1024 * 1024 + 1)).content.decode()
        assert not CatalogueUpload.objects.exists()

    def test_is_not_taken_without_the_forms_token(self, harbour: Box, manager: User) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(manager, backend="django.contrib.auth.backends.ModelBackend")
        assert upload(client, b"{}").status_code == 403
        assert not CatalogueUpload.objects.exists()

    def test_by_two_where_the_operator_asks_for_it(self, acme: NewOperator, harbour: Box, cara: Client) -> None:
        change_settings(operator=acme.operator, changes={"publishByTwo": "true"}, at=AT)
        upload(cara, json.dumps({"boxes": [HARBOUR | {"priceMinor": 600}]}).encode())
        assert "A second person must confirm" in act(cara, "import_boxes", CatalogueUpload.objects.get())
        assert BoxVersion.objects.count() == 1

    def test_is_exported_for_ones_own_operator_only(self, acme: NewOperator, stranger: NewOperator, harbour: Box) -> None:
        cara = browser(person("cara", role=staff.CATALOGUE_MANAGER, at=acme.operator))
        answer = cara.get(page("catalog_catalogueupload_export"), {"operator": stranger.operator.pk})
        assert answer.json() == export_boxes(operator=acme.operator)
        assert "boxes-acme.json" in answer["Content-Disposition"]
        boss = browser(User.objects.create_superuser("boss"))
        assert "Of which operator?" in boss.get(page("catalog_catalogueupload_export")).content.decode()
        theirs = boss.get(page("catalog_catalogueupload_export"), {"operator": stranger.operator.pk})
        assert theirs.json() == export_boxes(operator=stranger.operator)


class TestADraftOfManyPrizes:
    def test_is_edited_as_a_file(self, acme: NewOperator, cara: Client) -> None:
        prizes = [{"weight": 1, "cash": {"name": f"{value}", "valueMinor": value}} for value in range(101)]
        publish_boxes(acme, HARBOUR | {"prizes": prizes})
        box = Box.objects.get()
        answer = cara.post(page("catalog_box_draft", box.pk), {"version": box.versions.get().pk}, follow=True)
        assert "Export the catalogue, edit the file and import it" in answer.content.decode()
        assert not BoxDraft.objects.exists()
        with pytest.raises(drafts.NotPossible):
            drafts.begin_from(box=box, version=box.versions.get(), by=By("cara", "why"), at=AT)
