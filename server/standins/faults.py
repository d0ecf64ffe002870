"""The fault language: what is set on a stand-in while it runs.

PUT /_standin/faults replaces what was set, GET shows it, DELETE clears it:

  {"seed": 1, "faults": [
    {"kind": "status", "status": 503, "match": "score", "times": 3}]}

The first fault that matches a request and strikes it decides; one that does
not strike leaves it to the next. What changes rows (edit to overlap below)
adds up: all that strike are applied, in their order.

Which requests, for every kind:

  match        kinds of call joined by "|", "*" for all: token register
               profile_token refresh_token search profile score biomarker
               archetypes trend comparison demographic device integration
               data_log version
  person       ids joined by "|", "*" for all; one may end in a star
  probability  chance of each request, drawn from the seed
  skip, times  lets so many pass first; strikes at most so often
  from_s, until_s   seconds after the faults were set between which it strikes

What happens, by kind (S numbers: the fault matrix):

  down         S1   the connection is reset without a byte
  hang         S3   no answer, ever
  drip_head    S4   a header that never ends, a byte each `delay_s`
  drip         S5   the body, a byte each `delay_s`
  status       S6-S11, S20   `status` instead of an answer, with
               `retry_after_s` where given; match token too for a key revoked
  reset        S12  a reset in the middle of the body
  truncate     S13  half a body;  garbage: a body that is not JSON
  html         S14  a login page with status 200
  edit         S15, S16   in each row `field` (dotted for what is nested) is
               `omit`ted, `rename`d, or `set` to a value; `types` limits it to
               rows of these types or names
  big, bomb    S17  50 MB of blanks, plain or as a small gzip
  redirect     S18  302 to `location`
  wrong_profile  S19  the profile of somebody else
  delay        S21  the answer after `delay_s`; with `p99_s` after a time of a
               long-tailed spread whose median is `delay_s`
  shift        S22  every time in every row moved by `hours`
  zone         S22  every time written in `offset`, the instants unchanged
  shuffle      S22  the rows in another order
  overlap      S22  every row again, an hour later and with another value
  empty             204, as if there were nothing

What has no kind: S2 is a base URL that ends in .invalid, S23 is
/_standin/webhooks, S24 is DELETE after any of these.

DELETE /_standin/tokens revokes all account tokens. PUT /_standin/tokens takes
{"life_s": 60, "as_text": true} for those to come.

GET /_standin/log lists the newest 10,000 requests, oldest first, and
GET /_standin/counts how many there were by kind and status, and how many at
once. DELETE on either begins anew.
"""

import math
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from hashlib import blake2b
from statistics import NormalDist
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.clock import Clock

KEPT_REQUESTS = 10_000
KEPT_QUERY = 500
"""Characters."""
P99 = NormalDist().inv_cdf(0.99)


class FaultKind(StrEnum):
    """What happens instead of an answer, or to it."""

    DOWN = "down"
    STATUS = "status"
    DELAY = "delay"
    HANG = "hang"
    DRIP = "drip"
    DRIP_HEAD = "drip_head"
    TRUNCATE = "truncate"
    GARBAGE = "garbage"
    RESET = "reset"
    HTML = "html"
    REDIRECT = "redirect"
    BIG = "big"
    BOMB = "bomb"
    EMPTY = "empty"
    WRONG_PROFILE = "wrong_profile"
    EDIT = "edit"
    SHIFT = "shift"
    ZONE = "zone"
    SHUFFLE = "shuffle"
    OVERLAP = "overlap"


class Fault(BaseModel):
    """One fault; the head of this module says what each field means."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    match: str = "*"
    person: str = "*"
    kind: FaultKind
    status: int = Field(503, ge=400, le=599)
    retry_after_s: int | None = Field(None, ge=0)
    delay_s: float = Field(1.0, ge=0, le=3600)
    p99_s: float | None = Field(None, gt=0, le=3600)
    times: int | None = Field(None, ge=1)
    skip: int = Field(0, ge=0)
    probability: float = Field(1.0, ge=0, le=1)
    from_s: float = Field(0.0, ge=0)
    until_s: float | None = Field(None, gt=0)
    location: str = "http://127.0.0.1:1/"
    field: str = Field("value", pattern=r"^\w+(\.\w+)*$")
    types: tuple[str, ...] = ()
    omit: bool = False
    rename: str | None = None
    set: Any = None
    hours: float = Field(48.0, ge=-24 * 366, le=24 * 366)
    offset: str = Field("+14:00", pattern=r"^[+-]\d{2}:\d{2}$")

    @model_validator(mode="after")
    def _spread(self) -> "Fault":
        if self.p99_s is not None and not 0 < self.delay_s <= self.p99_s:
            raise ValueError("p99_s is not below delay_s, which is above 0")
        return self

    def matches(self, call: "Call") -> bool:
        kinds = self.match.split("|")
        return ("*" in kinds or call.kind in kinds) and any(_is_of(call.person, each) for each in self.person.split("|"))

    def wait_s(self, chance: float) -> float:
        """How long a delay is: log-normal around `delay_s` where a `p99_s` is given. `chance` lies between 0 and 1."""
        if self.p99_s is None:
            return self.delay_s
        spread = math.log(self.p99_s / self.delay_s) / P99
        return self.delay_s * math.exp(spread * NormalDist().inv_cdf(min(max(chance, 1e-6), 1 - 1e-6)))


ROW_CHANGES = frozenset({FaultKind.EDIT, FaultKind.SHIFT, FaultKind.ZONE, FaultKind.SHUFFLE, FaultKind.OVERLAP})


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault that strikes a request, and a number from 0 to 1 that is this strike's own."""

    fault: Fault
    chance: float


