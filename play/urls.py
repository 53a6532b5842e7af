"""The player API below `/api/play/`, and the game app's page."""

from django.urls import path, re_path

from play.views import base, boxes, fairness, items, page, rounds, sdk, sessions

urlpatterns = [
    path("play", page.AppView.as_view()),
    path("sdk/games-core.js", sdk.SdkView.as_view()),
    path("api/play/session/init", sessions.InitView.as_view()),
    path("api/play/session/heartbeat", sessions.HeartbeatView.as_view()),
    path("api/play/session/logout", sessions.LogoutView.as_view()),
    path("api/play/session/currency", sessions.CurrencyView.as_view()),
    path("api/play/session/locale", sessions.LocaleView.as_view()),
    path("api/play/boxes", boxes.BoxesView.as_view()),
    path("api/play/boxes/<int:box_id>", boxes.BoxView.as_view()),
    path("api/play/rounds", rounds.RoundsView.as_view()),
    path("api/play/rounds/open", rounds.OpenRoundView.as_view()),
    path("api/play/rounds/cancel", rounds.CancelRoundView.as_view()),
    path("api/play/rounds/<str:public_id>", rounds.RoundView.as_view()),
    path("api/play/vault", rounds.VaultView.as_view()),
    path("api/play/inventory", items.InventoryView.as_view()),
    path("api/play/inventory/<int:item_id>/cashback", items.CashbackView.as_view()),
    path("api/play/shipping/orders", items.OrdersView.as_view()),
    path("api/play/shipping/orders/<str:public_id>", items.OrderView.as_view()),
    path("api/play/wallet/balance", sessions.BalanceView.as_view()),
    path("api/play/fairness/state", fairness.StateView.as_view()),
    path("api/play/fairness/rotate", fairness.RotateView.as_view()),
    path("api/play/guest/bootstrap", boxes.GuestView.as_view()),
    re_path(r"^api/play/", base.UnknownView.as_view()),
]
