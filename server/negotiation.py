"""Which media type answers a GraphQL request (GraphQL over HTTP, sections "Media Types" and "Accept")."""

from functools import lru_cache

GRAPHQL_RESPONSE = "application/graphql-response+json"
JSON = "application/json"
EVENT_STREAM = "text/event-stream"

ANSWERS = {GRAPHQL_RESPONSE: GRAPHQL_RESPONSE, JSON: JSON, EVENT_STREAM: EVENT_STREAM, "application/*": JSON, "*/*": JSON}
"""Wildcards get what clients understood before the specification."""


@lru_cache
def negotiate(accept: str | None) -> str | None:
    """The media type to answer with, the first of the most wanted; `None` when nothing that we speak is accepted."""
    if not accept or not accept.strip():
        return JSON
    best, best_quality = None, 0.0
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = _quality(parameters)
        if name in ANSWERS and quality > best_quality:
            best, best_quality = ANSWERS[name], quality
    return best


@lru_cache
def is_json(content_type: str | None) -> bool:
    """A body of this type is JSON in UTF-8."""
    name, *parameters = (piece.strip().lower() for piece in (content_type or "").split(";"))
    charsets = [parameter.removeprefix("charset=").strip('"') for parameter in parameters if parameter.startswith("charset=")]
    return name == JSON and all(charset in {"utf-8", "utf8"} for charset in charsets)


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter.removeprefix("q="))
            except ValueError:
                return 0.0
    return 1.0
