"""Who sees what: every registered page keeps to the person's own operators, and each role to what it may do."""

import io
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import ForeignKey, Model
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import NoReverseMatch, get_resolver
from django.utils import timezone

from catalog import drafts, importing
from catalog.models import BoxVersion
from finance.models import ClosedDay, Export, Flag
from lootbox.core.ids import new_id
from operators import audit, guided, staff
from operators.admin_base import ReadOnlyAdmin, ScopedAdmin
from operators.audit import By
from operators.models import ActionRequest, Player
from operators.services import NewOperator, change_settings
from tests.admin.cast import acts, browser, page, person
from tests.casino_wallet import Casino
from tests.conftest import SURE_ITEM, publish_boxes
from tests.factories.vault import won_items
from tests.factories.webhooks import make_deliveries
from tests.services.finance.books import as_csv, receive
from tests.signed import SignedClient
from vault.models import InventoryItem, ShippingOrder
from wallet.models import WalletAttempt, WalletCall

APPEND_ONLY = {
    "Round", "WalletCall", "Delivery", "AuditEntry", "BoxVersion", "InventoryItem", "Player", "ActionRequest", "Flag",
    "Box", "Statement", "ClosedDay",
}  # fmt: skip


@pytest.fixture
def full_house(acme: NewOperator, stranger: NewOperator, casino: Casino) -> None:
    """Fill both operators with a row of everything that the back-office lists."""
    change_settings(operator=stranger.operator, changes={"walletUrl": casino.url}, at=timezone.now())
    for made in (acme, stranger):
        s2s = SignedClient(key_id=made.key.key_id, secret=made.key.secret)
        versions = publish_boxes(made, SURE_ITEM)
        won_items(s2s, versions["sure-item"])
        player = Player.objects.get(operator=made.operator)
        now = timezone.now()
        make_deliveries(made.operator, 1)
        item = InventoryItem.objects.get(operator=made.operator)
        call = WalletCall.objects.create(
            id=new_id(), operator=made.operator, player=player, type="wallet.credit", reason="cashback", idempotency_key="k",
            amount_minor=1, currency="EUR", base_amount_minor=1, base_currency="EUR", body=b"{}", inventory_item_id=item.pk,
            state="refused", created_at=now, resolved_at=now,
        )  # fmt: skip
        WalletAttempt.objects.create(call=call, number=1, started_at=now, latency_ms=1, fate="refused")
        ShippingOrder.objects.create(
            id=new_id(), operator=made.operator, player=player, fingerprint=b"", status="voided", currency="EUR", cost_minor=0,
            address={}, email="a@b.example", created_at=now, updated_at=now,
        )  # fmt: skip
        worker = person(f"worker-{made.operator.slug}", at=made.operator)
        ActionRequest.objects.create(
            operator=made.operator, action="block_player", subject="u_1", inputs={"key": str(player.pk)}, reason="z",
            requested_by=worker, requested_at=now,
        )  # fmt: skip
        version = BoxVersion.objects.select_related("box").get(pk=versions["sure-item"])
        by = By("somebody", "why")
        drafts.begin_from(box=version.box, version=version, by=by, at=now)
        importing.save_entry(
            operator=made.operator, kind="attributes", entry={"name": "is_new", "type": "boolean"}, by=by, at=now
        )
        importing.upload(operator=made.operator, file_name="boxes.json", raw=b'{"boxes": []}', by=by, at=now)
        Flag.objects.create(
            operator=made.operator, kind="big_win", cause="draw 1", severity=2, player=player, summary="A big win",
            evidence={
                "prize": "Brass Compass", "valueMinor": 480, "priceMinor": 5, "baseCurrency": "EUR", "thresholdMinor": 100,
                "weight": 1, "totalWeight": 1, "settledAt": now.isoformat(), "round": "r_1",
            },
            box_version_id=version.pk, box=version.box, seen_at=now,
        )  # fmt: skip
        receive(made.operator, as_csv([]))
        Export.objects.create(
            id=new_id(), operator=made.operator, report="movements", format="csv", requested_by="fin", requested_at=now,
            filters={
                "report": "movements", "format": "csv", "from": None, "to": None, "timeZone": "utc", "by": [], "currency": None,
                "funding": None,
            },
        )  # fmt: skip
        ClosedDay.objects.create(
            operator=made.operator, day=now.date(), time_zone="UTC", starts_at=now, ends_at=now, last_sequence=0, movements=0,
            late=0, totals={"ledger": [], "revenue": []}, rows_hash="", previous_hash="", hash=made.operator.slug,
            closed_at=now, closed_by="z",
        )  # fmt: skip
        with transaction.atomic():
            audit.record(by=By("somebody", "why"), action="test", operator=made.operator, subject="s", at=now)
    call_command("set_rate", "EUR", "SEK", "11.2", "--json", stdout=io.StringIO())


