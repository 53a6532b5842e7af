"""docs/openapi.yaml is true: of the addresses, of the codes, and of every answer that these tests receive.

The last of it is done by `tests.signed`, `tests.player` and the fixtures of Acme and its casino; here is the rest, and what
shows that they would notice.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern
from openapi_spec_validator import OpenAPIV31SpecValidator

from lootbox.core.errors import ErrorCode
from operators.services import NewOperator
from tests import openapi
from tests.api.test_purchase import buy
from tests.signed import SignedClient

SETTLED = openapi.target("#/components/responses/Settled")["content"][openapi.JSON]["example"]
# What the wallet's refusal is called where the wallet has no name for it; it is not ours to raise.
UNNAMED_REFUSAL = "WALLET_REFUSED"


def routes(resolver: URLResolver, before: str = "/") -> Iterator[tuple[str, str]]:
    """Yield method and path of every address below a resolver; a parameter is `{}`."""
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            yield from routes(pattern, before + str(pattern.pattern))
        elif isinstance(pattern.pattern, RoutePattern):
            path = before + re.sub("<[^>]*>", "{}", str(pattern.pattern))
            yield from ((method.upper(), path) for method in methods(pattern))


def methods(pattern: URLPattern) -> list[str]:
    """Return the methods that an address's view answers."""
    view = getattr(pattern.callback, "view_class", None)
    return [method for method in openapi.METHODS if hasattr(view, method)]


def schemas(node: Any) -> Iterator[tuple[dict[str, Any], Any]]:
    """Yield each schema that has an example, with the example."""
    if isinstance(node, dict):
        if "schema" in node and "example" in node:
            yield node["schema"], node["example"]
        if "schema" in node and isinstance(node.get("examples"), dict):
            yield from ((node["schema"], example["value"]) for example in node["examples"].values())
        for inside in node.values():
            yield from schemas(inside)
    elif isinstance(node, list):
        for inside in node:
            yield from schemas(inside)


def codes(schema: Any) -> set[str]:
    """Return the error codes that a schema names."""
    if not isinstance(schema, dict):
        return set()
    found = codes(openapi.target(schema["$ref"])) if "$ref" in schema else set()
    for part in [each for keyword in ("oneOf", "anyOf", "allOf") for each in schema.get(keyword, [])]:
        found |= codes(part)
    properties = schema.get("properties", {})
    code = properties.get("error", {}).get("properties", {}).get("code", {})
    for part in (code, *code.get("anyOf", [])):
        found |= set(part.get("enum", [])) | ({part["const"]} if "const" in part else set())
    return found


class TestTheDocument:
    def test_is_valid(self) -> None:
        assert [str(error) for error in OpenAPIV31SpecValidator(openapi.document()).iter_errors()] == []

    def test_has_every_address_and_method_and_no_other(self) -> None:
        described = {(method, re.sub(r"\{[^}]*\}", "{}", path)) for method, path, _ in openapi.operations()}
        assert described == {(method, path) for method, path in routes(get_resolver()) if path.startswith(openapi.SURFACES)}

    def test_has_examples_that_fit(self) -> None:
        found = list(schemas(openapi.document()))
        assert len(found) > 40
        problems = [(example, error.message) for schema, example in found for error in fits(schema, example)]
        assert problems == []

    def test_lists_every_error_code_with_its_status(self) -> None:
        listed = re.findall(
            r"^\| `([A-Z_]+)` \| ([0-9]{3}) \| (yes|no) \|", openapi.document()["info"]["description"], re.MULTILINE
        )
        registered = [(code.name, str(code.value.status), "yes" if code.value.retryable else "no") for code in ErrorCode]
        assert sorted(listed) == sorted(registered)

    def test_names_every_error_code_where_it_is_answered_with_its_status(self) -> None:
        named: dict[str, set[str]] = {}
        for _, _, described in openapi.operations():
            for status, response in described["responses"].items():
                schema = openapi.followed(response).get("content", {}).get(openapi.JSON, {}).get("schema")
                for code in codes(schema) - {UNNAMED_REFUSAL}:
                    named.setdefault(code, set()).add(status)
        by_default = {"MALFORMED_REQUEST", "PAYLOAD_TOO_LARGE", "RATE_LIMITED", "INTERNAL_ERROR"}
        expected = {code.name: {"default"} if code.name in by_default else {str(code.value.status)} for code in ErrorCode}
        expected["SERVICE_UNAVAILABLE"].add("default")  # and beside WALLET_UNAVAILABLE where the wallet is asked
        del expected["METHOD_NOT_ALLOWED"]  # of an address's other methods, so no operation has it
        assert named == expected

    def test_is_served_to_everybody(self) -> None:
        answer = Client().get("/openapi.yaml")
        assert answer.status_code == 200
        assert answer["Content-Type"] == "application/yaml"
        assert b"".join(answer.streaming_content) == openapi.PATH.read_bytes()  # type: ignore[attr-defined]
        assert Client(enforce_csrf_checks=True).post("/openapi.yaml").status_code == 405


