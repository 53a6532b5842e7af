"""`GET /sdk/games-core.js`: what a casino's page imports to embed the game (contract section 8)."""

from pathlib import Path
from typing import Final

from django.http import FileResponse, HttpRequest
from django.views import View

_FILE: Final = Path(__file__).parent.parent / "static" / "sdk" / "games-core.js"
# Short: a mended SDK reaches every casino within minutes, though its address never changes.
_CACHED: Final = "public, max-age=300"


class SdkView(View):
    """The browser SDK, for pages of any origin: it holds nothing that is anybody's."""

    def get(self, request: HttpRequest) -> FileResponse:  # noqa: ARG002 - Django's signature
        """Answer the module."""
        headers = {
            "Access-Control-Allow-Origin": "*",
            "Cross-Origin-Resource-Policy": "cross-origin",
            "Cache-Control": _CACHED,
        }
        return FileResponse(_FILE.open("rb"), content_type="text/javascript; charset=utf-8", headers=headers)
