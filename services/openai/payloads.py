"""The Responses API as the provider documents it: the question's body, the schema of the answer, and what can come back."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from services.domain.routine import ModelUsage
from services.domain.writing import BlockText, SummaryText, TaskText
from services.errors import ModelFailed, ModelFailureKind

BLOCK_TITLES = ("Morning Block", "Peak Energy Block", "Mid-day Slump", "Evening Routine", "Wind Down")
MOST_TASKS = 12
CODE = re.compile(r"[a-z][a-z0-9_.]{0,60}")
DELAY = re.compile(r"\d{1,9}(?:\.\d{1,6})?", re.ASCII)

JsonObject = dict[str, Any]


def _text(description: str) -> JsonObject:
    return {"type": "string", "description": description}


def _object(description: str, properties: JsonObject) -> JsonObject:
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


TASK_SCHEMA = _object(
    "The words for one slot.",
    {
        "slot": _text("The id of the slot, as given."),
        "task": _text("The key of the chosen option of this slot, as given."),
        "title": _text("3 to 60 characters, no full stop, different for every task of the day."),
        "description": _text("1 to 3 sentences, 10 to 400 characters."),
    },
)
BLOCK_SCHEMA = _object(
    "The words for one block.",
    {
        "block": {"type": "string", "enum": list(BLOCK_TITLES), "description": "The block, as given."},
        "purpose": _text("1 sentence, 10 to 240 characters, no number."),
        "why_it_matters": _text("1 sentence, 10 to 240 characters, no number."),
        "tasks": {"type": "array", "description": "One for each slot, in order.", "maxItems": MOST_TASKS, "items": TASK_SCHEMA},
    },
)
DAY_SCHEMA = _object(
    "The words for a day.",
    {
        "blocks": {"type": "array", "description": "The given blocks, in order.", "maxItems": 5, "items": BLOCK_SCHEMA},
        "summary": _text("1 or 2 sentences on the whole day, 20 to 500 characters, no number."),
    },
)
"""The same for everybody and every day, so that it is compiled once. The summary comes last: blocks are waited for, it is not."""


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of an answer: what it cost, where that was told, and why it is not whole."""

    usage: ModelUsage | None
    failure: ModelFailed | None


def read_event(data: bytes) -> Delta | Ended | None:
    """What one event of the stream means; `None` for the many that mean nothing here.

    Raises `ModelFailed` (CUT) for data that is not a JSON object: the stream is damaged, whatever the answer was.
    """
    if data == b"[DONE]":
        return None
    try:
        event = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise ModelFailed(ModelFailureKind.CUT, "an event that is not JSON", sent=True) from None
    if not isinstance(event, dict):
        raise ModelFailed(ModelFailureKind.CUT, "an event that is not an object", sent=True)
    match event.get("type"):
        case "response.output_text.delta":
            text = event.get("delta")
            return Delta(text) if isinstance(text, str) else None
        case "response.completed" | "response.incomplete" | "response.failed":
            response = _mapping(event.get("response"))
            return Ended(usage_of(response), _why_not_whole(response))
        case "error":
            return Ended(None, _failure_of_code(_mapping(event.get("error", event)).get("code"), "an error event"))
        case _:
            return None


def to_block(item: object) -> BlockText | None:
    """The words of a block; `None` for what does not keep to the schema."""
    match item:
        case {"block": str(block), "purpose": str(purpose), "why_it_matters": str(why), "tasks": list(items)}:
            tasks = [to_task(each) for each in items[: MOST_TASKS + 1]]
            whole = tuple(task for task in tasks if task is not None)
            return BlockText(block, purpose, why, whole) if len(whole) == len(tasks) <= MOST_TASKS else None
        case _:
            return None


def to_task(item: object) -> TaskText | None:
    match item:
        case {"slot": str(slot), "task": str(task), "title": str(title), "description": str(description)}:
            return TaskText(slot, task, title, description)
        case _:
            return None


def to_summary(document: JsonObject) -> SummaryText | None:
    text = document.get("summary")
    return SummaryText(text) if isinstance(text, str) else None


