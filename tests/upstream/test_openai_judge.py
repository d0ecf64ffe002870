"""A judge that this project did not write: llmock breaks what it serves and watches how the client takes it."""

from collections.abc import AsyncIterator, Iterator

import pytest
from llmock.scenarios import Behavior, Delay, Fail, StreamFault
from llmock.testing import LLMockServer
from llmock.verdict import judge

from services.budget import TokenBudget
from services.clock import clock_starting_at
from services.config import Settings
from services.metrics import Metrics
from services.openai.client import OpenAIClient
from services.planning.writer import Writer
from services.store import people
from services.store.database import Database
from tests.unit.plan_people import MORNING
from tests.upstream.model import KEY, PERSON, a_day, write_all

FAULTS: list[Behavior] = [
    Fail(429, retry_after=0.6),
    Fail(500),
    Fail(503),
    Fail(408),
    Fail(401),
    Fail(404),
    Fail(400),
    StreamFault("disconnect", after_chunks=2),
    StreamFault("truncate", after_chunks=2),
    StreamFault("malformed", after_chunks=2),
    StreamFault("stall", after_chunks=2, stall_seconds=3),
    Delay(2),
]


@pytest.fixture(scope="module")
def server() -> Iterator[LLMockServer]:
    with LLMockServer() as running:
        yield running


@pytest.fixture
async def client(server: LLMockServer, database: Database) -> AsyncIterator[OpenAIClient]:
    settings = Settings(
        _env_file=None,
        openai_api_key=KEY,
        openai_base_url=server.base_url("openai"),
        openai_attempt_timeout_s=1.5,
        daily_tokens_per_person=10**8,
        daily_tokens=10**9,
    )
    async with database.transaction() as connection:
        await people.note_asked(connection, PERSON, MORNING)
    budget = TokenBudget(database, settings, clock_starting_at(MORNING))
    async with OpenAIClient.opened(settings, budget, Metrics()) as opened:
        yield opened


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{type(fault).__name__}-{getattr(fault, 'status', '')}")
async def test_the_judge_finds_nothing_to_say(server: LLMockServer, client: OpenAIClient, fault: Behavior) -> None:
    server.state.journal.clear()
    server.state.scenarios.add(fault)
    planned = a_day()
    written = await write_all(Writer(client, 20), planned)
    verdict = judge(server.state.journal.records())
    assert verdict.faults or isinstance(fault, Delay)
    verdict.assert_ok(strict=True)
    assert [block.title for block in written.day.plan.time_blocks] == [block.title for block in planned.plan.time_blocks]
