"""Addresses below `/api/s2s/`."""

from django.urls import path

from operators.views import HealthView

urlpatterns = [path("health", HealthView.as_view())]
