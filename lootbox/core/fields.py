"""Reading a request's fields strictly: what is there is of the right type or named as wrong, nothing is coerced (section 1)."""

import datetime as dt
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from lootbox.core.errors import ApiError, ErrorCode
from lootbox.core.money import MAX_MINOR

# C0, DEL and C1 control characters, and lone surrogates.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_DIGITS = re.compile("[0-9]{1,16}")
_MISSING: Final = object()


class Problems:
    """What is wrong with a request, gathered field by field so that one answer names all of it."""

    def __init__(self) -> None:
        """Start with nothing wrong."""
        self._fields: dict[str, str] = {}

    def add(self, path: str, problem: str) -> None:
        """Note that the field at `path` is wrong; the first thing said of a field stays."""
        self._fields.setdefault(path, problem)

    def raise_any(self) -> None:
        """Raise `VALIDATION_FAILED` with every problem noted, if there is any."""
        if self._fields:
            raise ApiError(ErrorCode.VALIDATION_FAILED, fields=self._fields)


class Reader:
    """Typed reading of one JSON object.

    A field that is missing or wrong is noted in `problems` and read as an empty value; call `check` before using anything.
    """

    def __init__(self, data: Mapping[str, Any], *, problems: Problems | None = None, path: str = "") -> None:
        """Read from `data`; `path` is where it stands in the request, such as `reels[0].`."""
        self._data = data
        self._path = path
        self.problems = problems or Problems()

    def check(self) -> None:
        """Raise `VALIDATION_FAILED` when anything read so far was missing or wrong."""
        self.problems.raise_any()

    def has(self, name: str) -> bool:
        """Return whether the field was sent at all."""
        return name in self._data

    def text(self, name: str, *, maximum: int, minimum: int = 1) -> str:
        """Return a required string of `minimum` to `maximum` characters."""
        value = self._data.get(name, _MISSING)
        if isinstance(value, str) and minimum <= len(value) <= maximum and not _UNPRINTABLE.search(value):
            return value
        self._note(name, value, _text_problem(value, minimum=minimum, maximum=maximum))
        return ""

    def optional_text(self, name: str, *, maximum: int, minimum: int = 1) -> str | None:
        """Return a string, or None when the field was not sent."""
        return self.text(name, maximum=maximum, minimum=minimum) if name in self._data else None

    def integer(self, name: str, *, minimum: int = 0, maximum: int = MAX_MINOR) -> int:
        """Return a required integer; `5.0`, `"5"` and `true` are none."""
        value = self._data.get(name, _MISSING)
        if type(value) is int and minimum <= value <= maximum:
            return value
        self._note(name, value, f"Send an integer from {minimum} to {maximum}.")
        return minimum

    def optional_integer(self, name: str, *, minimum: int = 0, maximum: int = MAX_MINOR) -> int | None:
        """Return an integer, or None when the field was not sent."""
        return self.integer(name, minimum=minimum, maximum=maximum) if name in self._data else None

    def boolean(self, name: str, *, default: bool | None = None) -> bool:
        """Return true or false; required when there is no default."""
        value = self._data.get(name, _MISSING if default is None else default)
        if isinstance(value, bool):
            return value
        self._note(name, value, "Send true or false.")
        return False

    def choice(self, name: str, *, options: Collection[str], default: str | None = None) -> str:
        """Return one of `options`; required when there is no default."""
        value = self._data.get(name, _MISSING if default is None else default)
        if isinstance(value, str) and value in options:
            return value
        self._note(name, value, f"Send one of: {', '.join(options)}.")
        return default or next(iter(options))

    def objects(self, name: str, *, maximum: int, minimum: int = 1) -> Iterator["Reader"]:
        """Yield a reader for each object of a required list of `minimum` to `maximum` objects."""
        value = self._data.get(name, _MISSING)
        if not isinstance(value, list) or not minimum <= len(value) <= maximum:
            self._note(name, value, f"Send a list of {minimum} to {maximum} objects.")
            return
        for index, element in enumerate(value):
            path = f"{self._path}{name}[{index}]"
            if isinstance(element, dict):
                yield Reader(element, problems=self.problems, path=f"{path}.")
            else:
                self.problems.add(path, "Send an object.")

    def integers(self, name: str, *, maximum: int, minimum: int = 1) -> list[int]:
        """Return a required list of `minimum` to `maximum` different positive integers."""
        value = self._data.get(name, _MISSING)
        valid = (
            isinstance(value, list)
            and minimum <= len(value) <= maximum
            and all(type(element) is int and 1 <= element <= MAX_MINOR for element in value)
            and len(set(value)) == len(value)
        )
        if valid:
            return list(value)
        self._note(name, value, f"Send a list of {minimum} to {maximum} different positive integers.")
        return []

    def nested(self, name: str, *, required: bool = True) -> "Reader":
        """Return a reader for an object; an empty one when it is missing or wrong."""
        value = self._data.get(name, _MISSING if required else {})
        path = f"{self._path}{name}."
        if isinstance(value, dict):
            return Reader(value, problems=self.problems, path=path)
        self._note(name, value, "Send an object.")
        return Reader({}, problems=Problems(), path=path)

    def wrong(self, name: str, problem: str) -> None:
        """Note that a field is wrong for a reason of the caller's."""
        self.problems.add(self._path + name, problem)

    def _note(self, name: str, value: object, problem: str) -> None:
        self.problems.add(self._path + name, "This field is required." if value is _MISSING else problem)


