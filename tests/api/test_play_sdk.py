"""`GET /sdk/games-core.js`."""

from django.test import Client


class TestSdk:
    def test_is_a_module_for_pages_of_any_origin(self) -> None:
        answer = Client().get("/sdk/games-core.js")

        assert answer.status_code == 200
        assert answer["Content-Type"].startswith("text/javascript")
        assert answer["Access-Control-Allow-Origin"] == "*"
        assert "max-age=300" in answer["Cache-Control"]
        assert b"export const LBS" in b"".join(answer.streaming_content)  # type: ignore[attr-defined]
