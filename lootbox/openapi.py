"""`GET /openapi.yaml`: the API's description, the very file that the tests hold every answer against."""

from typing import Final

from django.conf import settings
from django.http import FileResponse, HttpRequest
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

FILE: Final = settings.BASE_DIR / "docs" / "openapi.yaml"


@csrf_exempt  # nothing to protect, and what is wrong with a POST is the method
@require_safe
def description(request: HttpRequest) -> FileResponse:  # noqa: ARG001 - Django's signature
    """Answer the document to whoever asks."""
    headers = {"Cache-Control": "public, max-age=300"}
    return FileResponse(FILE.open("rb"), content_type="application/yaml", headers=headers)
