"""Addresses below `/api/s2s/`."""

from django.urls import path

from purchases.views import CancelView, HistoryView, LimitsView, PurchaseView, RoundView

urlpatterns = [
    path("purchase", PurchaseView.as_view()),
    path("cancel", CancelView.as_view()),
    path("players/<path:player>/limits", LimitsView.as_view()),
    path("rounds/<str:public_id>", RoundView.as_view()),
    path("history", HistoryView.as_view()),
]
