"""Addresses below `/api/s2s/`."""

from django.urls import path

from finance.views import ExportsView, LedgerView

urlpatterns = [path("ledger", LedgerView.as_view()), path("exports", ExportsView.as_view())]
