"""Addresses that need no key, relative to the root: what they give, the link itself allows."""

from django.urls import path

from finance.views import LinkView

urlpatterns = [path("exports/<str:token>", LinkView.as_view(), name="export-link")]
