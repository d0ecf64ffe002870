"""OpenAI's Responses API as it is documented, on loopback: `POST /v1/responses`, streamed or whole, with its checks and errors.

What it writes is in `openai_words.py`, what it does wrong in `openai_faults.py`.
"""

import asyncio
import gzip
import socket
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from server.standins.openai_faults import ModelBoard, ModelFault, ModelFaultKind, ModelRequest, board_routes
from server.standins.openai_schema import schema_problems
from server.standins.openai_words import write_day

PARAMETERS = frozenset(
    {
        "include",
        "input",
        "instructions",
        "max_output_tokens",
        "metadata",
        "model",
        "prompt_cache_key",
        "reasoning",
        "safety_identifier",
        "store",
        "stream",
        "temperature",
        "text",
        "top_p",
        "truncation",
    }
)
"""Those that this stand-in knows: the API refuses a name that it does not."""
LONGEST_CACHE_KEY = 64
LONGEST_SAFETY_IDENTIFIER = 128
LEAST_CACHED = 1_024
CACHE_STEP = 128
PIECE = 9
"""Characters of one delta."""
ENDLESS = 1 << 18
LINGER_NOT_AT_ALL = struct.pack("ii", 1, 0)
OUTPUT_ID = "msg_standin"
OPENING = '{"blocks":['

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer in the making. `ends` are the lengths of the text at which the blocks of the day are whole."""

    body: Body
    text: str
    ends: tuple[int, ...]
    noted: ModelRequest
    fault: ModelFault | None
    delta_delay_s: float

    @property
    def cut_at(self) -> int:
        """Where a fault strikes: a little into what follows the blocks that are sent whole; blanks right behind them."""
        blocks = self.fault.after_blocks if self.fault is not None else 0
        start = self.ends[blocks - 1] if 0 < blocks <= len(self.ends) else len(OPENING)
        return start if self.struck_by(ModelFaultKind.BLANKS) else min(len(self.text), start + 20)

    def struck_by(self, *kinds: ModelFaultKind) -> bool:
        return self.fault is not None and self.fault.kind in kinds


def create_openai_standin(*, api_key: str = "sandbox", models: frozenset[str] | None = None) -> Starlette:
    """The stand-in as an application. It knows every model, or those of `models`."""
    board = ModelBoard()

    async def responses(request: Request) -> Response:
        noted = ModelRequest()
        board.log.append(noted)
        response = await _respond(request, board, noted, api_key, models)
        noted.status = response.status_code
        return response

    return Starlette(routes=[Route("/v1/responses", responses, methods=["POST"]), *board_routes(board)])


async def _respond(
    request: Request, board: ModelBoard, noted: ModelRequest, api_key: str, models: frozenset[str] | None
) -> Response:
    if request.headers.get("Authorization") != f"Bearer {api_key}":
        return _error(401, "invalid_api_key", "Incorrect API key provided.")
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        return _error(400, "invalid_json", "We could not parse the JSON body of your request.")
    board.bodies.append(body)
    problem = _refused(body, models)
    if problem is not None:
        return problem
    fault = board.draw()
    noted.fault = fault.kind.value if fault is not None else None
    if fault is not None:
        instead = await _instead(fault, request)
        if instead is not None:
            return instead
    await asyncio.sleep(board.behaviour.first_delay_s + (fault.delay_s if fault and fault.kind is ModelFaultKind.LATE else 0))
    answer = _answer(body, board, noted, fault)
    if not body.get("stream"):
        noted.finished = True
        return JSONResponse(_whole(answer, "completed", answer.text))
    return StreamingResponse(_events(answer, request), media_type="text/event-stream; charset=utf-8")


def _refused(body: Body, models: frozenset[str] | None) -> Response | None:
    """What the API would say to a request that it does not take."""
    unknown = sorted(body.keys() - PARAMETERS)
    if unknown:
        return _error(400, "unknown_parameter", f"Unknown parameter: '{unknown[0]}'.")
    if models is not None and body.get("model") not in models:
        return _error(404, "model_not_found", "The model does not exist or you do not have access to it.")
    for name, longest in (("prompt_cache_key", LONGEST_CACHE_KEY), ("safety_identifier", LONGEST_SAFETY_IDENTIFIER)):
        if len(body.get(name) or "") > longest:
            return _error(400, "string_above_max_length", f"Invalid '{name}': string too long.")
    wanted = (body.get("text") or {}).get("format") or {"type": "text"}
    if wanted["type"] == "json_schema":
        problems = schema_problems(wanted.get("schema")) if wanted.get("strict") else []
        if problems:
            return _error(400, "invalid_json_schema", f"Invalid schema for response_format: {problems[0]}")
    return None


async def _instead(fault: ModelFault, request: Request) -> Response | None:
    """What comes in place of an answer; `None` where the fault is one of the answer itself."""
    match fault.kind:
        case ModelFaultKind.STATUS:
            headers = {} if fault.retry_after_s is None else {"Retry-After": f"{fault.retry_after_s:g}"}
            return _error(fault.status, fault.code, "A fault that was asked for.", headers)
        case ModelFaultKind.DOWN:
            _reset(request)
            return await _gone(request)
        case ModelFaultKind.HANG if not fault.after_blocks:
            return await _gone(request)
        case ModelFaultKind.HTML:
            return HTMLResponse("<!doctype html><title>Sign in</title><form></form>")
        case ModelFaultKind.REDIRECT:
            return RedirectResponse("http://127.0.0.1:1/", status_code=302)
        case ModelFaultKind.GZIP:
            packed = gzip.compress(b'{"a":"' + b" " * (50 << 20) + b'"}')
            return Response(packed, media_type="application/json", headers={"Content-Encoding": "gzip"})
        case _:
            return None


def _error(status: int, code: str | None, message: str, headers: dict[str, str] | None = None) -> Response:
    kind = "insufficient_quota" if code == "insufficient_quota" else "invalid_request_error" if status < 429 else "server_error"
    document = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return JSONResponse(document, status_code=status, headers=headers)


def _answer(body: Body, board: ModelBoard, noted: ModelRequest, fault: ModelFault | None) -> Answer:
    day = _day(body, board)
    if day is not None and fault is not None and fault.kind is ModelFaultKind.SCHEMA and day["blocks"]:
        del day["blocks"][min(fault.after_blocks, len(day["blocks"]) - 1)]["tasks"]
    text, ends = ("Hello.", ()) if day is None else _written(day)
    instructions = body.get("instructions") or ""
    static = len(instructions) // 4
    noted.input_tokens = static + len(str(body["input"])) // 4
    if instructions in board.prefixes and static >= LEAST_CACHED:
        noted.cached_tokens = static // CACHE_STEP * CACHE_STEP
    board.prefixes.add(instructions)
    return Answer(body, text, ends, noted, fault, board.behaviour.delta_delay_s)


def _day(body: Body, board: ModelBoard) -> Body | None:
    """The words for the prompt's data; `None` for a question of another kind."""
    try:
        data = orjson.loads(body["input"][0]["content"][0]["text"])
        return write_day(data, board.behaviour.mode)
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError):
        return None


