"""All addresses; each app says its own."""

from django.urls import URLPattern, URLResolver, include, path, re_path

from operators.views import UnknownView

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/s2s/", include("operators.urls")),
    path("api/s2s/", include("catalog.urls")),
    path("api/s2s/", include("purchases.urls")),
    path("api/s2s/", include("vault.urls")),
    path("api/s2s/", include("webhooks.urls")),
    path("api/s2s/", include("play.s2s_urls")),
    re_path(r"^api/s2s/", UnknownView.as_view()),
    path("", include("purchases.public_urls")),
    path("", include("play.urls")),
]