def usage_of(response: Mapping[str, Any]) -> ModelUsage | None:
    """The tokens that an answer took, where it tells them."""
    usage = _mapping(response.get("usage"))
    taken, written = _count(usage.get("input_tokens")), _count(usage.get("output_tokens"))
    if taken is None or written is None:
        return None
    return ModelUsage(taken, _count(_mapping(usage.get("input_tokens_details")).get("cached_tokens")) or 0, written)


def failure_of_status(status: int, body: object, headers: Mapping[str, str]) -> ModelFailed:
    """What an answer with an error status is raised as; nothing was written, so nothing is charged."""
    code = _mapping(body).get("code")
    retry_after_s = _retry_after_s(headers)
    kind = _kind_of_code(code)
    if kind is None:
        kind = _kind_of_status(status)
    shown = f" ({code})" if isinstance(code, str) and CODE.fullmatch(code) else ""
    return ModelFailed(kind, f"HTTP {status}{shown}", retry_after_s=retry_after_s)


def _kind_of_status(status: int) -> ModelFailureKind:
    if status == 429:
        return ModelFailureKind.RATE_LIMITED
    if status in {408, 409} or status >= 500:
        return ModelFailureKind.UNAVAILABLE
    # A redirect or any other refusal of the request itself: it will not change until somebody changes the set-up.
    return ModelFailureKind.MISCONFIGURED


KINDS_OF_CODES = {
    "billing_hard_limit_reached": ModelFailureKind.QUOTA,
    "billing_not_active": ModelFailureKind.QUOTA,
    "insufficient_quota": ModelFailureKind.QUOTA,
    "rate_limit_exceeded": ModelFailureKind.RATE_LIMITED,
    "server_error": ModelFailureKind.UNAVAILABLE,
    "bio_policy": ModelFailureKind.CONTENT_FILTER,
    "content_filter": ModelFailureKind.CONTENT_FILTER,
    "content_policy_violation": ModelFailureKind.CONTENT_FILTER,
    "invalid_prompt": ModelFailureKind.CONTENT_FILTER,
    "misalignment_policy_violation": ModelFailureKind.CONTENT_FILTER,
    "context_length_exceeded": ModelFailureKind.MISCONFIGURED,
    "invalid_api_key": ModelFailureKind.MISCONFIGURED,
    "model_not_found": ModelFailureKind.MISCONFIGURED,
}


def _kind_of_code(code: object) -> ModelFailureKind | None:
    return KINDS_OF_CODES.get(code) if isinstance(code, str) else None


def _failure_of_code(code: object, what: str) -> ModelFailed:
    kind = _kind_of_code(code) or ModelFailureKind.UNAVAILABLE
    shown = f": {code}" if isinstance(code, str) and CODE.fullmatch(code) else ""
    return ModelFailed(kind, f"{what}{shown}", sent=True)


def _why_not_whole(response: Mapping[str, Any]) -> ModelFailed | None:
    match response.get("status"):
        case "failed":
            return _failure_of_code(_mapping(response.get("error")).get("code"), "the answer failed")
        case "incomplete" if _mapping(response.get("incomplete_details")).get("reason") == "content_filter":
            return ModelFailed(ModelFailureKind.CONTENT_FILTER, "the answer was filtered", sent=True)
        case "incomplete":
            return ModelFailed(ModelFailureKind.TRUNCATED, "the answer met its length limit", sent=True)
        case _ if _refused(response):
            return ModelFailed(ModelFailureKind.REFUSED, "the answer is a refusal", sent=True)
        case _:
            return None


def _refused(response: Mapping[str, Any]) -> bool:
    parts = (part for item in _list(response.get("output")) for part in _list(_mapping(item).get("content")))
    return any(_mapping(part).get("type") == "refusal" for part in parts)


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, as the provider asks in milliseconds, seconds or a date, which is read against the answer's own date."""
    milliseconds, asked = headers.get("retry-after-ms", "").strip(), headers.get("retry-after", "").strip()
    if DELAY.fullmatch(milliseconds):
        return float(milliseconds) / 1000
    if DELAY.fullmatch(asked):
        return float(asked)
    until, sent = _http_date(asked), _http_date(headers.get("date", ""))
    return None if until is None or sent is None else max(0.0, (until - sent).total_seconds())


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and 0 <= value < 10**9 else None
