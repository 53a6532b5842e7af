"""A player's browser as tests play it: the operator launches, the app holds the session's token, answers as JSON."""

import json
from typing import Any

from django.test import Client

from tests.signed import Answer, SignedClient, answer_of

LAUNCHES = "/api/s2s/launches"


def launch(s2s: SignedClient, **changes: Any) -> Answer:
    """Return the answer to a launch of player u_1 into the lobby."""
    body = {"playerExternalId": "u_1", "gameKey": "mystery_box"} | changes
    return s2s.post(LAUNCHES, {name: value for name, value in body.items() if value is not None})


def enter(s2s: SignedClient, *, host: str = "127.0.0.1", **changes: Any) -> "PlayClient":
    """Return the player's app after launch and init."""
    launched = launch(s2s, **changes)
    assert launched.status == 201, launched.body
    client = PlayClient(host=host)
    client.bootstrap = client.post("session/init", {"launchToken": launched.body["launchToken"]}).body
    client.token = client.bootstrap["sessionToken"]
    return client


class PlayClient:
    """Calls the player API with one session's token."""

    def __init__(self, token: str | None = None, *, host: str = "127.0.0.1") -> None:
        """Call with this token, as if at `host`."""
        self.token = token
        self.host = host
        self.bootstrap: dict[str, Any] = {}

    def get(self, path: str, **headers: str) -> Answer:
        """Send a GET; `path` is below `/api/play/` and may carry a query."""
        return self.send("GET", path, b"", headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        """Send a POST of a JSON value, or of nothing."""
        return self.send("POST", path, b"" if body is None else json.dumps(body).encode(), headers)

    def send(self, method: str, path: str, raw: bytes, headers: dict[str, str] | None = None) -> Answer:
        """Send exact bytes. A header that is given stands in place of ours."""
        sent = {"Host": self.host} | ({"Authorization": f"Bearer {self.token}"} if self.token else {})
        sent |= {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        address = f"/api/play/{path}"
        response = Client().generic(method, address, raw, content_type="application/json", headers=sent)
        return answer_of(response, method=method, address=address, raw=raw)
