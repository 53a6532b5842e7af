"""Sessions of the back-office: how long they last, and who they are, proved anew before money and secrets."""

import datetime as dt
from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django_otp import user_has_device

from lootbox.core.fields import parse_moment

ADMIN: Final = "/admin/"
SEEN_STEP: Final = dt.timedelta(minutes=1)
_BEFORE_SECOND_FACTOR: Final = frozenset({f"{ADMIN}second-factor/", f"{ADMIN}logout/", f"{ADMIN}sso", f"{ADMIN}jsi18n/"})
_BEGAN, _SEEN, _PROVED, _BY_TICKET, _CODE = "began", "seen", "proved", "by_ticket", "code"


def begin_session(request: HttpRequest, *, at: dt.datetime, by_ticket: bool) -> None:
    """Note when a session began, and whether an operator's word began it in place of a password."""
    request.session[_BEGAN] = request.session[_SEEN] = request.session[_PROVED] = at.isoformat()
    request.session[_BY_TICKET] = by_ticket


def begin_on_login(*, request: HttpRequest, user: User, **_: Any) -> None:
    """Note a log-in, and whether it has to be followed by a one-time code; receives `user_logged_in`."""
    begin_session(request, at=timezone.now(), by_ticket=False)
    request.session[_CODE] = bool(settings.LOOTBOX_STAFF_SECOND_FACTOR or user_has_device(user))


def came_by_ticket(request: HttpRequest) -> bool:
    """Return whether an operator's word began this session."""
    return bool(request.session.get(_BY_TICKET))


def proved_lately(request: HttpRequest, *, at: dt.datetime) -> bool:
    """Return whether the person said who they are within the last minutes, as actions on money and secrets want."""
    proved = _moment(request, _PROVED)
    return proved is not None and at - proved < dt.timedelta(seconds=settings.LOOTBOX_STAFF_PROOF_S)


def note_proof(request: HttpRequest, *, at: dt.datetime) -> None:
    """Note that the person has just said who they are."""
    request.session[_PROVED] = at.isoformat()


def needs_second_factor(request: HttpRequest) -> bool:
    """Return whether a session begun by a password still lacks its one-time code."""
    user = request.user
    if came_by_ticket(request) or not request.session.get(_CODE):
        return False
    return not user.is_verified()  # type: ignore[union-attr]


class StaffSessions:
    """End sessions of the back-office that were idle too long or have lasted long enough."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Wrap the rest of the request's way."""
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request, or the log-in page once the session's time is over."""
        if not request.path.startswith(ADMIN):
            return self._get_response(request)
        response = self._answer(request)
        # Under the site's policy `no-referrer` browsers send forms with `Origin: null`, which the CSRF check refuses.
        response.headers.setdefault("Referrer-Policy", "same-origin")
        return response

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        if request.user.is_authenticated:
            now = timezone.now()
            if self._over(request, now):
                logout(request)
                messages.info(request, "Your session has ended. Log in again to go on.")
                return redirect_to_login(request.get_full_path(), f"{ADMIN}login/")
            seen = _moment(request, _SEEN)
            if seen is None or now - seen > SEEN_STEP:
                request.session[_SEEN] = now.isoformat()
            if request.path not in _BEFORE_SECOND_FACTOR and needs_second_factor(request):
                return redirect_to_login(request.get_full_path(), f"{ADMIN}second-factor/")
        return self._get_response(request)

    @staticmethod
    def _over(request: HttpRequest, now: dt.datetime) -> bool:
        began, seen = _moment(request, _BEGAN), _moment(request, _SEEN)
        return (
            began is None
            or seen is None
            or now - seen > dt.timedelta(seconds=settings.LOOTBOX_STAFF_IDLE_S)
            or now - began > dt.timedelta(seconds=settings.LOOTBOX_STAFF_SESSION_S)
        )


def _moment(request: HttpRequest, name: str) -> dt.datetime | None:
    text = request.session.get(name)
    return parse_moment(text) if text else None
