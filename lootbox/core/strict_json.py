"""JSON as the contract wants it: UTF-8, no key twice, finite numbers, no deeper than 16 (contract section 1)."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

MAX_DEPTH: Final = 16
# Made once: putting an encoder or a decoder together takes as long as its work on a small object.
_CANONICAL: Final = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
_COMPACT: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_BRACKET = re.compile(r"[\[\]{}]")


class MalformedJSON(ValueError):
    """The bytes are not JSON as the contract wants it; the message says why."""


def loads(raw: bytes) -> Any:
    """Return the value that `raw` stands for. Raises `MalformedJSON`."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedJSON("not UTF-8") from error
    _refuse_depth(text)
    try:
        return _STRICT.decode(text)
    except MalformedJSON:
        raise
    except ValueError as error:
        raise MalformedJSON("not JSON") from error


def canonical(value: Mapping[str, Any]) -> bytes:
    """Return the one encoding that is hashed: keys sorted, no spaces, UTF-8, nothing escaped that needn't be (section 9)."""
    return _CANONICAL.encode(value).encode()


def compact(value: Mapping[str, Any] | Sequence[Any]) -> bytes:
    """Return the encoding of what we send: no spaces, UTF-8, keys in their own order."""
    return _COMPACT.encode(value).encode()


def _refuse_depth(text: str) -> None:
    # Counting is nearly free, and few bodies have 16 brackets at all; only those are looked at closely.
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = 0
    for bracket in _BRACKET.findall(_STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_DEPTH:
            raise MalformedJSON(f"nested deeper than {MAX_DEPTH}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise MalformedJSON("a key stands twice")
    return result


def _constant(name: str) -> NoReturn:
    raise MalformedJSON(f"{name} is not a JSON number")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise MalformedJSON("a number is not finite")
    return value


_STRICT: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)
