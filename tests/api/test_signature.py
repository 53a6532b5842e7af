"""Contract section 2: who may come in."""

import json
import time

import pytest
from django.test import Client
from django.utils import timezone

from lootbox.core import signing
from operators import services
from operators.services import NewOperator
from tests.signed import SignedClient

SECRET = "demo-secret-not-real"


class TestTheVectors:
    def test_hold_for_a_get(self) -> None:
        signature = signing.sign(secret=SECRET, timestamp="1790000000", method="GET", path="/api/s2s/health", body=b"")
        assert signature == "2bb9390f885030dc190882b01180cce2a215f6bccad70459967f9f778d3d52b6"

    def test_hold_for_a_post(self) -> None:
        body = b'{"playerExternalId":"p_1001","roundPublicId":"r_demo1"}'
        signature = signing.sign(secret=SECRET, timestamp="1790000000", method="POST", path="/api/s2s/cancel", body=body)
        assert signature == "0fb1d3b0326492b2d7de3716414c28d64bfaca93e1398df2eb4bbb60daa598f0"


class TestHealth:
    def test_answers_a_signed_request(self, s2s: SignedClient) -> None:
        answer = s2s.get("/api/s2s/health")
        assert answer.status == 200
        assert answer.body["status"] == "ok"
        assert answer.body["time"].endswith("Z")
        assert answer.headers["X-Request-Id"]

    def test_says_which_headers_are_missing(self) -> None:
        response = Client().get("/api/s2s/health")
        error = json.loads(response.content)["error"]
        assert (response.status_code, error["code"]) == (401, "MISSING_HEADERS")
        assert error["requestId"] == response["X-Request-Id"]
        assert error["retryable"] is False

    @pytest.mark.parametrize(
        ("timestamp", "code"),
        [
            (lambda now: str(now - 302), "TIMESTAMP_SKEW"),
            (lambda now: str(now + 302), "TIMESTAMP_SKEW"),
            (lambda _: "9" * 20, "TIMESTAMP_SKEW"),
            (lambda now: f"+{now}", "INVALID_SIGNATURE"),
            (lambda now: f"0{now}", "INVALID_SIGNATURE"),
            (lambda now: f"{now}.0", "INVALID_SIGNATURE"),
            (lambda _: "1e9", "INVALID_SIGNATURE"),
            (lambda _: "NaN", "INVALID_SIGNATURE"),
            (lambda now: f"{now},{now}", "INVALID_SIGNATURE"),
        ],
    )
    def test_refuses_odd_timestamps(self, s2s: SignedClient, timestamp: object, code: str) -> None:
        text = timestamp(int(time.time()))  # type: ignore[operator]
        signature = signing.sign(secret=s2s.secret, timestamp=text, method="GET", path="/api/s2s/health", body=b"")
        answer = s2s.get("/api/s2s/health", X_Timestamp=text, X_Signature=signature)
        assert (answer.status, answer.code) == (401, code)

    @pytest.mark.parametrize("change", [str.upper, lambda text: text[:-1], lambda text: text + "0", lambda _: "é" * 64])
    def test_refuses_odd_signatures(self, s2s: SignedClient, change: object) -> None:
        now = str(int(time.time()))
        good = signing.sign(secret=s2s.secret, timestamp=now, method="GET", path="/api/s2s/health", body=b"")
        answer = s2s.get("/api/s2s/health", X_Timestamp=now, X_Signature=change(good))  # type: ignore[operator]
        assert (answer.status, answer.code) == (401, "INVALID_SIGNATURE")

    def test_refuses_an_unknown_and_a_revoked_key(self, acme: NewOperator, s2s: SignedClient) -> None:
        stranger = SignedClient(key_id="igk_live_nobody", secret=s2s.secret)
        assert stranger.get("/api/s2s/health").code == "INVALID_SIGNATURE"
        assert s2s.get("/api/s2s/health").status == 200
        services.revoke_key(key_id=acme.key.key_id, at=acme.operator.created_at)
        assert s2s.get("/api/s2s/health").code == "INVALID_SIGNATURE"

    def test_refuses_a_suspended_operator_after_its_signature(self, acme: NewOperator, s2s: SignedClient) -> None:
        services.change_settings(operator=acme.operator, changes={}, suspended=True, at=timezone.now())
        assert s2s.get("/api/s2s/health").code == "TENANT_SUSPENDED"
        assert s2s.get("/api/s2s/health", X_Signature="0" * 64).code == "INVALID_SIGNATURE"

    def test_answers_on_its_own_host_only(self, s2s: SignedClient) -> None:
        own = SignedClient(key_id=s2s.key_id, secret=s2s.secret, host="acme.localhost:8000")
        other = SignedClient(key_id=s2s.key_id, secret=s2s.secret, host="stranger.localhost:8000")
        assert own.get("/api/s2s/health").status == 200
        assert other.get("/api/s2s/health").code == "INVALID_SIGNATURE"


class TestUnknownAddresses:
    def test_are_not_found_when_signed_and_unauthorised_when_not(self, s2s: SignedClient) -> None:
        assert s2s.get("/api/s2s/nothing").code == "NOT_FOUND"
        assert Client().get("/api/s2s/nothing").status_code == 401

    def test_a_wrong_method_is_told_to_the_signed_only(self, s2s: SignedClient) -> None:
        assert s2s.post("/api/s2s/health", {}).code == "METHOD_NOT_ALLOWED"
        assert Client().post("/api/s2s/health").status_code == 401
