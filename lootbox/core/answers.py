"""What an API view answers: JSON, written at once."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse

from lootbox.core import strict_json


class Answer(HttpResponse):
    """A JSON answer. The framework's own is a template that is rendered later, by a renderer that was negotiated."""

    def __init__(self, data: Any = None, *, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Answer `data`, or nothing where it is None."""
        body = b"" if data is None else strict_json.compact(data)
        super().__init__(body, content_type="application/json", status=status, headers=headers)
