"""The webhooks: what Sahha knows of its people, posted as signed events.

PUT /_standin/webhooks says where and how; what is left out is as at the
start. GET shows it and what became of the events sent:

  {"url": "http://127.0.0.1:8002/webhooks/sahha", "secret": "...",
   "people": ["sandbox-avery"], "rate": 5}

  url, secret     where to, on loopback, and the key of the signature;
                  `firstlight serve` in sandbox mode has set both
  people          whose events
  events          which, by the names of X-Event-Type; all when left out
  rate            events a second from now on; 0: only what is asked for
  duplicates      chance that an event is sent `copies` times instead of once
  shuffle         so many events are held back and sent in another order
  bad_signatures  chance of a signature by another key
  wrong_person    chance of an X-External-Id that is not the body's
  unknown_types   chance of an X-Event-Type that nobody knows
  retries         an event that is not answered 2xx is sent again so often
  seed            draws the chances: a run can be repeated

POST /_standin/webhooks/send {"count": 10000, "at_once": 50} sends so many now
and answers when all are answered: how many, by status, and how long they
took. DELETE /_standin/webhooks ends what `rate` began.

X-Signature is HMAC-SHA256 of the body in hexadecimal, its key the secret as
text.
"""

import asyncio
import hmac
import ipaddress
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from random import Random
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from server.standins.account import Account
from server.standins.questions import Refused
from server.standins.webhook_events import HISTORY_DAYS, Event, EventKind, events_of
from services.background import background
from services.clock import Clock

ANSWER_TIMEOUT_S = 30.0
"""Sahha waits so long for an answer."""
RETRY_PAUSE_S = 0.2
NOTHING_PAUSE_S = 1.0
MOST_AT_ONCE = 200
LIVE_DAYS = 2
"""What `rate` sends: the running day and the one before, as they stand."""
STRANGE_TYPE = "InsightCreatedIntegrationEvent"

Chance = Annotated[float, Field(ge=0, le=1)]
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Target:
    """Where the webhooks of a stand-in go unless it is told otherwise. Raises `ValueError` for a URL beyond loopback."""

    url: str | None = None
    secret: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.url is not None and not is_on_loopback(self.url):
            raise ValueError("webhooks go to http:// on loopback only")


