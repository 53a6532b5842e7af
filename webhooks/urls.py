"""Addresses below `/api/s2s/`."""

from django.urls import path

from webhooks.views import EventsView

urlpatterns = [path("events", EventsView.as_view())]
