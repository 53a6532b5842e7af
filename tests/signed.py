"""An operator's backend as tests play it: every request signed, answers as JSON."""

import json
import time
from dataclasses import dataclass
from typing import Any

from django.test import Client

from lootbox.core import signing
from tests import openapi


@dataclass
class Answer:
    """What came back."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]

    @property
    def code(self) -> str | None:
        """Return the error's code, None for none."""
        error = self.body.get("error")
        return error["code"] if error else None


def answer_of(response: Any, *, method: str, address: str, raw: bytes = b"") -> Answer:
    """Return what came back, after having held it against the API's description; so too what was sent, if it was accepted."""
    headers = dict(response.headers)
    openapi.check_answer(method=method, address=address, status=response.status_code, headers=headers, body=response.content)
    if response.status_code < 300:
        openapi.check_request(method=method, address=address, body=raw)
    return Answer(response.status_code, json.loads(response.content) if response.content else {}, headers)


class SignedClient:
    """Signs with one key, through Django's test client."""

    def __init__(self, *, key_id: str, secret: str, host: str = "127.0.0.1") -> None:
        """Sign with this key, as if called at `host`."""
        self.key_id = key_id
        self.secret = secret
        self.host = host

    def get(self, path: str, **headers: str) -> Answer:
        """Send a signed GET; `path` may carry a query."""
        return self.send("GET", path, b"", headers)

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        """Send a signed POST of a JSON value."""
        return self.send("POST", path, json.dumps(body).encode(), headers)

    def put(self, path: str, body: Any, **headers: str) -> Answer:
        """Send a signed PUT of a JSON value."""
        return self.send("PUT", path, json.dumps(body).encode(), headers)

    def send(self, method: str, path: str, raw: bytes, headers: dict[str, str] | None = None) -> Answer:
        """Send exact bytes, signed. A header of the envelope that is given stands in place of ours."""
        timestamp = str(int(time.time()))
        signature = signing.sign(secret=self.secret, timestamp=timestamp, method=method, path=path.partition("?")[0], body=raw)
        sent = {
            "Host": self.host,
            "X-Key-Id": self.key_id,
            "X-Timestamp": timestamp,
            "X-Signature": signature,
            **{name.replace("_", "-"): value for name, value in (headers or {}).items()},
        }
        response = Client().generic(method, path, raw, content_type="application/json", headers=sent, RAW_URI=path)
        return answer_of(response, method=method, address=path, raw=raw)
