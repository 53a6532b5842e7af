"""The console for webhooks: people look, and act by name."""

import datetime as dt

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import path, reverse
from django.utils import timezone

from lootbox.core.ids import Prefix, public_id
from operators.audit import COMMAND_LINE
from operators.models import AuditEntry
from tests.factories.webhooks import make_deliveries
from tests.faulty_server import answer
from tests.services.webhooks.cast import Stage
from webhooks import services
from webhooks.models import Delivery, DeliveryAttempt, Endpoint, Event

pytestmark = pytest.mark.urls(__name__)
urlpatterns = [path("admin/", admin.site.urls)]

DELIVERIES = "admin:webhooks_delivery_changelist"
ENDPOINTS = "admin:webhooks_endpoint_changelist"
WHY = "their receiver was down"


@pytest.fixture
def staff(transactional_db: None) -> Client:
    """Return a browser of somebody who may look at webhooks and act on them."""
    user = User.objects.create_user("sam", is_staff=True)
    names = ["view_delivery", "view_deliveryattempt", "view_endpoint", "send_again", "operate_endpoint", "all_operators"]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client = Client()
    client.force_login(user)
    return client


def select(staff: Client, page: str, action: str, *rows: object) -> str:
    """Choose an action on rows of a list and give a reason on its page; return what the list then says."""
    form = {"action": action, "_selected_action": [str(row) for row in rows]}
    asked = staff.post(reverse(page), form)
    if asked.status_code != 302 or "/act/" not in asked.headers["Location"]:
        return "not offered"
    return staff.post(asked.headers["Location"], {"reason": WHY}, follow=True).content.decode()


def act(staff: Client, action: str, row: object, **form: str) -> str:
    """Do an action on one row, and return what its page then says."""
    return staff.post(reverse("admin:act", args=[action, row]), {"reason": WHY, **form}, follow=True).content.decode()


def told() -> list[tuple[str, str, str, str]]:
    """Return who did what to what and why, by the audit log."""
    entries = AuditEntry.objects.exclude(actor=COMMAND_LINE.actor).order_by("sequence")
    return list(entries.values_list("actor", "action", "subject", "reason"))


class TestDeliveries:
    def test_are_listed_by_state_and_time_without_being_counted(self, stage: Stage, staff: Client) -> None:
        delivered, due = make_deliveries(stage.operator, 2)
        Delivery.objects.filter(pk=due.pk).update(next_attempt_at=stage.clock.now + dt.timedelta(days=1))
        stage.run()
        with CaptureQueriesContext(connection) as captured:
            page = staff.get(reverse(DELIVERIES), {"state__exact": "delivered", "when": "hour"}).content.decode()
        assert public_id(Prefix.EVENT, delivered.pk) in page
        assert public_id(Prefix.EVENT, due.pk) not in page
        assert not [query["sql"] for query in captured if "COUNT(" in query["sql"] and "webhooks_" in query["sql"]]

    @pytest.mark.parametrize("by", ["id", "subject"])
    def test_are_found(self, stage: Stage, staff: Client, by: str) -> None:
        wanted, other = make_deliveries(stage.operator, 2)
        term = public_id(Prefix.EVENT, wanted.pk) if by == "id" else wanted.event.subject
        page = staff.get(reverse(DELIVERIES), {"q": term}).content.decode()
        assert public_id(Prefix.EVENT, wanted.pk) in page
        assert (public_id(Prefix.EVENT, other.pk) in page) is (by == "subject")

    def test_show_every_attempt_with_request_and_answer(self, stage: Stage, staff: Client) -> None:
        stage.receiver.play(answer(b"<b>broken</b>", status=500), answer(b"fine"))
        (delivery,) = make_deliveries(stage.operator, 1)
        stage.run()
        stage.clock.advance(minutes=1)
        stage.run()
        page = staff.get(reverse("admin:webhooks_delivery_change", args=[delivery.pk])).content.decode()
        assert "&lt;b&gt;broken&lt;/b&gt;" in page
        assert "fine" in page
        assert f"webhook-id: {public_id(Prefix.EVENT, delivery.pk)}" in page
        assert stage.receiver.url("/hooks") in page
        assert "hush" not in page
        assert stage.secret not in page

    def test_are_sent_again(self, stage: Stage, staff: Client) -> None:
        first, second = make_deliveries(stage.operator, 2)
        stage.run()
        said = select(staff, DELIVERIES, "send_delivery", first.pk)
        assert f"{public_id(Prefix.EVENT, first.pk)}: It is on its way again." in said
        assert Delivery.objects.get(pk=first.pk).state == "due"
        assert Delivery.objects.get(pk=second.pk).state == "delivered"
        assert told() == [("sam", "webhooks.sent_again", first.event.subject, WHY)]

    def test_are_not_sent_again_by_somebody_who_may_only_look(self, stage: Stage, staff: Client) -> None:
        (delivery,) = make_deliveries(stage.operator, 1)
        stage.run()
        User.objects.get().user_permissions.remove(Permission.objects.get(codename="send_again"))
        assert select(staff, DELIVERIES, "send_delivery", delivery.pk) == "not offered"
        assert staff.post(reverse("admin:act", args=["send_delivery", delivery.pk]), {"reason": WHY}).status_code == 403
        assert Delivery.objects.get(pk=delivery.pk).state == "delivered"
        assert told() == []

    @pytest.mark.parametrize("model", [Delivery, Endpoint])
    def test_are_never_added_changed_or_deleted_by_hand(self, model: type[Model], admin_client: Client) -> None:
        request = admin_client.get(reverse("admin:index")).wsgi_request
        console: admin.ModelAdmin[Model] = admin.site.get_model_admin(model)
        assert not console.has_add_permission(request)
        assert not console.has_change_permission(request)
        assert not console.has_delete_permission(request)


