"""Signed requests to the platform, and nothing else. Contract sections 2, 4, 5 and 8."""

import http.client
import json
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import signing

# The platform gives our wallet 10 s, so its own answer can take a little longer.
TIMEOUT_S = 15


class PlatformError(Exception):
    """The platform could not be reached, or answered something other than what was asked; the message says which."""


@dataclass(frozen=True)
class Reply:
    status: int
    body: dict[str, Any]


@dataclass(frozen=True)
class Platform:
    url: str
    key_id: str
    secret: str

    def boxes(self, *, now: int) -> list[dict[str, Any]]:
        """Return the boxes on sale, cheapest first, at most 200. Raises PlatformError."""
        boxes: list[dict[str, Any]] = self._read("/api/s2s/boxes", query="?sort=price&perPage=200", now=now)["boxes"]
        return boxes

    def box(self, box_id: int, *, now: int) -> dict[str, Any]:
        """Return one box with its prizes and their odds. Raises PlatformError."""
        box: dict[str, Any] = self._read(f"/api/s2s/boxes/{box_id}", now=now)["box"]
        return box

    def purchase(self, wanted: dict[str, object], *, now: int) -> Reply:
        """Buy and open. Raises PlatformError if no answer came: then ask again with the same clientActionId."""
        return self._call("POST", "/api/s2s/purchase", body=json.dumps(wanted).encode(), now=now)

    def launch(self, wanted: dict[str, object], *, now: int) -> str:
        """Return the address that opens the game for a player, once and within a minute. Raises PlatformError."""
        # The same signed request again answers the same, used address; an id of its own makes each click another request.
        body = json.dumps(wanted | {"gameKey": "mystery_box", "requestId": str(uuid.uuid4())}).encode()
        reply = self._call("POST", "/api/s2s/launches", body=body, now=now)
        if reply.status != 201:
            raise _unexpected(reply)
        address: str = reply.body["launchUrl"]
        return address

    def _read(self, path: str, *, query: str = "", now: int) -> dict[str, Any]:
        reply = self._call("GET", path, query=query, now=now)
        if reply.status != 200:
            raise _unexpected(reply)
        return reply.body

    def _call(self, method: str, path: str, *, query: str = "", body: bytes = b"", now: int) -> Reply:
        url = urlsplit(self.url)
        connect = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        connection = connect(url.netloc, timeout=TIMEOUT_S)
        # The query is not part of what is signed.
        headers = signing.signed_headers(self.key_id, self.secret, method=method, path=path, body=body, now=now)
        try:
            connection.request(method, path + query, body=body, headers=headers | {"Content-Type": "application/json"})
            response = connection.getresponse()
            return Reply(status=response.status, body=json.loads(response.read()))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise PlatformError(f"No answer from the platform at {self.url}: {error}") from error
        finally:
            connection.close()


def _unexpected(reply: Reply) -> PlatformError:
    error = reply.body.get("error", {})
    return PlatformError(f"The platform answered {reply.status} {error.get('code')}: {error.get('message')}")
