"""Addresses below `/api/s2s/`."""

from django.urls import path

from catalog.views import BoxesView, BoxVersionView, BoxView

urlpatterns = [
    path("boxes", BoxesView.as_view()),
    path("boxes/<int:box_id>", BoxView.as_view()),
    path("boxes/<int:box_id>/version", BoxVersionView.as_view()),
]