class TestEndpoints:
    def test_show_their_health_at_a_glance(self, stage: Stage, staff: Client) -> None:
        stage.receiver.play(answer(b"", status=500), answer(b""))
        make_deliveries(stage.operator, 4)
        assert stage.run() == 4
        page = staff.get(reverse(ENDPOINTS)).content.decode()
        assert "75 %" in page
        Endpoint.objects.update(enabled=False, disabled_at=stage.clock.now, disabled_reason="gone")
        assert "off: the receiver answered 410 Gone" in staff.get(reverse(ENDPOINTS)).content.decode()

    def test_get_a_test_event(self, stage: Stage, staff: Client) -> None:
        assert "is on its way to Acme." in select(staff, ENDPOINTS, "test_endpoint", stage.operator.pk)
        assert Event.objects.get().type == "webhook_test"
        assert told() == [("sam", "webhooks.tested", "acme", WHY)]

    def test_are_turned_off_and_on(self, stage: Stage, staff: Client) -> None:
        (waiting,) = make_deliveries(stage.operator, 1)
        assert "Acme is off" in act(staff, "turn_off_endpoint", stage.operator.pk)
        assert not Endpoint.objects.get(pk=stage.operator.pk).enabled
        assert stage.run() == 0
        assert Delivery.objects.get(pk=waiting.pk).state == "stopped"
        assert services.send_notices(at=stage.clock.now) == 0, "whoever turned it off needs no e-mail about it"
        assert "1 deliveries had waited" in act(staff, "turn_on_endpoint", stage.operator.pk)
        assert Endpoint.objects.get(pk=stage.operator.pk).enabled
        stage.clock.now = timezone.now()
        assert stage.run() == 1
        assert [entry[1] for entry in told()] == ["webhooks.turned_off", "webhooks.turned_on"]

    def test_get_everything_again_since_a_time(self, stage: Stage, staff: Client) -> None:
        make_deliveries(stage.operator, 3)
        stage.run()
        since = stage.clock.now - dt.timedelta(minutes=5)
        page = act(staff, "send_since", stage.operator.pk, since=f"{since:%Y-%m-%dT%H:%M}")
        assert "3 deliveries to Acme are on their way." in page
        assert Delivery.objects.filter(state="due").count() == 3

    def test_get_nothing_again_without_a_time(self, stage: Stage, staff: Client) -> None:
        make_deliveries(stage.operator, 3)
        stage.run()
        assert "This field is required" in act(staff, "send_since", stage.operator.pk, since="")
        assert not Delivery.objects.filter(state="due").exists()
        assert DeliveryAttempt.objects.count() == 3
