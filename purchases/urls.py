"""Addresses below `/api/s2s/`."""

from django.urls import path

from purchases.views import HistoryView, PurchaseView, RoundView

urlpatterns = [
    path("purchase", PurchaseView.as_view()),
    path("rounds/<str:public_id>", RoundView.as_view()),
    path("history", HistoryView.as_view()),
]
