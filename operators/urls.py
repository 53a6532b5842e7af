"""Addresses below `/api/s2s/`."""

from django.urls import path

from operators.sso_views import AdminSsoView
from operators.views import HealthView

urlpatterns = [path("health", HealthView.as_view()), path("admin-sso", AdminSsoView.as_view())]
