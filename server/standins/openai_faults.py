"""What the stand-in model does wrong while it runs.

PUT /_standin/faults replaces what was set, GET shows it, DELETE clears it:

  {"mode": "good", "first_delay_s": 0.5, "faults": [
    {"kind": "status", "status": 429, "code": "rate_limit_exceeded",
     "retry_after_s": 7, "times": 1}]}

How it writes:

  mode           good sloppy absurd unsafe medical hostile echo (O8-O11)
  first_delay_s  from the question to the first word
  delta_delay_s  between two pieces of the answer

The first fault that is not used up decides:

  skip, times    lets so many requests pass first; strikes at most so often
  after_blocks   whole blocks that are sent before it strikes

What happens, by kind (O numbers: the fault matrix):

  status         `status` instead of an answer, with `code` and
                 `retry_after_s`: O1 429 rate_limit_exceeded, O2 429
                 insufficient_quota, O3 500 or 503, O12 401 invalid_api_key,
                 404 model_not_found, 400 context_length_exceeded, O16 400
                 content_filter
  hang           O4   no answer, or none after `after_blocks`
  down                the connection is reset without a byte
  cut            O5   it is reset in the middle of the answer
  end            O5   the stream ends in good order in the middle of it
  failed, error       the answer's own event says that it failed: `code`
  refusal        O6
  length         O7   the answer meets its length limit
  invalid_json   O8   the text is no JSON from there on
  schema         O8   the block after `after_blocks` lacks a field
  late           O13  the answer, whole, after `delay_s`
  content_filter O16  the filter stops it
  blanks, digits      white space, or digits, without end
  html, redirect, gzip   an answer that was not asked for

GET /_standin/log lists the newest 1,000 requests with what they took; DELETE
begins anew. GET /_standin/requests gives the bodies of the newest 100.
"""

from collections import deque
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from server.standins.openai_words import Mode

GUIDE = __doc__ or ""
KEPT = 1_000
KEPT_BODIES = 100


class ModelFaultKind(StrEnum):
    """What happens to an answer; the head of this module says how."""

    STATUS = "status"
    HANG = "hang"
    LATE = "late"
    DOWN = "down"
    CUT = "cut"
    END = "end"
    FAILED = "failed"
    ERROR = "error"
    REFUSAL = "refusal"
    LENGTH = "length"
    CONTENT_FILTER = "content_filter"
    INVALID_JSON = "invalid_json"
    SCHEMA = "schema"
    BLANKS = "blanks"
    DIGITS = "digits"
    HTML = "html"
    REDIRECT = "redirect"
    GZIP = "gzip"


class ModelFault(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: ModelFaultKind
    status: int = Field(503, ge=400, le=599)
    code: str | None = None
    retry_after_s: float | None = Field(None, ge=0)
    delay_s: float = Field(1.0, ge=0, le=3600)
    after_blocks: int = Field(0, ge=0, le=5)
    times: int | None = Field(None, ge=1)
    skip: int = Field(0, ge=0)


class ModelBehaviour(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Mode = Mode.GOOD
    first_delay_s: float = Field(0.0, ge=0, le=600)
    delta_delay_s: float = Field(0.0, ge=0, le=10)
    faults: Annotated[tuple[ModelFault, ...], Field(max_length=100)] = ()


@dataclass(slots=True)
class ModelRequest:
    """One request as it was answered. Tokens are what a provider would charge for; `finished`: all of it was sent."""

    status: int | None = None
    fault: str | None = None
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    finished: bool = False


@dataclass(slots=True)
class ModelBoard:
    """How the model behaves at the moment, and what it was asked."""

    behaviour: ModelBehaviour = field(default_factory=ModelBehaviour)
    log: deque[ModelRequest] = field(default_factory=lambda: deque(maxlen=KEPT))
    bodies: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=KEPT_BODIES))
    seen: list[int] = field(default_factory=list)
    prefixes: set[str] = field(default_factory=set)

    def set(self, behaviour: ModelBehaviour) -> None:
        self.behaviour = behaviour
        self.seen = [0] * len(behaviour.faults)

    def draw(self) -> ModelFault | None:
        """The fault that strikes this request."""
        for index, fault in enumerate(self.behaviour.faults):
            if fault.times is not None and self.seen[index] >= fault.skip + fault.times:
                continue
            self.seen[index] += 1
            if self.seen[index] > fault.skip:
                return fault
        return None


def board_routes(board: ModelBoard) -> list[Route]:
    """The endpoints that set the behaviour and show what was asked."""

    async def faults(request: Request) -> Response:
        if request.method == "PUT":
            try:
                board.set(ModelBehaviour.model_validate_json(await request.body()))
            except ValidationError as error:
                return Response(error.json(include_url=False), status_code=400, media_type="application/json")
        elif request.method == "DELETE":
            board.set(ModelBehaviour())
        return JSONResponse(board.behaviour.model_dump(mode="json"))

    async def log(request: Request) -> Response:
        if request.method == "DELETE":
            board.log.clear()
            board.bodies.clear()
        return JSONResponse([asdict(each) for each in board.log])

    async def requests(_request: Request) -> Response:
        return JSONResponse(list(board.bodies))

    return [
        Route("/_standin/faults", faults, methods=["GET", "PUT", "DELETE"]),
        Route("/_standin/log", log, methods=["GET", "DELETE"]),
        Route("/_standin/requests", requests, methods=["GET"]),
    ]
