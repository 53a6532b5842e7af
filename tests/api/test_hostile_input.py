"""Odd and hostile input at the signed door (contract section 1): each gets its code, never a 500, and nothing is stored."""

import json
from typing import Any

import pytest
from django.test import Client

from operators.models import Player
from operators.services import NewOperator
from purchases.models import Action, Round
from tests.api.test_purchase import order
from tests.casino_wallet import Casino
from tests.signed import SignedClient

PURCHASE = "/api/s2s/purchase"
WRITES = (PURCHASE, "/api/s2s/cancel", "/api/s2s/cashout", "/api/s2s/shipping/orders", "/api/s2s/launches")
VERSION = 1


def assert_nothing_stored(casino: Casino) -> None:
    """Assert that no request left a trace, here or at the wallet."""
    assert not Round.objects.exists()
    assert not Action.objects.exists()
    assert not Player.objects.exists()
    assert casino.calls() == []


class TestBodies:
    @pytest.mark.parametrize("path", WRITES)
    @pytest.mark.parametrize(
        ("raw", "code", "status"),
        [
            (b"", "MALFORMED_REQUEST", 400),
            (b"\xef\xbb\xbf{}", "MALFORMED_REQUEST", 400),
            (b"{", "MALFORMED_REQUEST", 400),
            (b"[]", "MALFORMED_REQUEST", 400),
            (b"null", "MALFORMED_REQUEST", 400),
            (b'"text"', "MALFORMED_REQUEST", 400),
            (b"\xff\xfe", "MALFORMED_REQUEST", 400),
            (b'{"a": 1, "a": 1}', "MALFORMED_REQUEST", 400),
            (b'{"a": NaN}', "MALFORMED_REQUEST", 400),
            (b'{"a": Infinity}', "MALFORMED_REQUEST", 400),
            (b'{"a": 1e999}', "MALFORMED_REQUEST", 400),
            (b'{"a": ' + b"9" * 4301 + b"}", "MALFORMED_REQUEST", 400),
            (b'{"a": ' + b"[" * 30_000 + b"]" * 30_000 + b"}", "MALFORMED_REQUEST", 400),
            (b'{"a": "' + b"x" * 70_000 + b'"}', "PAYLOAD_TOO_LARGE", 413),
            (b"{}", "VALIDATION_FAILED", 422),
        ],
    )
    def test_get_their_code(  # noqa: PLR0917 - what a parametrised test takes
        self, s2s: SignedClient, casino: Casino, path: str, raw: bytes, code: str, status: int
    ) -> None:
        answer = s2s.send("POST", path, raw)
        assert (answer.status, answer.code) == (status, code)
        assert answer.body["error"]["requestId"]
        assert_nothing_stored(casino)

    @pytest.mark.parametrize("depth", [16, 17])
    def test_may_nest_sixteen_deep(self, s2s: SignedClient, depth: int) -> None:
        raw = b'{"unknown": ' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"
        assert s2s.send("POST", PURCHASE, raw).code == ("VALIDATION_FAILED" if depth == 16 else "MALFORMED_REQUEST")

    @pytest.mark.parametrize(
        "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", ""]
    )
    def test_must_be_sent_as_json(self, s2s: SignedClient, content_type: str) -> None:
        answer = s2s.send("POST", PURCHASE, b"{}", {"Content_Type": content_type})
        assert (answer.status, answer.code) == (400, "MALFORMED_REQUEST")

    def test_are_401_first_when_unsigned(self, acme: NewOperator) -> None:
        for path in WRITES:
            response = Client().post(path, b"{", content_type="application/json")
            assert response.status_code == 401
            assert json.loads(response.content)["error"]["code"] == "MISSING_HEADERS"

    def test_with_unknown_fields_are_read_without_them(self, s2s: SignedClient, boxes: dict[str, int]) -> None:
        extra = {"priceMinor": 1, "operatorId": 7, "status": "settled", "payoutMinor": 10**9}
        bought = s2s.post(PURCHASE, order(boxes["sure-item"]) | extra)
        assert bought.status == 200
        assert bought.body["round"]["betMinor"] == 500


