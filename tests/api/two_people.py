"""Two people with mornings behind them, what each of them has, and every way to ask the service for it."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto
from itertools import chain
from typing import Any

import asyncpg
import httpx

from tests.api.clients import Api, acknowledged
from tests.api.conftest import running_whole
from tests.api.id_places import arguments, document, id_fields, is_for_admins, places, root_fields
from tests.tokens import TOKEN_SETTINGS, token_of

ANNA, BEN = "sandbox-avery", "sandbox-blake"
PLENTY = {"person_operations_per_min": 100_000, "person_work_per_h": 10_000}
"""A sweep asks more than a person may."""
QUIET_S = 2.0
"""Without a word, after which nothing more is waited for from a subscription."""


class Named(Enum):
    """What a place can name."""

    PERSON = auto()
    ROUTINE = auto()
    TASK = auto()
    EVENT = auto()
    ROUTINES = auto()
    BIOMARKERS = auto()
    SCORES = auto()
    KEY = auto()
    JOB = auto()


NAMES = {
    "Query.routine(id)": Named.ROUTINE,
    "Query.routines(userId)": Named.PERSON,
    "Query.routines(after)": Named.ROUTINES,
    "Query.biomarkers(userId)": Named.PERSON,
    "Query.biomarkers(after)": Named.BIOMARKERS,
    "Query.scores(userId)": Named.PERSON,
    "Query.scores(after)": Named.SCORES,
    "Query.healthSnapshot(userId)": Named.PERSON,
    "Query.dailyRoutine(userId)": Named.PERSON,
    "Mutation.generateRoutine(input.userId)": Named.PERSON,
    "Mutation.generateRoutine(input.idempotencyKey)": Named.KEY,
    "Mutation.cancelRoutine(id)": Named.ROUTINE,
    "Mutation.setDailyRoutine(input.userId)": Named.PERSON,
    "Mutation.stopDailyRoutine(userId)": Named.PERSON,
    "Mutation.replanRoutine(id)": Named.ROUTINE,
    "Mutation.replanRoutine(idempotencyKey)": Named.KEY,
    "Mutation.setTaskStatus(taskId)": Named.TASK,
    "Mutation.refreshSahha(userId)": Named.PERSON,
    "Mutation.runSchedulerJob(id)": Named.JOB,
    "Mutation.pauseSchedulerJob(id)": Named.JOB,
    "Mutation.resumeSchedulerJob(id)": Named.JOB,
    "Mutation.requeueHeldJob(id)": Named.JOB,
    "Subscription.planReady(userId)": Named.PERSON,
    "Subscription.planReady(after)": Named.EVENT,
    "Subscription.routineProgress(routineId)": Named.ROUTINE,
    "Subscription.routineProgress(after)": Named.EVENT,
}
OWNED = frozenset({Named.PERSON, Named.ROUTINE, Named.TASK})
"""Things of one person, which are nobody's for another. The rest (below) means something among the caller's own things alone."""
PLAIN = frozenset({"first", "waitSeconds", "leadMinutes", "timezone", "goal", "title", "categories", "types"})
"""Members that name nothing: numbers, and words that mean the same for everybody."""
VALUES: dict[str, Any] = {
    "archetype": "PEAK_PERFORMER",
    "timezone": "America/New_York",
    "status": "DONE",
    "first": 2,
    "policy": "DATABASE",
}
"""For the places that the sweep does not fill."""
CURSORS = {"Query.routines": Named.ROUTINES, "Query.biomarkers": Named.BIOMARKERS, "Query.scores": Named.SCORES}
SHARED = frozenset({
    "GenerateRoutineSuccess.cursor", "PlanReadyEvent.id", "RoutineStageChanged.id", "TimeBlockReady.id",
})  # fmt: skip
"""Numbers that count the events of one person: everybody has the same."""


@dataclass(frozen=True)
class Life:
    """What a person has: a token, something of every kind, and every id that they can read, by field."""

    token: str
    things: Mapping[Named, str]
    ids: Mapping[str, frozenset[str]]

    def named_in(self, answer: object) -> list[str]:
        """The ids of this person that are in an answer, whatever they stand in."""
        text = json.dumps(answer)
        known = {each for field, ids in self.ids.items() if field not in SHARED for each in ids}
        return sorted(each for each in known | {self.things[Named.PERSON]} if json.dumps(each)[1:-1] in text)


@dataclass(frozen=True)
class Stage:
    api: Api
    database: asyncpg.Connection
    anna: Life
    ben: Life

    async def rows(self, owner: str | None = None) -> dict[str, list[str]]:
        """Every row of every table, or those of one person; but for the heartbeats of this very process."""
        tables = await self.database.fetch(
            "select c.relname, exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'user_id') as owned "
            "from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'r' and n.nspname = 'public' "
            "and c.relname <> 'scheduler_instances'"
        )
        found = {}
        for name, owned in tables:
            if owner is None or owned:
                rows = await self.database.fetch(
                    f"select t::text from {name} t{'' if owner is None else ' where user_id = $1'}",  # noqa: S608 - our tables
                    *([] if owner is None else [owner]),
                )
                found[name] = sorted(row[0] for row in rows)
        return found


async def ask(api: Api, token: str, root: str, given: Mapping[tuple[str, ...], Any]) -> Any:
    """The whole answer to one field: over HTTP, and the first message for a subscription."""
    variables = arguments(root, given, VALUES)
    if root.startswith("Subscription."):
        return (await messages(api, token, document(root, variables), variables))[:1]
    return whole(await api.post(document(root, variables), variables, key=token))


async def messages(api: Api, token: str, query: str, variables: Mapping[str, object]) -> list[dict[str, Any]]:
    """What an operation over WebSocket says until it ends, or nothing more for a while."""
    found: list[dict[str, Any]] = []
    async with acknowledged(api, token) as socket:
        await socket.subscribe("1", query, variables)
        with suppress(TimeoutError):
            while not found or found[-1]["type"] == "next":
                async with asyncio.timeout(QUIET_S):
                    found.append(await socket.receive())
    return found


async def events(api: Api, token: str, query: str, variables: Mapping[str, object]) -> tuple[int, str]:
    """The whole stream of an operation that is refused, over server-sent events."""
    sent = {"query": query, "variables": variables}
    response = await api.request("POST", "/graphql", key=token, headers={"accept": "text/event-stream"}, body=sent)
    return response.status_code, response.text


def whole(response: httpx.Response) -> tuple[int, dict[str, str], Any]:
    """Status, headers and body, but for what is another in each answer."""
    telling = {name: value for name, value in response.headers.items() if name not in {"date", "x-request-id", "server-timing"}}
    return response.status_code, telling, response.json()


def granted(answer: object) -> bool:
    """Whether an answer is of what was asked for; also one that is text in itself."""
    text = json.dumps(answer).replace(r"\"", '"')
    return '"errors"' not in text and '"error"' not in text and '"NotFound"' not in text and answer not in ([], None)


def service_on(database_url: str, *, worker: str) -> AbstractAsyncContextManager[Api]:
    return running_whole(database_url, worker=worker, scheduler="off", **TOKEN_SETTINGS, **PLENTY)


@asynccontextmanager
async def staged(database_url: str) -> AsyncIterator[Stage]:
    """Two people with mornings behind them, and a service that does nothing by itself any more."""
    async with service_on(database_url, worker="on") as api:
        anna, ben = await lived(api, ANNA, mornings=3), await lived(api, BEN, mornings=1)
    database = await asyncpg.connect(database_url)
    async with service_on(database_url, worker="off") as api:
        yield Stage(api, database, anna, ben)
    await database.close()


async def lived(api: Api, person: str, *, mornings: int) -> Life:
    """A person who has asked for routines, each with a key, and for a standing order, and has read all that is theirs."""
    token = token_of(person)
    days = range(12, 12 + mornings)
    answers = [await morning(api, token, person, day) for day in days]
    _, _, ordered = await ask(api, token, "Mutation.setDailyRoutine", {("input", "userId"): person})
    assert granted(ordered), ordered
    made = answers[-1]["data"]["generateRoutine"]
    things = {
        Named.PERSON: person,
        Named.ROUTINE: made["routine"]["id"],
        Named.TASK: made["routine"]["timeBlocks"][0]["tasks"][0]["id"],
        Named.EVENT: made["cursor"],
        Named.KEY: f"{person} {days[0]}",
        Named.JOB: "cleanup_old_data",
    }
    for root in root_fields():
        if not root.startswith("Mutation.") and not is_for_admins(root):
            answers.append(read := await everything(api, token, root, things))
            if (kind := CURSORS.get(root)) is not None:
                things[kind] = read["data"][root.partition(".")[2]]["pageInfo"]["startCursor"]
    ids: defaultdict[str, set[str]] = defaultdict(set)
    for field, value in chain.from_iterable(map(ids_in, answers)):
        ids[field] |= {value} if value else set()
    return Life(token, things, {field: frozenset(found) for field, found in ids.items()})


async def morning(api: Api, token: str, person: str, day: int) -> Any:
    """The answer to a request for a routine, when it is READY."""
    values = {"userId": person, "date": f"2026-03-{day}", "idempotencyKey": f"{person} {day}"}
    given: dict[tuple[str, ...], Any] = {("input", name): value for name, value in values.items()}
    _, _, answer = await ask(api, token, "Mutation.generateRoutine", given | {("waitSeconds",): 60})
    assert granted(answer), answer
    return answer


async def everything(api: Api, token: str, root: str, things: Mapping[Named, str]) -> Any:
    """All that a field gives a person of theirs, from the first of their events on."""
    given = own_values(root, things)
    if not root.startswith("Subscription."):
        _, _, answer = await ask(api, token, root, given)
        return answer
    variables = arguments(root, {**given, ("after",): "0"}, VALUES)
    return await messages(api, token, document(root, variables), variables)


def own_values(root: str, things: Mapping[Named, str]) -> dict[tuple[str, ...], str]:
    """What a person fills in for the things of their own that a field has to be told."""
    return {place.path: things[kind] for place in places() if place.root == root and (kind := NAMES.get(str(place))) in OWNED}


def ids_in(answer: object) -> Iterator[tuple[str, str | None]]:
    """Every id in an answer, and the field that it stands in."""
    if isinstance(answer, list):
        yield from chain.from_iterable(map(ids_in, answer))
    elif isinstance(answer, dict):
        for name, value in answer.items():
            field = f"{answer.get('__typename')}.{name}"
            if field in id_fields():
                yield field, value
            yield from ids_in(value)
