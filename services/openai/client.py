"""The model: one bounded question over the Responses API, streamed, and every way in which it can fail told apart.

Nothing of the SDK's own comfort is used where it hides a failure or waits too long: no retries, no parsing, no helper around the
stream. All that goes wrong is raised as `ModelFailed`.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from random import SystemRandom
from typing import Any, Protocol, TypeVar

import httpx2
import openai
import structlog

from services.clock import Clock
from services.config import ReasoningEffort, Settings
from services.domain.ids import UserId
from services.domain.routine import ModelUsage
from services.domain.writing import BlockText, SummaryText, WritingBrief
from services.errors import ModelFailed, ModelFailureKind
from services.metrics import Metrics
from services.openai.gate import Gate
from services.openai.payloads import DAY_SCHEMA, Ended, failure_of_status, read_event
from services.openai.prompt import PROMPT_VERSION, Prompt, prompt_of
from services.openai.stream import DayReader, EventReader
from services.openai.transport import openai_http

ATTEMPTS = 2
"""Of one question, while its failures pass and nothing of the answer has arrived (reliability.md, section 3)."""
PASSING = frozenset(
    {
        ModelFailureKind.CUT,
        ModelFailureKind.RATE_LIMITED,
        ModelFailureKind.TIMEOUT,
        ModelFailureKind.UNAVAILABLE,
        ModelFailureKind.UNREACHABLE,
    }
)
PAUSE_S = 0.2
LEAST_ATTEMPT_S = 3.0
"""With less than this left of the deadline no attempt is begun: it could not be finished."""
OUTPUT_TOKENS = 800
OUTPUT_TOKENS_PER_SLOT = 220
REASONING_TOKENS = 8_000
"""The most tokens of an answer: what is fixed, what each slot can take at the bounds of its texts, and what thinking may take."""
BYTES_PER_TOKEN = 3
"""Fewer than English and JSON have, so that the estimate errs on the dear side."""

T = TypeVar("T")
Output = BlockText | SummaryText | ModelUsage

log = structlog.get_logger()


class Budget(Protocol):
    """Tokens are set aside before a call and settled after it."""

    async def reserve(self, user_id: UserId, tokens: int) -> "Reserved":
        """Raises `ModelFailed` (BUDGET) where they are not left today."""


class Reserved(Protocol):
    async def settle(self, used: int) -> None:
        """What was used instead of what was set aside."""


@dataclass(slots=True)
class _Call:
    """What is known of one attempt. `used` is `None` until the provider told the tokens."""

    used: int | None = None
    blocks: int = 0


class OpenAIClient:
    """Writes what a brief asks for: at most `OPENAI_CONCURRENCY` calls at once, each within the budgets before it is made."""

    def __init__(
        self, http: httpx2.AsyncClient, settings: Settings, budget: Budget, metrics: Metrics, *, gate: Gate | None = None
    ) -> None:
        if settings.openai_api_key is None:
            raise ValueError("OPENAI_API_KEY is missing")
        self._sdk = openai.AsyncOpenAI(
            api_key=settings.openai_api_key.get_secret_value(),
            base_url=settings.model_url,
            http_client=http,
            max_retries=0,
            timeout=http.timeout,
        )
        # The SDK loads this part when it is first touched: at the start, and not within the first plan's time.
        self._responses = self._sdk.responses.with_streaming_response
        self._budget = budget
        self._metrics = metrics
        self.gate = gate or Gate()
        self._slots = asyncio.Semaphore(settings.openai_concurrency)
        self._attempt_timeout_s = settings.openai_attempt_timeout_s
        self._effort = settings.openai_reasoning_effort
        self.name = settings.model_name
        self.version = f"{self.name}/{self._effort}" if self._effort else self.name
        self.prompt_version = PROMPT_VERSION

    @classmethod
    @asynccontextmanager
    async def opened(cls, settings: Settings, budget: Budget, metrics: Metrics) -> AsyncIterator["OpenAIClient"]:
        """A client with connections of its own, closed on exit. Raises `ValueError` without OPENAI_API_KEY."""
        async with openai_http(settings) as http:
            yield cls(http, settings, budget, metrics)

    async def write(
        self, brief: WritingBrief, user_id: UserId, *, within_s: float, attempts: int = ATTEMPTS
    ) -> AsyncGenerator[Output, None]:
        """The answer while it arrives: blocks, then the summary, and the tokens of each call that told them.

        Ends or raises `ModelFailed` within `within_s`, waiting for a slot and pauses included; the time that whoever iterates
        takes is part of it. What was yielded before a failure stays good. Close it (`aclosing`) when it is left early.
        """
        deadline = Clock.monotonic() + within_s
        body = _body(prompt_of(brief), brief.slots, self.name, self._effort, user_id)
        for attempt in range(1, attempts + 1):
            call = _Call()
            try:
                async with aclosing(self._metered(body, user_id, deadline, call)) as outputs:
                    async for output in outputs:
                        yield output
            except ModelFailed as failure:
                pause_s = _pause_s(failure, deadline)
                if attempt == attempts or call.blocks or pause_s is None:
                    raise
                log.info("[OPENAI] Trying again", kind=failure.kind.name, reason=failure.reason, pause_s=round(pause_s, 2))
                await asyncio.sleep(pause_s)
            else:
                return

    async def _metered(self, body: dict[str, Any], user_id: UserId, deadline: float, call: _Call) -> AsyncGenerator[Output, None]:
        """One attempt, let through by the gate, in a slot, within the budgets.

        What a call took that never told its tokens is counted as all that was set aside: it may be charged for.
        """
        started, result = Clock.monotonic(), "abandoned"
        try:
            with self.gate.passage(user_id):
                await _in_time(self._slots.acquire(), deadline, ModelFailureKind.BUSY)
                try:
                    reserved = await self._budget.reserve(user_id, _most_tokens(body))
                    async with aclosing(self._settled(body, deadline, call, reserved)) as outputs:
                        async for output in outputs:
                            yield output
                finally:
                    self._slots.release()
            result = "written"
        except ModelFailed as failure:
            result = failure.kind.name.lower()
            raise
        finally:
            self._metrics.model_calls.labels(result).inc()
            self._metrics.model_call_seconds.observe(Clock.monotonic() - started)

    async def _settled(
        self, body: dict[str, Any], deadline: float, call: _Call, reserved: Reserved
    ) -> AsyncGenerator[Output, None]:
        try:
            async with aclosing(self._outputs(body, deadline)) as outputs:
                async for output in outputs:
                    if isinstance(output, ModelUsage):
                        call.used = output.input_tokens + output.output_tokens
                        self._count(output)
                    call.blocks += isinstance(output, BlockText)
                    yield output
        except ModelFailed as failure:
            if call.used is None and not failure.sent:
                call.used = 0
            raise
        finally:
            if call.used is not None:
                await reserved.settle(call.used)

    async def _outputs(self, body: dict[str, Any], deadline: float) -> AsyncGenerator[Output, None]:
        """One exchange, every failure of it as `ModelFailed`."""
        until = min(deadline, Clock.monotonic() + self._attempt_timeout_s)
        try:
            async with aclosing(self._exchange(body, until)) as outputs:
                async for output in outputs:
                    yield output
        except ModelFailed:
            raise
        except openai.APIStatusError as error:
            raise failure_of_status(error.status_code, error.body, error.response.headers) from error
        except (TimeoutError, openai.APIConnectionError, httpx2.HTTPError, httpx2.StreamError) as error:
            raise _broken(error) from error
        except (openai.OpenAIError, ValueError, RuntimeError, AttributeError, TypeError) as error:
            # An answer that the SDK stumbles over: 200 with a page of HTML, for one.
            raise ModelFailed(ModelFailureKind.MALFORMED, f"unreadable: {type(error).__name__}", sent=True) from error

    async def _exchange(self, body: dict[str, Any], until: float) -> AsyncGenerator[Output, None]:
        opening = self._responses.create(**body)
        answer = await _in_time(opening.__aenter__(), until, ModelFailureKind.TIMEOUT)
        try:
            media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            if media_type != "text/event-stream":
                raise ModelFailed(ModelFailureKind.MALFORMED, "not an event stream by its content type", sent=True)
            async with aclosing(_read(answer.iter_bytes(), until)) as outputs:
                async for output in outputs:
                    yield output
        finally:
            await opening.__aexit__(None, None, None)

    def _count(self, usage: ModelUsage) -> None:
        tokens = self._metrics.model_tokens
        tokens.labels("input").inc(usage.input_tokens - usage.cached_input_tokens)
        tokens.labels("cached").inc(usage.cached_input_tokens)
        tokens.labels("output").inc(usage.output_tokens)


async def _read(chunks: AsyncIterator[bytes], until: float) -> AsyncGenerator[Output, None]:
    """The outputs of a stream up to its end event; bytes after that are not waited for."""
    events, day = EventReader(), DayReader()
    while (chunk := await _in_time(anext(chunks, None), until, ModelFailureKind.TIMEOUT)) is not None:
        for data in events.feed(chunk):
            event = read_event(data)
            if isinstance(event, Ended):
                if event.usage is not None:
                    yield event.usage
                if event.failure is not None:
                    raise event.failure
                if (summary := day.finish()) is not None:
                    yield summary
                return
            for block in day.feed(event.text) if event is not None else ():
                yield block
    raise ModelFailed(ModelFailureKind.CUT, "the stream ended before the answer", sent=True)


async def _in_time(work: Any, until: float, kind: ModelFailureKind) -> Any:  # noqa: ANN401 - whatever the work gives
    """What is waited for, or `ModelFailed` once the moment has passed.

    The time limit never spans a `yield`: it would cancel whoever iterates.
    """
    try:
        async with asyncio.timeout(max(0.0, until - Clock.monotonic())):
            return await work
    except TimeoutError:
        raise ModelFailed(kind, "no whole answer in time", sent=kind is ModelFailureKind.TIMEOUT) from None


def _broken(error: Exception) -> ModelFailed:
    """A connection that was not made, took too long or broke; its class says which, its message can name addresses."""
    cause = error.__cause__ if isinstance(error, openai.APIConnectionError) and error.__cause__ else error
    name = type(cause).__name__
    if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.UnsupportedProtocol):
        return ModelFailed(ModelFailureKind.UNREACHABLE, name)
    if isinstance(cause, httpx2.PoolTimeout):
        return ModelFailed(ModelFailureKind.BUSY, name)
    if isinstance(cause, TimeoutError | httpx2.TimeoutException):
        return ModelFailed(ModelFailureKind.TIMEOUT, name, sent=True)
    return ModelFailed(ModelFailureKind.CUT, name, sent=True)


def _pause_s(failure: ModelFailed, deadline: float) -> float | None:
    """How long to wait before the same question is asked again; `None`: it is not."""
    if failure.kind not in PASSING:
        return None
    pause_s = (failure.retry_after_s or 0.0) + SystemRandom().uniform(0, PAUSE_S)
    return pause_s if Clock.monotonic() + pause_s + LEAST_ATTEMPT_S <= deadline else None


def _body(prompt: Prompt, slots: int, model: str, effort: ReasoningEffort | None, user_id: UserId) -> dict[str, Any]:
    """What is sent. Nothing is stored at the provider, and the person is a hash to it."""
    thinking = REASONING_TOKENS if effort not in {None, ReasoningEffort.NONE} else 0
    body: dict[str, Any] = {
        "model": model,
        "instructions": prompt.instructions,
        "input": [{"role": "user", "content": [{"type": "input_text", "text": prompt.data}]}],
        "text": {"format": {"type": "json_schema", "name": "written_day", "strict": True, "schema": DAY_SCHEMA}},
        "max_output_tokens": OUTPUT_TOKENS + OUTPUT_TOKENS_PER_SLOT * slots + thinking,
        "store": False,
        "stream": True,
        "prompt_cache_key": f"firstlight-day-{PROMPT_VERSION}",
        "safety_identifier": sha256(f"firstlight/{user_id}".encode("utf-8", "surrogatepass")).hexdigest(),
    }
    return body if effort is None else {**body, "reasoning": {"effort": effort.value}}


def _most_tokens(body: dict[str, Any]) -> int:
    """What a call can cost at most."""
    question = len(body["instructions"].encode()) + len(str(body["input"]).encode()) + len(str(body["text"]).encode())
    return question // BYTES_PER_TOKEN + int(body["max_output_tokens"])
