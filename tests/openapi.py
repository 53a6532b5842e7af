"""What the API answers and sends, held against docs/openapi.yaml, which integrators build on.

The document leaves objects open, because answers may get more fields. Here they are closed, so that a field that the document
does not name fails the test that meets it.
"""

import json
import re
from collections.abc import Hashable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import best_match

from lootbox.core.errors import ErrorCode

PATH: Final = Path(__file__).parent.parent / "docs" / "openapi.yaml"
METHODS: Final = ("get", "put", "post", "patch", "delete")
SURFACES: Final = ("/api/s2s/", "/api/play/", "/exports/", "/fairness/")
JSON: Final = "application/json"
# Headers that mean something to a client where they come.
TELLING_HEADERS: Final = ("ETag", "Idempotent-Replayed", "Retry-After")
_PARAMETER: Final = re.compile(r"\{[^}]*\}")
_COMPOSED: Final = frozenset({"allOf", "anyOf", "oneOf"})
_ANNOTATIONS: Final = frozenset({"title", "description", "default", "examples"})


class Operation(NamedTuple):
    """One method of one path."""

    method: str
    path: str
    described: Mapping[str, Any]


@cache
def document() -> dict[Hashable, Any]:
    """Return the document."""
    loaded: dict[Hashable, Any] = yaml.load(PATH.read_bytes(), yaml.CSafeLoader)
    return loaded


def operations() -> Iterator[Operation]:
    """Yield every operation of the paths."""
    for path, item in document()["paths"].items():
        for method in METHODS:
            if method in item:
                yield Operation(method.upper(), path, item[method])


def followed(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a node that may be a reference stands for."""
    return target(node["$ref"]) if "$ref" in node else node


def target(reference: str) -> Any:
    """Return what a reference points to."""
    found: Any = document()
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def check_answer(*, method: str, address: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Assert that the document has this answer, field for field; `address` may carry a query."""
    path = address.partition("?")[0]
    if not path.startswith(SURFACES) or method in {"HEAD", "OPTIONS"}:
        return
    if status >= 400:
        _check_status(_error_code(body), status, f"{method} {path}")
    operation = _find(method, path)
    if operation is None:
        assert status >= 400, f"{method} {path} answered {status}, and is not in {PATH.name}."
        _hold(_validator("Error", closed=True), json.loads(body), f"{method} {path} → {status}")
        return
    place = f"{method} {operation.path} → {status}"
    responses = operation.described["responses"]
    assert str(status) in responses or status >= 400, f"{place} is not in {PATH.name}."
    response = followed(responses.get(str(status)) or responses["default"])
    for name in TELLING_HEADERS:
        assert name not in headers or name in response.get("headers", {}), f"{place} has {name}, which is not in {PATH.name}."
    content = response.get("content", {})
    media_type = headers.get("Content-Type", "").partition(";")[0]
    if not content:
        assert not body, f"{place} has a body, which is not in {PATH.name}."
        return
    assert media_type in content, f"{place} is {media_type or 'empty'}, which is not in {PATH.name}."
    if media_type == JSON:
        key = "default" if str(status) not in responses else str(status)
        _hold(_answers_validator(operation.method, operation.path, key), json.loads(body), place)


def check_request(*, method: str, address: str, body: bytes) -> None:
    """Assert that the document allows a request that the API accepted."""
    operation = _find(method, address.partition("?")[0])
    if operation is None or "requestBody" not in operation.described or not body:
        return
    _hold(_requests_validator(operation.method, operation.path), json.loads(body), f"{method} {operation.path}")


def check_sent(*, name: str, body: bytes) -> None:
    """Assert that the document has what was sent to an operator; `name` is the one under `webhooks`."""
    _hold(_sent_validator(name), json.loads(body), name)


def validator(schema: Any, *, closed: bool) -> Draft202012Validator:
    """Return what holds a value against a schema of the document."""
    return Draft202012Validator(_value(schema, closed=closed), format_checker=FormatChecker())


def _check_status(code: str, status: int, place: str) -> None:
    # A code that is not ours is the wallet's, passed on.
    registered = ErrorCode.__members__.get(code)
    expected = registered.value.status if registered else 422
    assert status == expected, f"{place} answered {code} with {status}, not with {expected}."


def _error_code(body: bytes) -> str:
    code: str = json.loads(body)["error"]["code"]
    return code


def _hold(validator: Draft202012Validator, value: Any, place: str) -> None:
    problems = list(validator.iter_errors(value))
    # Of a value that fits none of several schemas, every field is unevaluated too, which tells nothing.
    telling = [problem for problem in problems if problem.validator != "unevaluatedProperties"]
    problem = best_match(telling or problems)
    assert problem is None, f"{place} is not as {PATH.name} says, at {problem.json_path}: {problem.message}"


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    # Words before parameters: /rounds/open is not a round.
    paths = sorted(document()["paths"], key=lambda path: len(_PARAMETER.findall(path)))
    return [(re.compile(_PARAMETER.sub("[^/]+", path)), path) for path in paths]


def _find(method: str, path: str) -> Operation | None:
    for pattern, template in _patterns():
        if pattern.fullmatch(path):
            described = document()["paths"][template].get(method.lower())
            return Operation(method, template, described) if described else None
    return None


@cache
def _validator(name: str, *, closed: bool) -> Draft202012Validator:
    return validator({"$ref": f"#/components/schemas/{name}"}, closed=closed)


@cache
def _answers_validator(method: str, path: str, status: str) -> Draft202012Validator:
    response = followed(document()["paths"][path][method.lower()]["responses"][status])
    return validator(response["content"][JSON]["schema"], closed=True)


@cache
def _requests_validator(method: str, path: str) -> Draft202012Validator:
    described = document()["paths"][path][method.lower()]["requestBody"]
    return validator(described["content"][JSON]["schema"], closed=False)


@cache
def _sent_validator(name: str) -> Draft202012Validator:
    described = document()["webhooks"][name]["post"]["requestBody"]
    return validator(described["content"][JSON]["schema"], closed=True)


def _value(schema: Any, *, closed: bool) -> Any:
    """Return the schema of a value; when `closed`, it allows no field that the document does not name.

    What only narrows a schema beside it neither refers to one nor says that it is an object, and stays as it is.
    """
    prepared = _part(schema, closed=closed)
    if not closed or not isinstance(prepared, dict):
        return prepared
    if prepared.keys() & _COMPOSED:
        return prepared | {"unevaluatedProperties": False}
    if prepared.get("type") == "object":
        return {"additionalProperties": False} | prepared
    return prepared


def _part(schema: Any, *, closed: bool) -> Any:
    """Return the schema with all that it refers to put in its place, which makes checking several times quicker."""
    if not isinstance(schema, dict):
        return schema
    prepared = {keyword: _inside(keyword, each, closed=closed) for keyword, each in schema.items() if keyword != "$ref"}
    if "$ref" not in schema:
        return prepared
    referred = _part(target(schema["$ref"]), closed=closed)
    return prepared | {"allOf": [referred]} if prepared.keys() - _ANNOTATIONS else referred


def _inside(keyword: str, inside: Any, *, closed: bool) -> Any:
    match keyword:
        case "properties":
            return {name: _value(each, closed=closed) for name, each in inside.items()}
        case "items" | "additionalProperties":
            return _value(inside, closed=closed)
        case "allOf" | "anyOf" | "oneOf":
            return [_part(each, closed=closed) for each in inside]
        case _:
            return inside
