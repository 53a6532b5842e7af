"""`GET /play`: the shell of the game app, framed by its operator's pages and nobody else's (contract section 8)."""

import re
import secrets
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.clickjacking import xframe_options_exempt

from operators.authentication import host_operator
from operators.models import Operator
from play import selectors
from play.models import Launch
from play.services import sessions

# What may stand in a custom property: colours, sizes, font names. Nothing that ends the property or fetches anything.
_TOKEN_NAME: Final = re.compile(r"[a-z][A-Za-z0-9]{0,39}")
_TOKEN_VALUE: Final = re.compile(r"[A-Za-z0-9#%., ()-]{1,100}")
_UPPER: Final = re.compile(r"[A-Z]")


@method_decorator(xframe_options_exempt, name="dispatch")
class AppView(View):
    """The page that boots the game app. It only looks at the launch token: `session/init` consumes it."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Answer the shell for the operator that the token, the subdomain or `operator` names."""
        slug, token = host_operator(request), request.GET.get("token", "")
        launch = sessions.find_launch(token=token, slug=slug)
        named = slug or request.GET.get("operator", "")
        operator = launch.operator if launch else selectors.find_operator(slug=named)
        if operator is None or operator.suspended:
            status = 404 if operator is None else 403
            return _page(request, "play/closed.html", {"operator": operator}, operator=operator, status=status)
        locale = _locale(request, operator, launch)
        context = {
            "operator": operator,
            "locale": locale,
            "theme": custom_properties(operator.theme),
            "config": {
                "operator": operator.slug,
                "name": operator.name,
                "locale": locale,
                "logoUrl": operator.logo_url or None,
                "origins": operator.origins,
                "locales": operator.locales,
                "currencies": operator.currencies,
                "returnUrl": (launch.return_url or None) if launch else None,
            },
        }
        with translation.override(locale):
            return _page(request, "play/app.html", context, operator=operator)


def custom_properties(theme: dict[str, str]) -> dict[str, str]:
    """Return the theme's tokens as CSS custom properties: `brandColor` is `--brand-color`. What is not plain is left out."""
    return {
        "--" + _UPPER.sub(lambda upper: f"-{upper[0].lower()}", name): value
        for name, value in theme.items()
        if _TOKEN_NAME.fullmatch(name) and _TOKEN_VALUE.fullmatch(value)
    }


def _locale(request: HttpRequest, operator: Operator, launch: Launch | None) -> str:
    asked = launch.locale if launch else request.GET.get("locale", "")
    return asked if asked in operator.locales else operator.default_locale


def _page(
    request: HttpRequest, template: str, context: dict[str, Any], *, operator: Operator | None, status: int = 200
) -> HttpResponse:
    nonce = secrets.token_urlsafe(16)
    response = render(request, template, context | {"nonce": nonce}, status=status)
    response["Content-Security-Policy"] = _policy(nonce, operator.origins if operator else [])
    response["Cache-Control"] = "no-store"
    return response


def _policy(nonce: str, origins: list[str]) -> str:
    # Pictures of boxes and logos lie where the operator keeps them; on a machine of a developer's that may be plain http.
    pictures = "https: http:" if settings.LOOTBOX_ALLOW_PRIVATE_URLS else "https:"
    ancestors = " ".join(origins) or "'none'"
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self' 'nonce-{nonce}'",
            f"style-src 'self' 'nonce-{nonce}'",
            f"img-src 'self' data: {pictures}",
            "font-src 'self'",
            "media-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            f"frame-ancestors {ancestors}",
        ]
    )
