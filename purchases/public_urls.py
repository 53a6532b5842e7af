"""Addresses that need no key, relative to the root."""

from django.urls import path

from purchases.public_views import RoundView, SnapshotView

urlpatterns = [
    path("fairness/box-version/<int:version_id>/snapshot", SnapshotView.as_view(), name="box-version-snapshot"),
    path("fairness/rounds/<str:public_id>", RoundView.as_view(), name="round-proof"),
]
