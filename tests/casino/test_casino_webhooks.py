"""The casino's webhook receiver."""

import json
import time
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from tests.casino.caller import OUTBOUND_SECRET, Answer, Client

EVENT = {
    "id": "evt_1",
    "type": "round_settled",
    "occurredAt": "2026-06-03T12:00:05Z",
    "playerExternalId": "u_1",
    "data": {"round": {"publicId": "r_1"}},
}
BODY = json.dumps(EVENT).encode()


def headers(casino: Client, body: bytes = BODY) -> dict[str, str]:
    """Return both sets of headers, the second one made by the library that integrators use."""
    now = int(time.time())
    signature = Webhook(OUTBOUND_SECRET).sign("evt_1", datetime.fromtimestamp(now, UTC), body.decode())
    standard = {"webhook-id": "evt_1", "webhook-timestamp": str(now), "webhook-signature": signature}
    return casino.signed("/webhooks", body, now=now) | standard


def deliver(casino: Client, **changed: str) -> Answer:
    return casino.send("POST", "/webhooks", BODY, headers(casino) | {k.replace("_", "-"): v for k, v in changed.items()})


class TestWebhooks:
    def test_are_taken_and_shown(self, casino: Client) -> None:
        answer = deliver(casino)
        assert (answer.status, answer.json) == (200, {"received": True, "new": True})
        page = casino.get("/calls").text
        assert "round_settled" in page
        assert "evt_1" in page
        assert "Repeat" not in page

    def test_that_come_again_are_known(self, casino: Client) -> None:
        deliver(casino)
        answer = deliver(casino)
        assert (answer.status, answer.json) == (200, {"received": True, "new": False})
        assert casino.get("/calls").text.count("Repeat") == 1

    @pytest.mark.parametrize(
        "changed",
        [
            {"X_Signature": "0" * 64},
            {"X_Timestamp": "1790000000"},
            {"webhook_signature": "v1,AAAA"},
            {"webhook_timestamp": "1790000000"},
            {"webhook_id": "evt_2"},
        ],
    )
    def test_with_one_of_the_two_signatures_wrong_are_refused(self, casino: Client, changed: dict[str, str]) -> None:
        assert deliver(casino, **changed).status == 401
        assert "evt_" not in casino.get("/calls").text
        assert deliver(casino).json["new"] is True

    def test_without_a_player_are_taken(self, casino: Client) -> None:
        body = json.dumps({"id": "evt_1", "type": "webhook_test", "playerExternalId": None, "data": {}}).encode()
        assert casino.send("POST", "/webhooks", body, headers(casino, body)).json["new"] is True
