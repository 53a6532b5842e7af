"""Addresses below `/api/s2s/`."""

from django.urls import path

from finance.views import LedgerView

urlpatterns = [path("ledger", LedgerView.as_view())]
