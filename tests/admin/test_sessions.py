"""Coming in by a password: throttled, with a second factor where there is one, and not for ever."""

import datetime as dt

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice
from pytest_django import Settings

from tests.admin.cast import browser, person

LOGIN = "/admin/login/"
PASSWORD = "correct horse battery"


def code_of(device: TOTPDevice) -> str:
    """Return the code that the device's app shows now."""
    return f"{totp(device.bin_key, device.step, device.t0, device.digits):06}"


@pytest.fixture
def ann(transactional_db: None) -> User:
    """Return an account with a password."""
    return person("ann")


class TestAPassword:
    def test_lets_in(self, ann: User) -> None:
        client = Client()
        answer = client.post(LOGIN, {"username": "ann", "password": PASSWORD})
        assert answer.headers["Location"] == "/admin/"
        assert client.get("/admin/").status_code == 200

    def test_guessed_wrong_five_times_is_not_tried_any_more(self, ann: User) -> None:
        client = Client()
        for _ in range(5):
            last = client.post(LOGIN, {"username": "ann", "password": "guess"})
        assert last.status_code == 429
        assert b"Too many attempts" in last.content
        assert client.post(LOGIN, {"username": "ann", "password": PASSWORD}).status_code == 429
        assert client.get("/admin/").status_code == 302

    def test_can_be_sent_by_a_browser_which_names_its_origin_only_under_this_policy(self, ann: User) -> None:
        assert Client().get(LOGIN).headers["Referrer-Policy"] == "same-origin"
        assert Client().get("/fairness/rounds/r_0").headers["Referrer-Policy"] == "no-referrer"


class TestASecondFactor:
    def test_is_set_up_at_the_first_log_in_and_asked_at_every_later_one(self, ann: User, settings: Settings) -> None:
        settings.LOOTBOX_STAFF_SECOND_FACTOR = True
        client = Client()
        client.post(LOGIN, {"username": "ann", "password": PASSWORD})
        assert client.get("/admin/").headers["Location"].startswith("/admin/second-factor/")
        assert b"<svg" in client.get("/admin/second-factor/").content
        assert b"does not hold" in client.post("/admin/second-factor/", {"code": "000000"}).content
        device = TOTPDevice.objects.get()
        assert client.get("/admin/").status_code == 302
        with time_machine.travel(timezone.now() + dt.timedelta(seconds=30)):
            client.post("/admin/second-factor/", {"code": code_of(device)})
            assert client.get("/admin/").status_code == 200
        later = Client()
        later.post(LOGIN, {"username": "ann", "password": PASSWORD})
        page = later.get("/admin/second-factor/").content
        assert b"<svg" not in page
        assert later.get("/admin/").status_code == 302

    def test_is_asked_of_whoever_has_one_even_where_it_is_not_required(self, ann: User) -> None:
        device = TOTPDevice.objects.create(user=ann, name="app", confirmed=True)
        client = Client()
        client.post(LOGIN, {"username": "ann", "password": PASSWORD})
        assert client.get("/admin/").status_code == 302
        client.post("/admin/second-factor/", {"code": code_of(device)})
        assert client.get("/admin/").status_code == 200


class TestASession:
    @pytest.mark.parametrize(("idle", "total"), [(-1, 100), (100, -1)])
    def test_ends_when_idle_or_when_it_has_lasted_long_enough(
        self, ann: User, settings: Settings, idle: float, total: float
    ) -> None:
        client = browser(ann)
        assert client.get("/admin/").status_code == 200
        settings.LOOTBOX_STAFF_IDLE_S, settings.LOOTBOX_STAFF_SESSION_S = idle, total
        assert client.get("/admin/").headers["Location"].startswith(LOGIN)
        settings.LOOTBOX_STAFF_IDLE_S = settings.LOOTBOX_STAFF_SESSION_S = 100
        assert client.get("/admin/").status_code == 302, "it is gone, not only refused"

    def test_goes_nowhere_else_after_the_password_is_typed_again(self, ann: User) -> None:
        answer = browser(ann).post("/admin/prove/?next=//evil.example/admin/", {"password": PASSWORD})
        assert answer.headers["Location"] == "/admin/"
