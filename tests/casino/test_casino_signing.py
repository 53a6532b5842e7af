"""The casino's signatures: the contract's vectors, rotation, and Standard Webhooks against the library."""

from datetime import UTC, datetime
from email.message import Message

import pytest
import signing
from standardwebhooks import Webhook

SECRET, NOW = "demo-secret-not-real", 1790000000
BODY = b'{"playerExternalId":"p_1001","roundPublicId":"r_demo1"}'
OUTBOUND_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def headers(**values: str) -> Message:
    message = Message()
    for name, value in values.items():
        message[name.replace("_", "-")] = value
    return message


def is_signed(message: Message, *, body: bytes = BODY, path: str = "/api/s2s/cancel", now: int = NOW) -> bool:
    return signing.is_signed(SECRET, message, method="POST", path=path, body=body, now=now)


class TestSign:
    @pytest.mark.parametrize(
        ("method", "path", "body", "signature"),
        [
            ("GET", "/api/s2s/health", b"", "2bb9390f885030dc190882b01180cce2a215f6bccad70459967f9f778d3d52b6"),
            ("POST", "/api/s2s/cancel", BODY, "0fb1d3b0326492b2d7de3716414c28d64bfaca93e1398df2eb4bbb60daa598f0"),
        ],
    )
    def test_answers_the_contract_s_vectors(self, method: str, path: str, body: bytes, signature: str) -> None:
        assert signing.sign(SECRET, timestamp=str(NOW), method=method, path=path, body=body) == signature

    def test_makes_headers_that_hold(self) -> None:
        made = signing.signed_headers("igk_1", SECRET, method="POST", path="/api/s2s/cancel", body=BODY, now=NOW)
        assert made["X-Key-Id"] == "igk_1"
        assert is_signed(headers(**made))


class TestIsSigned:
    good = signing.sign(SECRET, timestamp=str(NOW), method="POST", path="/api/s2s/cancel", body=BODY)

    def test_accepts_the_secret_it_knows_in_either_header(self) -> None:
        other = "0" * 64
        assert is_signed(headers(X_Timestamp=str(NOW), X_Signature=self.good))
        assert is_signed(headers(X_Timestamp=str(NOW), X_Signature=other, X_Signature_Previous=self.good))
        assert not is_signed(headers(X_Timestamp=str(NOW), X_Signature=other, X_Signature_Previous=other))

    @pytest.mark.parametrize("signature", ["", "0" * 64, good.upper(), good[:-1], good + " ", "é" * 64, "\u0663" * 64])
    def test_refuses_any_other_signature(self, signature: str) -> None:
        assert not is_signed(headers(X_Timestamp=str(NOW), X_Signature=signature))

    def test_covers_body_and_path(self) -> None:
        message = headers(X_Timestamp=str(NOW), X_Signature=self.good)
        assert not is_signed(message, body=BODY + b" ")
        assert not is_signed(message, path="/api/s2s/cancel/")

    @pytest.mark.parametrize(("late", "holds"), [(300, True), (301, False), (-300, True), (-301, False)])
    def test_takes_300_seconds_and_no_more(self, late: int, holds: bool) -> None:  # noqa: FBT001 - a table's column
        assert is_signed(headers(X_Timestamp=str(NOW), X_Signature=self.good), now=NOW + late) is holds

    @pytest.mark.parametrize(
        "timestamp", ["", "+1790000000", "01790000000", "1790000000.0", "1_790_000_000", "\uff11790000000"]
    )
    def test_refuses_a_timestamp_that_is_no_plain_number(self, timestamp: str) -> None:
        signature = signing.sign(SECRET, timestamp=timestamp, method="POST", path="/api/s2s/cancel", body=BODY)
        assert not is_signed(headers(X_Timestamp=timestamp, X_Signature=signature))


class TestIsSignedWebhook:
    def signed_by_the_library(self, body: bytes = BODY, secret: str = OUTBOUND_SECRET) -> str:
        return Webhook(secret).sign("evt_1", datetime.fromtimestamp(NOW, UTC), body.decode())

    def holds(self, signature: str, *, event_id: str = "evt_1", now: int = NOW) -> bool:
        message = headers(webhook_id=event_id, webhook_timestamp=str(NOW), webhook_signature=signature)
        return signing.is_signed_webhook(OUTBOUND_SECRET, message, body=BODY, now=now)

    def test_accepts_what_the_library_signs(self) -> None:
        assert self.holds(self.signed_by_the_library())

    def test_accepts_one_good_signature_among_several(self) -> None:
        other = self.signed_by_the_library(secret="whsec_" + "A" * 44)
        assert self.holds(f"{other} v1a,xyz {self.signed_by_the_library()}")
        assert not self.holds(other)

    def test_refuses_another_body_event_or_time(self) -> None:
        assert not self.holds(self.signed_by_the_library(b"{}"))
        assert not self.holds(self.signed_by_the_library(), event_id="evt_2")
        assert not self.holds(self.signed_by_the_library(), event_id="")
        assert not self.holds(self.signed_by_the_library(), now=NOW + 301)
        assert not self.holds("é")
        assert not self.holds("")


class TestWebhookKey:
    @pytest.mark.parametrize("secret", ["", "whsec_", "MfKQ9r8G", "xwhsec_MfKQ9r8G", "whsec_not base64"])
    def test_refuses_what_is_no_outbound_secret(self, secret: str) -> None:
        with pytest.raises(ValueError, match=r".+"):
            signing.webhook_key(secret)