def operator_of(console: ScopedAdmin[Model], row: Model) -> Any:
    """Return the operator that a row leads to."""
    for name in console.operator_path.split("__"):
        row = row if name == "pk" else getattr(row, name)
    return row


def console_of(model: type[Model]) -> Any:
    """Return the admin that a model is registered with."""
    return admin.site.get_model_admin(model)


def rows_seen(user: User, model: type[Model]) -> list[Any]:
    """Return the rows that an admin's every list, page, action and autocomplete starts from."""
    request = RequestFactory().get("/")
    request.user = user
    return list(console_of(model).get_queryset(request))


class TestEveryPage:
    def test_rests_on_the_scoped_base_and_is_never_counted_whole(self) -> None:
        for model in admin.site._registry:
            console = console_of(model)
            assert isinstance(console, ScopedAdmin), model
            assert console.show_full_result_count is False
            assert console.list_max_show_all == 0

    def test_lists_only_rows_of_the_persons_own_operators(
        self, full_house: None, acme: NewOperator, stranger: NewOperator
    ) -> None:
        boss, olga = User.objects.create_superuser("boss"), person("olga", role=staff.OPERATOR_ADMIN, at=acme.operator)
        assert {user.username for user in rows_seen(olga, User)} == {"worker-acme", "olga"}
        for model in admin.site._registry.keys() - {User}:
            everything, own = rows_seen(boss, model), rows_seen(olga, model)
            assert everything, f"the fixture has to hold a {model.__name__}"
            if not console_of(model).operator_path:
                assert own == []
                continue
            assert {operator_of(console_of(model), row) for row in own} == {acme.operator}, model
            assert stranger.operator in {operator_of(console_of(model), row) for row in everything}

    def test_answers_another_operators_row_as_if_there_were_none(self, full_house: None, acme: NewOperator) -> None:
        boss, mine = User.objects.create_superuser("boss"), person("olga", role=staff.OPERATOR_ADMIN, at=acme.operator)
        olga = browser(mine)
        for model in admin.site._registry:
            own = {row.pk for row in rows_seen(mine, model)}
            for row in rows_seen(boss, model):
                answer = olga.get(page(f"{model._meta.app_label}_{model._meta.model_name}_change", row.pk))
                assert (answer.status_code == 200) is (row.pk in own), (row, answer.status_code)
                request = answer.wsgi_request
                if row.pk not in own:
                    assert not console_of(model).has_view_permission(request, row)
                    assert not console_of(model).has_change_permission(request, row)
                    assert not console_of(model).has_delete_permission(request, row)

    def test_is_listed_by_few_queries_that_count_no_table_whole(self, full_house: None) -> None:
        boss = browser(User.objects.create_superuser("boss"))
        for model in admin.site._registry:
            with CaptureQueriesContext(connection) as captured:
                answer = boss.get(page(f"{model._meta.app_label}_{model._meta.model_name}_changelist"))
            assert answer.status_code == 200
            counts = [query["sql"] for query in captured if "COUNT(" in query["sql"].upper()]
            assert not [sql for sql in counts if "LIMIT" not in sql], model
            assert len(captured) < 12, model

    def test_offers_nothing_of_others_in_its_filters(self, full_house: None, acme: NewOperator) -> None:
        olga = browser(person("olga", role=staff.OPERATOR_ADMIN, at=acme.operator))
        for model in admin.site._registry:
            answer = olga.get(page(f"{model._meta.app_label}_{model._meta.model_name}_changelist"))
            assert "Stranger" not in answer.content.decode(), model


