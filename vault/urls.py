"""Addresses below `/api/s2s/`."""

from django.urls import path

from vault.views import CashoutView, InventoryView, OrdersView, OrderView

urlpatterns = [
    path("cashout", CashoutView.as_view()),
    path("inventory", InventoryView.as_view()),
    path("shipping/orders", OrdersView.as_view()),
    path("shipping/orders/<str:public_id>", OrderView.as_view()),
]
