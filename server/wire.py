"""JSON as it comes and goes: strict in, fast out."""

import json
from typing import NoReturn

import orjson
from starlette.responses import Response


class NotJson(ValueError):
    """The bytes are not one JSON text in UTF-8. The message is safe to show."""


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
"""The standard library's, because it lets half a surrogate pair through to where the field that holds it can be named."""


def decode(data: bytes | str) -> object:
    """One JSON value. Raises `NotJson` for anything else: other encodings, NaN, nesting without end."""
    try:
        return _DECODER.decode(data.decode("utf-8") if isinstance(data, bytes) else data)
    except (ValueError, RecursionError):
        raise NotJson("This is not JSON in UTF-8.") from None


def encode(value: object) -> bytes:
    """JSON in UTF-8. Half a surrogate pair, which only a caller's own text can hold, goes back escaped as it came."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return json.dumps(value, separators=(",", ":")).encode("ascii")


class JsonResponse(Response):
    """A response whose body is any value that `encode` takes."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        return encode(content)
