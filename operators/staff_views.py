"""Pages on which people of the back-office say who they are."""

import io
from typing import Any

import qrcode
import qrcode.image.svg
from django import forms
from django.contrib import admin, messages
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.contrib.auth.views import PasswordResetConfirmView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse_lazy
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django_otp import login as otp_login
from django_otp import match_token, user_has_device
from django_otp.plugins.otp_totp.models import TOTPDevice

from operators.staff_sessions import ADMIN, came_by_ticket, note_proof


class PasswordForm(forms.Form):
    """The person's password once more."""

    password = forms.CharField(
        strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True})
    )


class CodeForm(forms.Form):
    """A one-time code."""

    code = forms.CharField(
        label="Code of six digits",
        max_length=6,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True}),
    )


def prove(request: HttpRequest) -> HttpResponse:
    """Have the person type their password again, before an action on money or secrets."""
    form = PasswordForm(request.POST or None)
    if form.is_valid():
        known = authenticate(request, username=request.user.get_username(), password=form.cleaned_data["password"])
        if known == request.user:
            note_proof(request, at=timezone.now())
            return _go_on(request)
        form.add_error("password", "That is not your password.")
    return _page(request, "admin/prove.html", "Is it you?", form=form, by_ticket=came_by_ticket(request))


def second_factor(request: HttpRequest) -> HttpResponse:
    """Ask for a one-time code; who has no device yet sets one up with it."""
    assert isinstance(request.user, User)
    form, enrolled = CodeForm(request.POST or None), user_has_device(request.user)
    if not enrolled:
        TOTPDevice.objects.get_or_create(user=request.user, confirmed=False, defaults={"name": "authenticator app"})
    device = TOTPDevice.objects.filter(user=request.user, confirmed=enrolled).first()
    assert device is not None
    if form.is_valid():
        if enrolled:
            matched = match_token(request.user, form.cleaned_data["code"])
        else:
            matched = device if device.verify_token(form.cleaned_data["code"]) else None
        if matched is not None:
            TOTPDevice.objects.filter(pk=matched.pk).update(confirmed=True)
            otp_login(request, matched)
            return _go_on(request)
        form.add_error("code", "That code does not hold. Wait for the next one and type it.")
    qr = None if enrolled else _svg(device.config_url)
    return _page(request, "admin/second_factor.html", "Second factor", form=form, qr=qr)


class SetPassword(PasswordResetConfirmView):
    """Where whoever has an account's one-time link sets its password."""

    template_name = "admin/set_password.html"
    success_url = reverse_lazy("admin:login")

    def form_valid(self, form: Any) -> HttpResponse:
        """Keep the password and go to the log-in page."""
        messages.success(self.request, "Your password is set. Log in with it.")
        return super().form_valid(form)


def _svg(text: str) -> str:
    image = io.BytesIO()
    qrcode.make(text, image_factory=qrcode.image.svg.SvgPathImage, box_size=12).save(image)
    return image.getvalue().decode().partition("?>")[2]


def _go_on(request: HttpRequest) -> HttpResponseRedirect:
    wanted = request.GET.get("next", "")
    safe = wanted.startswith(ADMIN) and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    return HttpResponseRedirect(wanted if safe else ADMIN)


def _page(request: HttpRequest, template: str, title: str, **context: Any) -> TemplateResponse:
    return TemplateResponse(request, template, {**admin.site.each_context(request), "title": title, **context})