def fits(schema: dict[str, Any], example: Any) -> Iterator[Any]:
    """Yield what is wrong with an example."""
    yield from openapi.validator(schema, closed=True).iter_errors(example)


class TestTheCheckOfAnswers:
    """The control: an answer that is not as described is noticed."""

    def check(self, body: Any, *, status: int = 200, path: str = "/api/s2s/purchase", **headers: str) -> None:
        openapi.check_answer(
            method="POST",
            address=path,
            status=status,
            headers={"Content-Type": openapi.JSON} | {name.replace("_", "-"): value for name, value in headers.items()},
            body=json.dumps(body).encode(),
        )

    def test_passes_what_is_as_described(self) -> None:
        self.check(SETTLED)

    @pytest.mark.parametrize(
        ("wrong", "why"),
        [
            (SETTLED | {"extra": 1}, "'extra' was unexpected"),
            (SETTLED | {"round": SETTLED["round"] | {"extra": 1}}, "'extra' was unexpected"),
            (SETTLED | {"round": SETTLED["round"] | {"reels": [{"reelIndex": 0, "boxVersionId": 1}]}}, "'prize' is a required"),
            (SETTLED | {"round": SETTLED["round"] | {"betMinor": 5.5}}, "5.5 is not of type 'integer'"),
            (SETTLED | {"round": SETTLED["round"] | {"betMinor": "500"}}, "'500' is not of type 'integer'"),
            (SETTLED | {"round": SETTLED["round"] | {"status": "held"}}, "'settled' was expected"),
            (SETTLED | {"round": SETTLED["round"] | {"settledAt": "2026-06-03T12:00:05+00:00"}}, "does not match"),
            (SETTLED | {"round": SETTLED["round"] | {"settledAt": "2026-13-03T12:00:05Z"}}, "is not a 'date-time'"),
            ({"round": SETTLED["round"]}, "'balanceAfterMinor' is a required property"),
        ],
    )
    def test_notices_another_body(self, wrong: dict[str, Any], why: str) -> None:
        with pytest.raises(AssertionError, match=re.escape(why)):
            self.check(wrong)

    def test_notices_another_status_header_or_type(self) -> None:
        with pytest.raises(AssertionError, match="→ 202 is not in"):
            self.check(SETTLED, status=202)
        with pytest.raises(AssertionError, match="has ETag, which is not in"):
            self.check(SETTLED, ETag='"x"')
        with pytest.raises(AssertionError, match="is text/html, which is not in"):
            self.check(SETTLED, Content_Type="text/html")
        with pytest.raises(AssertionError, match="answered 200, and is not in"):
            self.check(SETTLED, path="/api/s2s/buy")

    def test_notices_a_code_that_the_address_does_not_name_or_with_another_status(self) -> None:
        error = {"code": "ORDER_NOT_FOUND", "message": "…", "requestId": "…", "retryable": False, "moneyMoved": "none"}
        with pytest.raises(AssertionError, match="'ORDER_NOT_FOUND' is not one of"):
            self.check({"error": error}, status=404)
        with pytest.raises(AssertionError, match="answered ORDER_NOT_FOUND with 409, not with 404"):
            self.check({"error": error}, status=409)

    def test_is_made_of_what_the_tests_receive(
        self, s2s: SignedClient, boxes: dict[str, int], acme: NewOperator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("purchases.answers.PurchaseAnswer.as_json", lambda *_, **__: SETTLED | {"extra": 1})
        with pytest.raises(AssertionError, match="'extra' was unexpected"):
            buy(s2s, boxes["sure-item"])


class TestTheCheckOfWhatIsSent:
    def test_notices_a_call_that_is_not_as_described(self) -> None:
        sent = openapi.document()["webhooks"]["wallet.debit"]["post"]["requestBody"]["content"][openapi.JSON]["example"]
        openapi.check_sent(name="wallet.debit", body=json.dumps(sent).encode())
        with pytest.raises(AssertionError, match="'extra' was unexpected"):
            openapi.check_sent(name="wallet.debit", body=json.dumps(sent | {"extra": 1}).encode())
        reference = sent["reference"] | {"reason": "payout"}
        with pytest.raises(AssertionError, match="'payout' is not one of"):
            openapi.check_sent(name="wallet.debit", body=json.dumps(sent | {"reference": reference}).encode())

    def test_notices_a_request_that_was_accepted_against_the_description(self) -> None:
        with pytest.raises(AssertionError, match="'roundPublicId' is a required property"):
            openapi.check_request(method="POST", address="/api/play/rounds/cancel", body=b"{}")
