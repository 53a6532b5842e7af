"""What is below /api/ passes no session, no account and no form protection on its way, so it must need none."""

from collections.abc import Iterator

from django.urls import URLPattern, URLResolver, get_resolver

from lootbox.core.views import ApiView


def addresses(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Yield every address with its pattern."""
    for pattern in resolver.url_patterns:
        address = prefix + str(pattern.pattern).removeprefix("^")
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern, address)
        else:
            yield address, pattern


class TestEveryAddressBelowApi:
    def test_is_answered_by_an_api_view(self) -> None:
        views = {address: found.callback for address, found in addresses(get_resolver()) if address.startswith("api/")}
        assert len(views) > 30
        others = [address for address, view in views.items() if not issubclass(getattr(view, "view_class", object), ApiView)]
        assert others == [], "derive these views from lootbox.core.views.ApiView, or put them elsewhere than below /api/"

    def test_names_its_callers_by_no_cookie(self) -> None:
        for address, found in addresses(get_resolver()):
            if address.startswith("api/"):
                view = found.callback.view_class  # type: ignore[attr-defined]  # as_view puts it there
                names = {scheme.__name__ for scheme in view.authentication_classes}
                assert names <= {"SignedRequest", "BearerSession"}, f"{address} must not let in who has a cookie"