class WebhookPlan(BaseModel):
    """The head of this module says what each field means."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str | None = None
    secret: SecretStr | None = None
    people: Annotated[tuple[str, ...], Field(min_length=1, max_length=10_000)] = ("sandbox-avery",)
    events: Annotated[frozenset[EventKind], Field(min_length=1)] = frozenset(EventKind)
    rate: float = Field(0.0, ge=0, le=10_000)
    duplicates: Chance = 0.0
    copies: int = Field(2, ge=2, le=10)
    shuffle: int = Field(0, ge=0, le=1000)
    bad_signatures: Chance = 0.0
    wrong_person: Chance = 0.0
    unknown_types: Chance = 0.0
    retries: int = Field(0, ge=0, le=10)
    seed: int = 0

    @field_validator("url")
    @classmethod
    def _loopback(cls, value: str | None) -> str | None:
        if value is not None and not is_on_loopback(value):
            raise ValueError("is not http:// on loopback")
        return value


class Burst(BaseModel):
    """What is asked for with `send`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    count: int = Field(1, ge=1, le=100_000)
    at_once: int = Field(10, ge=1, le=MOST_AT_ONCE)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event as it is sent: the headers can lie, the body does not."""

    event: Event
    external_id: str
    kind: str
    signature: str

    @property
    def headers(self) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "X-Signature": self.signature,
            "X-External-Id": self.external_id,
            "X-Event-Type": self.kind,
        }


def signature_of(body: bytes, secret: str) -> str:
    """The value of `X-Signature`: HMAC-SHA256 of the raw body, in hexadecimal. The secret is used as text."""
    return hmac.new(secret.encode(), body, sha256).hexdigest()


class Outbox:
    """Sends the events of an account's people, as the plan says that is set."""

    def __init__(self, account: Account, target: Target) -> None:
        self._account = account
        self._usual = WebhookPlan(url=target.url, secret=SecretStr(target.secret) if target.secret else None)
        self._http: httpx.AsyncClient | None = None
        self._wanted = asyncio.Event()
        self.statuses: Counter[str] = Counter()
        self.plan = self._usual

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sends what `rate` asks for as long as the block lasts."""
        limits = httpx.Limits(max_connections=MOST_AT_ONCE, max_keepalive_connections=MOST_AT_ONCE)
        timeout = httpx.Timeout(ANSWER_TIMEOUT_S)
        async with (
            httpx.AsyncClient(trust_env=False, limits=limits, timeout=timeout) as self._http,
            background(self._trickle(), "webhooks of the stand-in"),
        ):
            yield

    def set(self, plan: WebhookPlan) -> None:
        """Raises `Refused` for people that nobody knows."""
        given = {name: getattr(plan, name) for name in plan.model_fields_set}
        for external_id in plan.people:
            self._account.person(external_id)
        self.plan = self._usual.model_copy(update=given)
        if self.plan.rate > 0:
            self._wanted.set()
        else:
            self._wanted.clear()

    def reset(self) -> None:
        self.plan = self._usual
        self._wanted.clear()

    async def send(self, burst: Burst) -> dict[str, Any]:
        """Send so many events now and wait for all of the answers."""
        if self.plan.url is None or self.plan.secret is None:
            raise Refused(400, "No url or no secret is set", "url")
        deliveries = islice(self._deliveries(self.plan, HISTORY_DAYS), burst.count)
        took_ms: list[float] = []
        statuses: Counter[str] = Counter()

        async def send_in_turn() -> None:
            for delivery in deliveries:
                started = Clock.monotonic()
                statuses[await self._post(self.plan, delivery)] += 1
                took_ms.append((Clock.monotonic() - started) * 1000)

        async with asyncio.TaskGroup() as group:
            for _ in range(burst.at_once):
                group.create_task(send_in_turn())
        return {"sent": len(took_ms), "statuses": dict(statuses), "took_ms": _spread(took_ms)}

    async def _trickle(self) -> None:
        while True:
            await self._wanted.wait()
            plan = self.plan
            for delivery in self._deliveries(plan, LIVE_DAYS):
                if plan is not self.plan or not self._wanted.is_set():
                    break
                await self._post(plan, delivery)
                await asyncio.sleep(1 / plan.rate)
            else:
                await asyncio.sleep(NOTHING_PAUSE_S)

    async def _post(self, plan: WebhookPlan, delivery: Delivery) -> str:
        """The status of the last attempt, or the kind of error that it came to."""
        if self._http is None or plan.url is None:
            raise RuntimeError("the outbox does not run")
        status = "none"
        for attempt in range(plan.retries + 1):
            if attempt:
                await asyncio.sleep(RETRY_PAUSE_S)
            try:
                answer = await self._http.post(plan.url, content=delivery.event.body, headers=delivery.headers)
            except httpx.TransportError as error:
                status = type(error).__name__
            else:
                status = str(answer.status_code)
            self.statuses[status] += 1
            if status.startswith("2"):
                break
        return status

    def _deliveries(self, plan: WebhookPlan, days: int) -> Iterator[Delivery]:
        """Endless, as long as anybody has data: the people take turns."""
        draw = Random(plan.seed)
        people = [self._account.person(external_id) for external_id in plan.people]
        events = _in_turn([events_of(person, plan.events, self._account.clock, days) for person in people])
        sent = (_delivery(plan, event, draw) for event in _shuffled(events, plan.shuffle, draw))
        for delivery in sent:
            yield from [delivery] * (plan.copies if draw.random() < plan.duplicates else 1)


def webhook_routes(outbox: Outbox) -> list[Route]:
    """The endpoints that say where events go, and that send some."""

    async def webhooks(request: Request) -> Response:
        if request.method == "PUT":
            outbox.set(_read(WebhookPlan, await request.body()))
        elif request.method == "DELETE":
            outbox.reset()
        return JSONResponse({**outbox.plan.model_dump(mode="json"), "sent": dict(outbox.statuses)})

    async def send(request: Request) -> Response:
        return JSONResponse(await outbox.send(_read(Burst, await request.body() or b"{}")))

    return [
        Route("/_standin/webhooks", webhooks, methods=["GET", "PUT", "DELETE"]),
        Route("/_standin/webhooks/send", send, methods=["POST"]),
    ]


def _read(model: type[Model], body: bytes) -> Model:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise Refused(400, problem["msg"], ".".join(str(part) for part in problem["loc"])) from None


def _delivery(plan: WebhookPlan, event: Event, draw: Random) -> Delivery:
    secret = plan.secret.get_secret_value() if plan.secret else ""
    wrong_key, wrong_person, strange = (draw.random() for _ in range(3))
    signature = signature_of(event.body, f"not {secret}" if wrong_key < plan.bad_signatures else secret)
    external_id = "sandbox-somebody-else" if wrong_person < plan.wrong_person else event.external_id
    kind = STRANGE_TYPE if strange < plan.unknown_types else event.kind
    return Delivery(event, external_id, kind, signature)


def _spread(took_ms: list[float]) -> dict[str, float]:
    """Nearest ranks; empty when there is nothing to measure."""
    ordered = sorted(took_ms)
    ranks = {"p50": 0.5, "p99": 0.99, "most": 1.0} if ordered else {}
    return {name: round(ordered[min(len(ordered) - 1, int(rank * len(ordered)))], 1) for name, rank in ranks.items()}


def _in_turn(sources: Iterable[Iterator[Event]]) -> Iterator[Event]:
    """One from each in turn, until none has any."""
    left = list(sources)
    while left:
        for source in list(left):
            event = next(source, None)
            if event is None:
                left.remove(source)
            else:
                yield event


def _shuffled(events: Iterator[Event], window: int, draw: Random) -> Iterator[Event]:
    held: list[Event] = []
    for event in events:
        held.append(event)
        if len(held) > window:
            yield held.pop(draw.randrange(len(held)))
    draw.shuffle(held)
    yield from held


def is_on_loopback(url: str) -> bool:
    """Whether a URL is `http://` to an address of this machine alone."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        return parts.scheme == "http" and (host == "localhost" or ipaddress.ip_address(host).is_loopback)
    except ValueError:
        return False