class TestEveryAct:
    def test_on_another_operators_row_is_not_found(self, full_house: None, acme: NewOperator) -> None:
        boss, mine = User.objects.create_superuser("boss"), person("olga", role=staff.OPERATOR_ADMIN, at=acme.operator)
        olga = browser(mine)
        for name, action in guided.ACTIONS.items():
            own = {row.pk for row in action.rows(mine)}
            foreign = [row.pk for row in action.rows(boss) if row.pk not in own]
            assert foreign, f"the fixture has to hold a foreign row for {name}"
            for key in foreign:
                for address in (page("act", name, key), f"{page('act_many', name)}?keys={key}"):
                    for answer in (olga.get(address), olga.post(address, {"reason": "not mine at all"})):
                        assert answer.status_code in {403, 404}, (name, answer.status_code)
        assert not acts().filter(actor="olga").exists()

    def test_is_for_those_whose_roles_allow_it_only(self, full_house: None, acme: NewOperator) -> None:
        pat = browser(person("pat", at=acme.operator))
        for name, action in guided.ACTIONS.items():
            for row in action.rows(User.objects.create_superuser(f"boss-{name}"))[:1]:
                assert pat.get(page("act", name, row.pk)).status_code == 403
        for name in guided.MAKINGS:
            assert pat.get(page("make", name)).status_code == 403


class TestEveryAutocomplete:
    def test_offers_only_rows_of_the_persons_own_operators(self, full_house: None, acme: NewOperator) -> None:
        mine = person("olga", role=staff.OPERATOR_ADMIN, at=acme.operator)
        olga = browser(mine)
        asked = 0
        for model in admin.site._registry:
            for field in model._meta.get_fields():
                if not isinstance(field, ForeignKey) or field.related_model not in admin.site._registry:
                    continue
                own = {str(row.pk) for row in rows_seen(mine, field.related_model)}
                where = {
                    "app_label": model._meta.app_label,
                    "model_name": str(model._meta.model_name),
                    "field_name": str(field.name),
                }
                for term in ("", "u_1", "Stranger", "stranger"):
                    answer = olga.get("/admin/autocomplete/", {**where, "term": term})
                    found = answer.json()["results"] if answer.status_code == 200 else []
                    assert {row["id"] for row in found} <= own, (model, field)
                    asked += 1
        assert asked > 20


class TestEveryExport:
    def test_holds_nothing_of_another_operator(self, full_house: None, acme: NewOperator) -> None:
        olga = browser(person("olga", role=staff.OPERATOR_ADMIN, at=acme.operator))
        names = get_resolver("lootbox.urls").namespace_dict["admin"][1].reverse_dict
        exports = [name for name in names if isinstance(name, str) and "export" in name]
        assert "operators_auditentry_export" in exports
        for name in exports:
            try:
                address = page(name)
            except NoReverseMatch:
                continue  # the page of one row, which the other tests ask for
            answer = olga.get(address)
            body = b"".join(answer.streaming_content) if answer.streaming else answer.content  # type: ignore[attr-defined]
            assert answer.status_code in {200, 302, 403, 405}, name
            assert b"stranger" not in body.lower(), name


class TestRowsOfMoneyDrawsEventsAndTheLog:
    @pytest.mark.parametrize("name", sorted(APPEND_ONLY))
    def test_can_not_be_added_changed_or_deleted_even_by_a_superuser(self, transactional_db: None, name: str) -> None:
        (model,) = (model for model in admin.site._registry if model.__name__ == name)
        console: Any = admin.site.get_model_admin(model)
        request = RequestFactory().get("/")
        request.user = User.objects.create_superuser("boss")
        for allowed in (console.has_add_permission(request), console.has_change_permission(request)):
            assert not allowed
        assert not console.has_delete_permission(request)
        assert "delete_selected" not in console.get_actions(request)
        for inline in console.get_inline_instances(request):
            assert not inline.has_add_permission(request, None)
            assert not inline.has_change_permission(request, None)
            assert not inline.has_delete_permission(request, None)

    def test_are_not_editable_from_any_page(self) -> None:
        frozen = {"Draw", "Reel", "Action", "WalletAttempt", "DeliveryAttempt", "Prize", "DraftPrize"}
        for model, console in admin.site._registry.items():
            assert model.__name__ not in frozen
            if model.__name__ in APPEND_ONLY - {"Delivery"}:
                assert isinstance(console, ReadOnlyAdmin)


