"""The back-office's site: its navigation and its front page."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.urls import URLPattern, path, reverse

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite
else:
    from unfold.sites import UnfoldAdminSite as AdminSite


class BackOffice(AdminSite):
    """The one administration site."""

    site_title = "LootBox back-office"
    index_title = "Overview"
    index_template = "admin/overview.html"

    def extra_urls(self) -> Sequence[URLPattern]:
        """Return the pages beside those of models."""
        # Models are not loaded yet when the site is made.
        from finance.admin import dashboard, reports, rtp  # noqa: PLC0415
        from operators import guided_views, staff_views  # noqa: PLC0415
        from purchases import unresolved_views  # noqa: PLC0415

        return [
            path("prove/", self.admin_view(staff_views.prove), name="prove"),
            path("act/<slug:name>/", self.admin_view(guided_views.act_many), name="act_many"),
            path("act/<slug:name>/<key>/", self.admin_view(guided_views.act), name="act"),
            path("make/<slug:name>/", self.admin_view(guided_views.make), name="make"),
            path("dashboard/", self.admin_view(dashboard.show), name="dashboard"),
            path("reports/", self.admin_view(reports.revenue_page), name="finance_reports"),
            path("reports/rounds/", self.admin_view(reports.rounds_page), name="finance_rounds"),
            path("reports/file/", self.admin_view(reports.make_file), name="finance_export_make"),
            path("liability/", self.admin_view(reports.liability_page), name="finance_liability"),
            path("rtp/", self.admin_view(rtp.overview), name="finance_rtp_watch"),
            path("rtp/<int:version_id>/", self.admin_view(rtp.of_version), name="finance_rtp"),
            path("unresolved/", self.admin_view(unresolved_views.unresolved_money), name="unresolved"),
            path("set-password/<uidb64>/<token>/", staff_views.SetPassword.as_view(), name="set_password"),
            path("second-factor/", self.admin_view(staff_views.second_factor), name="second_factor"),
        ]

    def has_permission(self, request: HttpRequest) -> bool:
        """Return whether the account may come in at all; what it sees inside follows from roles and memberships."""
        return isinstance(request.user, User) and request.user.is_active and request.user.is_staff


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the groups of the sidebar, of pages that the person may see."""
    groups = [(title, [_item(request, *page) for page in pages]) for title, pages in NAVIGATION]
    return [
        {"title": title, "separator": bool(title), "items": shown}
        for title, items in groups
        if (shown := [item for item in items if item is not None])
    ]


def _item(request: HttpRequest, title: str, icon: str, view: str, permission: str) -> dict[str, Any] | None:
    if permission and not (isinstance(request.user, User) and request.user.has_perm(permission)):
        return None
    return {"title": title, "icon": icon, "link": reverse(f"admin:{view}")}


NAVIGATION: Sequence[tuple[str, Sequence[tuple[str, str, str, str]]]] = (
    ("", [("Overview", "home", "index", ""), ("Dashboard", "monitoring", "dashboard", "operators.see_dashboard")]),
    (
        "Play",
        [
            ("Rounds", "casino", "purchases_round_changelist", "purchases.view_round"),
            ("Players", "person", "operators_player_changelist", "operators.view_player"),
            ("Won items", "redeem", "vault_inventoryitem_changelist", "vault.view_inventoryitem"),
            ("Orders", "local_shipping", "vault_shippingorder_changelist", "vault.view_shippingorder"),
        ],
    ),
    (
        "Money",
        [
            ("Unresolved money", "hourglass_top", "unresolved", "wallet.view_walletcall"),
            ("Wallet calls", "account_balance_wallet", "wallet_walletcall_changelist", "wallet.view_walletcall"),
            ("Statements", "fact_check", "finance_statement_changelist", "finance.view_statement"),
            ("Closed days", "event_available", "finance_closedday_changelist", "finance.view_closedday"),
            ("Flags", "flag", "finance_flag_changelist", "finance.view_flag"),
            ("RTP watch", "query_stats", "finance_rtp_watch", "finance.view_flag"),
            ("Second person", "how_to_reg", "operators_actionrequest_changelist", "operators.view_actionrequest"),
        ],
    ),
    (
        "Finance",
        [
            ("Reports", "bar_chart", "finance_reports", "finance.see_reports"),
            ("Liability", "hourglass_top", "finance_liability", "finance.see_reports"),
            ("Exports", "download", "finance_export_changelist", "finance.view_export"),
        ],
    ),
    (
        "Catalogue",
        [
            ("Boxes", "deployed_code", "catalog_box_changelist", "catalog.view_box"),
            ("Drafts", "edit_note", "catalog_boxdraft_changelist", "catalog.view_boxdraft"),
            ("Items", "category", "catalog_item_changelist", "catalog.view_item"),
            ("Attributes", "label", "catalog_attribute_changelist", "catalog.view_attribute"),
            ("Import and export", "swap_vert", "catalog_catalogueupload_changelist", "catalog.view_catalogueupload"),
            ("Exchange rates", "currency_exchange", "catalog_exchangerate_changelist", "catalog.view_exchangerate"),
        ],
    ),
    (
        "Webhooks",
        [
            ("Deliveries", "bolt", "webhooks_delivery_changelist", "webhooks.view_delivery"),
            ("Endpoints", "hub", "webhooks_endpoint_changelist", "webhooks.view_endpoint"),
        ],
    ),
    (
        "House",
        [
            ("Operators", "domain", "operators_operator_changelist", "operators.view_operator"),
            ("Keys", "key", "operators_apikey_changelist", "operators.view_apikey"),
            ("People", "badge", "auth_user_changelist", "auth.view_user"),
            ("Audit log", "history", "operators_auditentry_changelist", "operators.view_auditentry"),
        ],
    ),
)
