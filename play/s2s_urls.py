"""Addresses below `/api/s2s/`."""

from django.urls import path

from play.views.launches import LaunchesView

urlpatterns = [path("launches", LaunchesView.as_view())]