class FaultPlan(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    faults: Annotated[tuple[Fault, ...], Field(max_length=100)] = ()
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """What a request asks for: the kind of call, and the person it names, if any."""

    kind: str
    person: str | None


@dataclass(slots=True)
class Asked:
    """One request as it was answered; `status` is `None` while it is not, and when it never was. `at_s` counts from the start."""

    method: str
    kind: str
    person: str | None
    query: str
    at: str
    at_s: float
    status: int | None = None


@dataclass(slots=True)
class Counts:
    """Requests by kind and status since the beginning; `most_at_once` of them were being answered at the same time."""

    by_kind: Counter[str] = field(default_factory=Counter)
    by_status: Counter[str] = field(default_factory=Counter)
    at_once: int = 0
    most_at_once: int = 0

    def document(self) -> dict[str, Any]:
        return {"by_kind": dict(self.by_kind), "by_status": dict(self.by_status), "most_at_once": self.most_at_once}


class FaultBoard:
    """The faults that are set, how often each was considered and has struck, and the requests so far."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._started_at_s = clock.monotonic()
        self.log: deque[Asked] = deque(maxlen=KEPT_REQUESTS)
        self.counts = Counts()
        self.set(FaultPlan())

    def set(self, plan: FaultPlan) -> None:
        self.plan = plan
        self._set_at_s = self._clock.monotonic()
        self._considered = [0] * len(plan.faults)
        self._struck = [0] * len(plan.faults)

    def began(self, method: str, call: Call, query: str) -> Asked:
        """Notes a request that came in, with its query as it was written."""
        at_s = round(self._clock.monotonic() - self._started_at_s, 3)
        asked = Asked(method, call.kind, call.person, query[:KEPT_QUERY], self._clock.now().isoformat(), at_s)
        self.log.append(asked)
        counts = self.counts
        counts.by_kind[call.kind] += 1
        counts.at_once += 1
        counts.most_at_once = max(counts.most_at_once, counts.at_once)
        return asked

    def ended(self, asked: Asked) -> None:
        """Notes that the request was answered, or never will be."""
        self.counts.at_once -= 1
        self.counts.by_status[str(asked.status or "none")] += 1

    def recount(self) -> None:
        self.counts = Counts(at_once=self.counts.at_once)

    def draw(self, call: Call) -> list[Strike]:
        """The faults that strike this request, counted as struck: none, one, or several that change rows."""
        strikes: list[Strike] = []
        for index, fault in enumerate(self.plan.faults):
            if strikes and fault.kind not in ROW_CHANGES:
                continue
            if fault.matches(call) and self._strikes(index, fault):
                strikes.append(Strike(fault, self._chance(index, "how")))
                if fault.kind not in ROW_CHANGES:
                    break
        return strikes

    def _strikes(self, index: int, fault: Fault) -> bool:
        since_s = self._clock.monotonic() - self._set_at_s
        over = fault.until_s is not None and since_s >= fault.until_s
        used_up = fault.times is not None and self._struck[index] >= fault.times
        if over or used_up or since_s < fault.from_s:
            return False
        self._considered[index] += 1
        struck = self._considered[index] > fault.skip and self._chance(index, "strikes") < fault.probability
        self._struck[index] += struck
        return struck

    def _chance(self, index: int, what: str) -> float:
        text = f"{self.plan.seed}|{index}|{self._considered[index]}|{what}"
        return int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) / 2**64


def fault_routes(board: FaultBoard) -> list[Route]:
    """The endpoints that set faults and show what was asked."""

    async def faults(request: Request) -> Response:
        if request.method == "PUT":
            try:
                board.set(FaultPlan.model_validate_json(await request.body()))
            except ValidationError as error:
                return Response(error.json(include_url=False), status_code=400, media_type="application/json")
        elif request.method == "DELETE":
            board.set(FaultPlan())
        return JSONResponse(board.plan.model_dump(mode="json"))

    async def log(request: Request) -> Response:
        if request.method == "DELETE":
            board.log.clear()
        return JSONResponse([asdict(asked) for asked in board.log])

    async def counts(request: Request) -> Response:
        if request.method == "DELETE":
            board.recount()
        return JSONResponse(board.counts.document())

    return [
        Route("/_standin/faults", faults, methods=["GET", "PUT", "DELETE"]),
        Route("/_standin/log", log, methods=["GET", "DELETE"]),
        Route("/_standin/counts", counts, methods=["GET", "DELETE"]),
    ]


def _is_of(person: str | None, wanted: str) -> bool:
    if wanted.endswith("*"):
        return (person or "").startswith(wanted[:-1])
    return person == wanted