# What each role finds in the sidebar's addresses: the rest is refused.
LISTS = {
    "operators_operator", "operators_apikey", "operators_player", "operators_auditentry", "auth_user", "catalog_item",
    "catalog_box", "catalog_boxversion", "catalog_exchangerate", "purchases_round", "wallet_walletcall",
    "vault_inventoryitem", "vault_shippingorder", "webhooks_delivery", "webhooks_endpoint", "finance_flag",
    "catalog_boxdraft", "catalog_attribute", "catalog_catalogueupload", "finance_statement",
    "finance_export", "finance_closedday",
}  # fmt: skip
_CATALOGUE = {
    "catalog_item", "catalog_box", "catalog_boxversion", "catalog_boxdraft", "catalog_attribute", "catalog_catalogueupload",
}  # fmt: skip
_BOOKS = {"finance_statement", "finance_closedday", "finance_export"}
_PLAY = {
    "operators_operator", "operators_player", "purchases_round", "vault_inventoryitem", "vault_shippingorder",
    "webhooks_delivery", "webhooks_endpoint", "finance_flag",
}  # fmt: skip
OPEN = {
    staff.PLATFORM_ADMIN: LISTS,
    staff.OPERATOR_ADMIN: LISTS - {"catalog_exchangerate"},
    staff.CATALOGUE_MANAGER: _CATALOGUE,
    staff.SUPPORT: _CATALOGUE | _PLAY | {"wallet_walletcall"},
    staff.FINANCE: _CATALOGUE | _PLAY | {"wallet_walletcall", *_BOOKS},
    staff.AUDITOR: _CATALOGUE | _PLAY | {"wallet_walletcall", "operators_auditentry", "auth_user", *_BOOKS},
    None: set(),
}


class TestARole:
    @pytest.mark.parametrize("role", OPEN)
    def test_opens_its_own_pages_and_no_others(self, acme: NewOperator, role: str | None) -> None:
        who = browser(person("pat", role=role, at=acme.operator))
        opened = {name for name in LISTS if who.get(page(f"{name}_changelist")).status_code == 200}
        assert opened == OPEN[role]
        assert who.get("/admin/").status_code == 200

    def test_is_made_with_its_permissions_by_migrating(self, transactional_db: None) -> None:
        assert set(Group.objects.values_list("name", flat=True)) == set(staff.ROLES)
        for name, permissions in staff.ROLES.items():
            held = Group.objects.get(name=name).permissions.select_related("content_type")
            assert {f"{permission.content_type.app_label}.{permission.codename}" for permission in held} == permissions

    def test_is_granted_with_a_reason_and_an_audit_entry(self, acme: NewOperator) -> None:
        pat = person("pat", at=acme.operator)
        olga = browser(person("olga", role=staff.OPERATOR_ADMIN, at=acme.operator))
        support = Group.objects.get(name=staff.SUPPORT)
        answer = olga.post(page("act", "change_roles", pat.pk), {"roles": [support.name], "reason": "joined support"})
        assert answer.status_code == 302, answer.content.decode()
        assert [group.name for group in pat.groups.all()] == [staff.SUPPORT]
        entry = acts().get(action="staff.roles")
        assert (entry.actor, entry.reason, entry.after) == ("olga", "joined support", {"roles": ["Support"]})

    def test_of_the_platform_is_granted_by_no_operator(self, acme: NewOperator) -> None:
        pat = person("pat", at=acme.operator)
        olga = browser(person("olga", role=staff.OPERATOR_ADMIN, at=acme.operator))
        olga.post(page("act", "change_roles", pat.pk), {"roles": [staff.PLATFORM_ADMIN], "reason": "please do"})
        assert not pat.groups.exists()
        assert not acts().exists()

    def test_is_granted_by_nobody_to_themselves(self, acme: NewOperator) -> None:
        olga = person("olga", role=staff.OPERATOR_ADMIN, at=acme.operator)
        with pytest.raises(staff.NotAllowed):
            staff.grant_roles(user=olga, roles=Group.objects.all(), giver=olga, reason="x", at=timezone.now())
        assert olga.groups.count() == 1

    def test_of_somebody_who_works_for_others_too_is_left_alone(self, acme: NewOperator, stranger: NewOperator) -> None:
        both = person("both", at=acme.operator)
        both.memberships.create(operator=stranger.operator)
        olga = person("olga", role=staff.OPERATOR_ADMIN, at=acme.operator)
        assert browser(olga).get(page("auth_user_change", both.pk)).status_code == 302
        assert browser(olga).get(page("act", "change_roles", both.pk)).status_code == 404
        with pytest.raises(staff.NotAllowed):
            staff.grant_roles(user=both, roles=[], giver=olga, reason="x", at=timezone.now())
