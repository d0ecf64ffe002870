"""More than the service can answer: `python -m tests.load.openloop [seconds per stage]` (reliability.md, C15 and section 6).

An open loop: requests arrive when they would have (a Poisson process), whether or not those before were answered, and each one's
latency counts from its intended arrival. So a stall of the service is seen, which a closed loop hides by waiting. Finds the
capacity C of a service of its own by raising the rate, then offers 0.6 C, 2 C and 0.5 C, and prints what became of them.
"""

import asyncio
import json
import math
import random
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from services.clock import Clock
from tests.load.folder import data_folder
from tests.process import ServiceProcess, service_process

MOST_OPEN = 1000
"""Requests under way at the same time. More are not sent and count as failed: a service that sheds never lets it come to that."""
ANSWER_TIMEOUT_S = 30
FIRST_RATE, GROWTH, STEP_S = 60.0, 1.25, 4
SLOW_S, FAILED_SHARE = 0.25, 0.005
"""Where capacity ends: reads slower than this at the 99th percentile, or more failures."""
MOST_LAG_S = 0.02
"""The generator itself may be so late, or the figures are its own."""
WORK_SHARE = 0.1
PEOPLE = ("sandbox-avery", "sandbox-blake", "sandbox-casey")
READ = """query($user: ID!) { biomarkers(userId: $user, policy: DATABASE, first: 100) { nodes {
  id category type value number unit startDateTime endDateTime } } }"""
WORK = """mutation($user: ID!) { generateRoutine(input: {userId: $user, archetype: PEAK_PERFORMER, timezone: "UTC"}) {
  __typename } }"""
LIVE = "query($user: ID!) { biomarkers(userId: $user) { totalCount } }"


@dataclass(frozen=True, slots=True)
class Answer:
    """`late_s`: how long after its intended arrival the request was sent. `status` 0: no answer at all."""

    status: int
    late_s: float
    latency_s: float
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Stage:
    """What became of the requests of one stage."""

    name: str
    seconds: float
    answers: list[Answer]

    @property
    def good(self) -> list[float]:
        """Latencies of what was answered."""
        return sorted(answer.latency_s for answer in self.answers if answer.status == 200)

    @property
    def refused(self) -> list[float]:
        """Latencies of what was turned away."""
        return sorted(answer.latency_s for answer in self.answers if answer.status in {429, 503})

    @property
    def failed(self) -> int:
        return len(self.answers) - len(self.good) - len(self.refused)

    @property
    def lag_s(self) -> float:
        """How late the generator was, at the 99th percentile."""
        return percentile(sorted(answer.late_s for answer in self.answers), 0.99)

    @property
    def sustained(self) -> bool:
        return percentile(self.good, 0.99) <= SLOW_S and len(self.good) >= (1 - FAILED_SHARE) * len(self.answers)

    def row(self) -> str:
        figures = (
            f"{len(self.answers) / self.seconds:.0f}/s",
            f"{len(self.good) / self.seconds:.0f}/s",
            f"{len(self.refused) / len(self.answers):.1%}",
            str(self.failed),
            *(f"{percentile(self.good, share) * 1000:.1f}" for share in (0.5, 0.99)),
            *(f"{percentile(self.refused, share) * 1000:.1f}" for share in (0.5, 0.99)),
            f"{self.lag_s * 1000:.1f}{' void' if self.lag_s > MOST_LAG_S else ''}",
        )
        return line_of(self.name, figures)


HEADINGS = ("offered", "answered", "refused", "failed", "p50 ms", "p99 ms", "no p50 ms", "no p99 ms", "lag ms")
"""`no`: of refusals."""


def line_of(name: str, figures: Sequence[str]) -> str:
    return f"{name:14}" + "".join(f"{figure:>11}" for figure in figures)


def percentile(ordered: Sequence[float], share: float) -> float:
    """Of values in their order; nothing has no percentile (NaN)."""
    return ordered[int(share * (len(ordered) - 1))] if ordered else math.nan


class Line:
    """One kept-alive connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def opened(cls, host: str, port: int) -> Self:
        return cls(*await asyncio.open_connection(host, port))

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return int(head.split()[1]), await self._reader.readexactly(length)

    def close(self) -> None:
        self._writer.close()


class Target:
    """A GraphQL endpoint, on as many connections as are needed."""

    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 80)
        self._key = key
        self._idle: deque[Line] = deque()

    async def ask(self, query: str, user: str) -> tuple[int, bytes]:
        body = json.dumps({"query": query, "variables": {"user": user}}).encode()
        head = f"POST /graphql HTTP/1.1\r\nhost: test\r\nx-api-key: {self._key}\r\ncontent-type: application/json\r\n"
        request = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                line = self._idle.pop() if self._idle else await Line.opened(*self._address)
                answer = await line.ask(request)
        except (OSError, EOFError):
            return 0, b""
        self._idle.append(line)
        return answer

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()


async def play(target: Target, name: str, rate: float, seconds: float, chance: random.Random, work: Callable[[], str]) -> Stage:
    """Offer `rate` requests a second. `work` names the next person for whom a plan is asked."""
    answers: list[Answer] = []
    under_way = 0

    async def one(intended: float, query: str, user: str) -> None:
        nonlocal under_way
        sent = Clock.monotonic()
        status, body = await target.ask(query, user)
        answers.append(Answer(status, sent - intended, Clock.monotonic() - intended, body))
        under_way -= 1

    began = intended = Clock.monotonic()
    async with asyncio.TaskGroup() as group:
        while (intended := intended + chance.expovariate(rate)) < began + seconds:
            if (ahead := intended - Clock.monotonic()) > 0:
                await asyncio.sleep(ahead)
            if under_way >= MOST_OPEN:
                answers.append(Answer(0, 0, math.inf, b""))
                continue
            under_way += 1
            query, user = (WORK, work()) if chance.random() < WORK_SHARE else (READ, chance.choice(PEOPLE))
            group.create_task(one(intended, query, user))
    return Stage(name, seconds, answers)


async def capacity(target: Target, chance: random.Random, work: Callable[[], str]) -> float:
    """The highest rate that was sustained, raised step by step; a step may fail once, for machines have moods."""
    rate, sustained, failures = FIRST_RATE, FIRST_RATE, 0
    while failures < 2:
        stage = await play(target, f"{rate:.0f}/s", rate, STEP_S, chance, work)
        print(stage.row())
        if stage.sustained:
            sustained, rate, failures = rate, rate * GROWTH, 0
        else:
            failures += 1
    return sustained


def names() -> Iterator[str]:
    """People of whom nothing is known yet, so that no plan joins another."""
    number = 0
    while True:
        number += 1
        yield f"tapping-{number}"


async def measure(service: ServiceProcess, seconds: float) -> None:
    target, chance, people = Target(service.url, service.service_key), random.Random(1), names()
    for person in PEOPLE:
        assert (await target.ask(LIVE, person))[0] == 200

    def work() -> str:
        return next(people)

    await play(target, "warm", FIRST_RATE, 5, chance, work)
    print(line_of("stage", HEADINGS))
    c = await capacity(target, chance, work)
    print(f"C = {c:.0f}/s")
    for name, share in (("steady", 0.6), ("overload", 2.0), ("after", 0.5)):
        print((await play(target, f"{name} {share} C", share * c, seconds, chance, work)).row())
    target.close()


async def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20
    with data_folder() as folder:
        async with service_process(folder, KEY_OPERATIONS_PER_S="1000000", WORKER="off", SCHEDULER="off") as service:
            await measure(service, seconds)


if __name__ == "__main__":
    asyncio.run(main())
