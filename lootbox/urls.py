"""All addresses; each app says its own."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.generic import RedirectView

from lootbox.openapi import description
from operators.sso_views import come_in
from operators.views import UnknownView

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/s2s/", include("operators.urls")),
    path("api/s2s/", include("catalog.urls")),
    path("api/s2s/", include("purchases.urls")),
    path("api/s2s/", include("vault.urls")),
    path("api/s2s/", include("webhooks.urls")),
    path("api/s2s/", include("play.s2s_urls")),
    path("api/s2s/", include("finance.urls")),
    re_path(r"^api/s2s/", UnknownView.as_view()),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/sso", come_in),
    path("admin/", admin.site.urls),
    path("openapi.yaml", description),
    path("", include("purchases.public_urls")),
    path("", include("finance.public_urls")),
    path("", include("play.urls")),
]
