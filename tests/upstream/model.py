"""The model stand-in on real HTTP, with a client of the product that speaks to it and budgets in a real database."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from server.standins.openai import create_openai_standin
from server.standins.serving import serve_standin
from services.budget import TokenBudget
from services.clock import clock_starting_at
from services.config import Settings
from services.domain.ids import UserId
from services.domain.routine import CheckVerdict, ModelUsage, PlanCheck
from services.domain.writing import BlockText, SummaryText, WritingBrief
from services.errors import ModelFailed
from services.metrics import Metrics
from services.openai.client import ATTEMPTS, OpenAIClient
from services.planning.planner import PlannedDay, make_plan
from services.planning.writer import CHECK, Words, Writer, WrittenBlock, WrittenDay
from services.planning.writer_manuscript import Manuscript
from services.store import people
from services.store.database import Database
from services.store.model_spend import spent
from tests.unit.plan_people import MORNING, ask, rested

PERSON = UserId("person-7f3a")
KEY = "sandbox"


@dataclass(frozen=True)
class Answer:
    """What one question gave: blocks and summary, the tokens that were told, and how it failed."""

    blocks: tuple[BlockText, ...]
    summary: SummaryText | None
    usage: tuple[ModelUsage, ...]
    failure: ModelFailed | None


@dataclass(frozen=True)
class Written:
    """What one day's writing gave."""

    blocks: tuple[WrittenBlock, ...]
    day: WrittenDay

    @property
    def authorship(self) -> PlanCheck:
        return next(check for check in self.day.plan.checks if check.rule == CHECK)

    @property
    def by_model(self) -> list[str]:
        return [written.block.title for written in self.blocks if written.text is not None]


@dataclass(frozen=True)
class ModelUpstream:
    """A running stand-in with its controls, a client of it and a writer with that client."""

    url: str
    client: OpenAIClient
    controls: httpx.AsyncClient
    database: Database
    budget: TokenBudget
    settings: Settings
    metrics: Metrics

    async def behave(self, *faults: dict[str, Any], **behaviour: object) -> None:
        answer = await self.controls.put("/_standin/faults", json={**behaviour, "faults": faults})
        assert answer.status_code == 200, answer.text

    async def log(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.controls.get("/_standin/log")).json()
        return found

    async def bodies(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.controls.get("/_standin/requests")).json()
        return found

    async def spent(self, person: UserId = PERSON) -> tuple[int, int]:
        async with self.database.connection() as connection:
            return await spent(connection, person, MORNING.date())

    async def ask(
        self, brief: WritingBrief, person: UserId = PERSON, *, within_s: float | None = None, attempts: int = ATTEMPTS
    ) -> Answer:
        blocks: list[BlockText] = []
        summary: SummaryText | None = None
        usage: list[ModelUsage] = []
        limit_s = within_s or self.settings.openai_deadline_s
        try:
            async with aclosing(self.client.write(brief, person, within_s=limit_s, attempts=attempts)) as outputs:
                async for output in outputs:
                    if isinstance(output, BlockText):
                        blocks.append(output)
                    elif isinstance(output, SummaryText):
                        summary = output
                    else:
                        usage.append(output)
        except ModelFailed as failure:
            return Answer(tuple(blocks), summary, tuple(usage), failure)
        return Answer(tuple(blocks), summary, tuple(usage), None)

    async def write(self, planned: PlannedDay, *, earlier: Words | None = None) -> Written:
        return await write_all(Writer(self.client, self.settings.openai_deadline_s), planned, earlier=earlier)


async def write_all(writer: Writer, planned: PlannedDay, *, earlier: Words | None = None, person: UserId = PERSON) -> Written:
    """Everything that a day's writing gives, with what is always true of it."""
    blocks: list[WrittenBlock] = []
    day: WrittenDay | None = None
    async with aclosing(writer.write(planned, person, earlier=earlier)) as written:
        async for event in written:
            assert day is None, "the day comes last"
            if isinstance(event, WrittenBlock):
                blocks.append(event)
            else:
                day = event
    assert day is not None
    published = {event.block.title: event.block for event in blocks}
    assert len(published) == len(blocks)
    assert list(day.plan.time_blocks) == [published[block.title] for block in day.plan.time_blocks]
    hard = [check for check in day.plan.checks if check.rule != CHECK]
    drafted = {check.rule: check.verdict for check in planned.plan.checks}
    assert all(drafted[check.rule] is check.verdict or check.verdict is not CheckVerdict.REPAIRED for check in hard)
    return Written(tuple(blocks), day)


def a_day() -> PlannedDay:
    """A rested person's day, drafted."""
    return make_plan(ask(rested()))


def a_brief() -> WritingBrief:
    return Manuscript(a_day()).brief()


@asynccontextmanager
async def open_model(
    database: Database, *, models: frozenset[str] | None = None, **settings: object
) -> AsyncIterator[ModelUpstream]:
    """Everything for one test; other settings than the usual ones by name."""
    async with serve_standin(create_openai_standin(api_key=KEY, models=models)) as url:
        given: dict[str, object] = {"openai_api_key": KEY, "openai_base_url": f"{url}/v1", **settings}
        configured = Settings(_env_file=None, **given)  # type: ignore[arg-type]
        metrics = Metrics()
        budget = TokenBudget(database, configured, clock_starting_at(MORNING))
        async with database.transaction() as connection:
            await people.note_asked(connection, PERSON, MORNING)
        async with (
            OpenAIClient.opened(configured, budget, metrics) as client,
            httpx.AsyncClient(base_url=url, trust_env=False) as controls,
        ):
            yield ModelUpstream(url, client, controls, database, budget, configured, metrics)