class Query:
    """Typed reading of a query string, with the same rules and the same problems as a body."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        """Read from `parameters`."""
        self._parameters = parameters
        self.problems = Problems()

    def check(self) -> None:
        """Raise `VALIDATION_FAILED` when anything read so far was wrong."""
        self.problems.raise_any()

    def text(self, name: str, *, maximum: int) -> str:
        """Return a required string of up to `maximum` characters."""
        if name not in self._parameters:
            self.problems.add(name, "This parameter is required.")
            return ""
        return self.optional_text(name, maximum=maximum) or ""

    def optional_text(self, name: str, *, maximum: int) -> str | None:
        """Return a string, or None when the parameter was not sent."""
        value = self._parameters.get(name)
        if value is None:
            return None
        if not 1 <= len(value) <= maximum or _UNPRINTABLE.search(value):
            self.problems.add(name, _text_problem(value, minimum=1, maximum=maximum))
        return value

    def positive(self, name: str, *, default: int, largest: int) -> int:
        """Return a number from 1 up; one above `largest` is `largest` (contract section 4)."""
        value = self._parameters.get(name)
        if value is None:
            return default
        if not _DIGITS.fullmatch(value) or int(value) < 1:
            self.problems.add(name, "Send a whole number from 1 up.")
            return default
        return min(int(value), largest)

    def whole(self, name: str, *, default: int) -> int:
        """Return a number from 0 up."""
        value = self._parameters.get(name)
        if value is None:
            return default
        if not _DIGITS.fullmatch(value):
            self.problems.add(name, "Send a whole number from 0 up.")
            return default
        return int(value)

    def choices(self, name: str, *, options: Collection[str]) -> list[str]:
        """Return the words of a comma list, all options when it was not sent."""
        value = self._parameters.get(name)
        if value is None:
            return list(options)
        words = value.split(",")
        if not set(words) <= set(options):
            self.problems.add(name, f"Send a comma list of: {', '.join(options)}.")
        return words

    def moment(self, name: str, *, end: bool = False) -> dt.datetime | None:
        """Return a time in UTC, or None when not sent. With `end`, one without fraction means that whole second."""
        value = self._parameters.get(name)
        if value is None:
            return None
        moment = parse_moment(value)
        if moment is None:
            self.problems.add(name, "Send an ISO 8601 time in UTC with a Z, such as 2026-06-03T12:00:05Z.")
            return None
        return moment + dt.timedelta(microseconds=999_999) if end and "." not in value else moment


def parse_moment(text: str) -> dt.datetime | None:
    """Return the time that an ISO 8601 text with an offset or Z stands for, in UTC, or None when it is none."""
    try:
        moment = dt.datetime.fromisoformat(text)
        return moment.astimezone(dt.UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def print_moment(moment: dt.datetime) -> str:
    """Return the time as the API prints it: ISO 8601, UTC, whole seconds, with a Z (contract section 1)."""
    return moment.astimezone(dt.UTC).isoformat()[:19] + "Z"


def _text_problem(value: object, *, minimum: int, maximum: int) -> str:
    if isinstance(value, str) and _UNPRINTABLE.search(value):
        return "Control characters and lone surrogates are not allowed."
    return f"Send a text of {minimum} to {maximum} characters."