def _written(day: Body) -> tuple[str, tuple[int, ...]]:
    """The text, and where in it each block ends."""
    text, ends = OPENING, []
    for number, block in enumerate(day["blocks"]):
        text += ("," if number else "") + orjson.dumps(block).decode()
        ends.append(len(text))
    return text + '],"summary":' + orjson.dumps(day["summary"]).decode() + "}", tuple(ends)


async def _events(answer: Answer, request: Request) -> AsyncIterator[bytes]:
    """The stream of one answer, event by event, up to where its fault strikes."""
    number = 0

    def event(kind: str, **fields: Any) -> bytes:  # noqa: ANN401 - whatever an event holds
        nonlocal number
        data = orjson.dumps({"type": kind, "sequence_number": number, **fields})
        number += 1
        return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"

    yield event("response.created", response=_whole(answer, "in_progress", None))
    yield event("response.in_progress", response=_whole(answer, "in_progress", None))
    place = {"item_id": OUTPUT_ID, "output_index": 0}
    part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    yield event("response.output_item.added", output_index=0, item=_item("in_progress", []))
    yield event("response.content_part.added", **place, content_index=0, part=part)
    sent = ""
    async for piece in _pieces(answer):
        sent += piece
        answer.noted.output_tokens = len(sent) // 4
        yield event("response.output_text.delta", **place, content_index=0, delta=piece, logprobs=[])
    if answer.struck_by(ModelFaultKind.CUT):
        _reset(request)
    if answer.struck_by(ModelFaultKind.CUT, ModelFaultKind.HANG):
        # The response is cancelled when the client hangs up.
        await asyncio.Event().wait()
    if answer.struck_by(ModelFaultKind.END):
        return
    for last in _last_events(answer, sent, event):
        yield last
    answer.noted.finished = True