class TestFields:
    @pytest.mark.parametrize(
        "value", [0, -1, 2**63, 10**30, 1.0, 1e3, "5", " 5 ", "1_000", "\u0663", "\uff15", True, None, [], {}]
    )
    def test_a_box_version_is_a_positive_integer(self, s2s: SignedClient, casino: Casino, value: Any) -> None:
        answer = s2s.post(PURCHASE, order(VERSION, reels=[{"reelIndex": 0, "boxVersionId": value}]))
        assert (answer.status, answer.code) == (422, "VALIDATION_FAILED")
        assert list(answer.body["error"]["fields"]) == ["reels[0].boxVersionId"]
        assert_nothing_stored(casino)

    @pytest.mark.parametrize("value", ["", "x" * 81, "a\nb", "a\x00b", "\x7f", "\x85", "\ud800", 5, True, None, [], {}])
    def test_an_action_id_has_1_to_80_printable_characters(self, s2s: SignedClient, casino: Casino, value: Any) -> None:
        answer = s2s.post(PURCHASE, order(VERSION) | {"clientActionId": value})
        assert (answer.status, answer.code) == (422, "VALIDATION_FAILED")
        assert list(answer.body["error"]["fields"]) == ["clientActionId"]
        assert_nothing_stored(casino)

    @pytest.mark.parametrize(
        "value", ["x", "x" * 80, " spaces ", "\U0001f381", "\u00e9", "e\u0301", "\u202eabc", "'; DROP TABLE x; --", "%s{0}"]
    )
    def test_an_odd_action_id_is_kept_exactly(self, s2s: SignedClient, boxes: dict[str, int], value: str) -> None:
        assert s2s.post(PURCHASE, order(boxes["sure-item"], clientActionId=value)).status == 200
        assert Action.objects.get().client_action_id == value

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"playerExternalId": "x" * 191}, "playerExternalId"),
            ({"playerExternalId": 7}, "playerExternalId"),
            ({"mode": "OPEN"}, "mode"),
            ({"mode": None}, "mode"),
            ({"funding": "casino"}, "funding"),
            ({"gameKey": 5}, "gameKey"),
            ({"currency": 978}, "currency"),
            ({"reels": []}, "reels"),
            ({"reels": {}}, "reels"),
            ({"reels": [5]}, "reels[0]"),
            ({"reels": [{"reelIndex": -1, "boxVersionId": 1}]}, "reels[0].reelIndex"),
            ({"reels": [{"reelIndex": 0.0, "boxVersionId": 1}]}, "reels[0].reelIndex"),
            ({"reels": [{"reelIndex": 0, "boxVersionId": 1}] * 2}, "reels"),
            ({"reels": [{"reelIndex": index, "boxVersionId": 1} for index in range(11)]}, "reels"),
            ({"reels": [{"reelIndex": index, "boxVersionId": 1} for index in range(1_000)]}, "reels"),
            ({"expectedBetMinor": "500"}, "expectedBetMinor"),
            ({"expectedBetMinor": -1}, "expectedBetMinor"),
        ],
    )
    def test_that_are_wrong_are_named(self, s2s: SignedClient, casino: Casino, changes: dict[str, Any], field: str) -> None:
        answer = s2s.send("POST", PURCHASE, json.dumps({**order(VERSION), **changes}).encode())
        assert (answer.status, answer.code) == (422, "VALIDATION_FAILED")
        assert list(answer.body["error"]["fields"]) == [field]
        assert answer.body["error"]["moneyMoved"] == "none"
        assert_nothing_stored(casino)

    def test_that_are_wrong_are_named_all_at_once(self, s2s: SignedClient) -> None:
        answer = s2s.post(PURCHASE, {"reels": [{}], "mode": 1})
        assert set(answer.body["error"]["fields"]) == {
            "playerExternalId",
            "gameKey",
            "clientActionId",
            "mode",
            "reels[0].reelIndex",
            "reels[0].boxVersionId",
        }


class TestPaths:
    @pytest.mark.parametrize(
        "path",
        ["/api/s2s//health", "/api/s2s/health/", "/api/s2s/Health", "/api/s2s/./health", "/api/s2s/health;a=b", "/api/s2s/%2e"],
    )
    def test_that_are_tricks_are_not_found(self, s2s: SignedClient, path: str) -> None:
        answer = s2s.get(path)
        assert (answer.status, answer.code) == (404, "NOT_FOUND")

    def test_are_signed_as_they_stand_in_the_request_line(self, s2s: SignedClient) -> None:
        assert s2s.get("/api/s2s/players/a%2Fb%20c/limits").body == {"blocked": False, "caps": []}

    @pytest.mark.parametrize("cursor", ["x", "%00", "e30", "eyJ0IjoxfQ", "A" * 501])
    def test_with_a_made_up_cursor_are_refused(self, s2s: SignedClient, cursor: str) -> None:
        answer = s2s.get(f"/api/s2s/history?playerExternalId=u_1&cursor={cursor}")
        assert (answer.status, answer.code) == (422, "VALIDATION_FAILED")
        assert list(answer.body["error"]["fields"]) == ["cursor"]