async def _pieces(answer: Answer) -> AsyncIterator[str]:
    """The text in small pieces, and what a fault makes of it."""
    text = answer.text
    if answer.struck_by(
        ModelFaultKind.CUT,
        ModelFaultKind.HANG,
        ModelFaultKind.END,
        ModelFaultKind.FAILED,
        ModelFaultKind.ERROR,
        ModelFaultKind.LENGTH,
        ModelFaultKind.CONTENT_FILTER,
        ModelFaultKind.BLANKS,
        ModelFaultKind.DIGITS,
        ModelFaultKind.INVALID_JSON,
    ):
        text = text[: answer.cut_at]
    if answer.struck_by(ModelFaultKind.REFUSAL):
        text = ""
    for start in range(0, len(text), PIECE):
        await asyncio.sleep(answer.delta_delay_s)
        yield text[start : start + PIECE]
    if answer.struck_by(ModelFaultKind.INVALID_JSON):
        yield '"}]}}, and that is your day. Enjoy!'
    filler = {ModelFaultKind.BLANKS: "\n   \t ", ModelFaultKind.DIGITS: "123456"}
    if answer.fault is not None and answer.fault.kind in filler:
        for _ in range(ENDLESS):
            await asyncio.sleep(0)
            yield filler[answer.fault.kind]


def _last_events(answer: Answer, sent: str, event: Callable[..., bytes]) -> list[bytes]:
    """How an answer ends: whole, or as its fault says."""
    place = {"item_id": OUTPUT_ID, "output_index": 0, "content_index": 0}
    code = answer.fault.code if answer.fault is not None and answer.fault.code else "server_error"
    if answer.struck_by(ModelFaultKind.ERROR):
        return [event("error", code=code, message="A fault that was asked for.", param=None)]
    if answer.struck_by(ModelFaultKind.FAILED):
        failed = {
            **_whole(answer, "failed", sent),
            "error": {"code": code, "message": "A fault that was asked for."},
            "usage": None,
        }
        return [event("response.failed", response=failed)]
    if answer.struck_by(ModelFaultKind.LENGTH, ModelFaultKind.CONTENT_FILTER):
        reason = "content_filter" if answer.struck_by(ModelFaultKind.CONTENT_FILTER) else "max_output_tokens"
        whole = {**_whole(answer, "incomplete", sent), "incomplete_details": {"reason": reason}}
        return [event("response.incomplete", response=whole)]
    if answer.struck_by(ModelFaultKind.REFUSAL):
        refusal = "I'm sorry, but I can't help with that."
        whole = _whole(answer, "completed", None)
        whole["output"] = [_item("completed", [{"type": "refusal", "refusal": refusal}])]
        return [
            event("response.refusal.delta", **place, delta=refusal),
            event("response.refusal.done", **place, refusal=refusal),
            event("response.completed", response=whole),
        ]
    part = {"type": "output_text", "text": sent, "annotations": [], "logprobs": []}
    return [
        event("response.output_text.done", **place, text=sent, logprobs=[]),
        event("response.content_part.done", **place, part=part),
        event("response.output_item.done", output_index=0, item=_item("completed", [part])),
        event("response.completed", response=_whole(answer, "completed", sent)),
    ]


def _whole(answer: Answer, status: str, text: str | None) -> Body:
    """The response object."""
    body, noted = answer.body, answer.noted
    part: Body = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    if text is not None:
        noted.output_tokens = max(noted.output_tokens, len(text) // 4)
    usage = {
        "input_tokens": noted.input_tokens,
        "input_tokens_details": {"cached_tokens": noted.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": noted.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": noted.input_tokens + noted.output_tokens,
    }
    return {
        "id": "resp_standin",
        "object": "response",
        "created_at": 1_780_000_000,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": body.get("max_output_tokens"),
        "metadata": {},
        "model": body["model"],
        "output": [] if text is None else [_item(status, [part])],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "store": body.get("store", True),
        "temperature": 1.0,
        "text": body.get("text", {"format": {"type": "text"}}),
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None if status == "in_progress" else usage,
    }


def _item(status: str, content: list[Body]) -> Body:
    return {"id": OUTPUT_ID, "type": "message", "role": "assistant", "status": status, "content": content}


def _reset(request: Request) -> None:
    """End the connection at once, without another byte."""
    transport: asyncio.Transport = request.scope["state"]["transport"]
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT_AT_ALL)
    transport.abort()


async def _gone(request: Request) -> Response:
    """Nothing, until the client has hung up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    return Response(status_code=499)
