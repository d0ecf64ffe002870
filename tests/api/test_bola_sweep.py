"""Nobody reaches another person's things by naming them (reliability.md, C9): a sweep that is generated from the contract.

Every place of the contract that can name something stands in `NAMES` with what it names, or is a plain value; a new one stands in
neither and fails the sweep. Anna and Ben have mornings behind them, and Ben calls with a token of his own: every place is filled
with what is Anna's and with what is nobody's. Both must get the same answer, status and headers included, over HTTP, WebSocket
and server-sent events, alone and beside his own things in one document, and no row of any table may change. Anna gets hers.

That the two answers also take the same time is not measured. They come from the same statements: each has the owner in its
`where` (`tests/unit/test_owner_in_sql.py`), so what is another's is not found rather than found and refused.
"""

import json
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio

from schema.limits import STARTING_WORK
from server import rest
from tests.api.clients import SERVICE_KEY, Api
from tests.api.id_places import OPERATIONS, Place, arguments, document, id_fields, is_for_admins, places, root_fields, selected
from tests.api.two_people import (
    ANNA,
    NAMES,
    OWNED,
    PLAIN,
    SHARED,
    VALUES,
    Life,
    Named,
    Stage,
    ask,
    events,
    everything,
    granted,
    messages,
    own_values,
    staged,
    whole,
)
from tests.conftest import NewDatabase
from tests.tokens import token_of

pytestmark = pytest.mark.xdist_group("two people")
"""One worker plays all of it: making the stage takes longer than most of what is played on it."""
NOT_READ = frozenset({
    # Only fields for admins lead to these.
    "HeldJob.id", "JobRun.id", "JobRun.instanceId", "JobRun.jobId", "RefreshSahhaSuccess.userId", "RequeueHeldJobSuccess.id",
    "SchedulerJob.id", "SchedulerStatus.instanceId",
    # Those of tasks that are read anyway, in a routine that another was made of.
    "RoutineChange.taskId",
})  # fmt: skip
"""Fields that give ids and that neither Anna nor Ben comes to here."""
ENUM_VALUES = {VALUES[name] for name in ("archetype", "status", "policy")}
BODY = {"archetype": "Peak Performer", "timezone": "America/New_York"}


@pytest_asyncio.fixture(scope="module")
async def stage(new_database: NewDatabase) -> AsyncIterator[Stage]:
    async with new_database() as database_url, staged(database_url) as made:
        yield made


def nobodys(stage: Stage, kind: Named) -> list[str]:
    """What looks like such a thing and is nobody's; the first is the plainest."""
    anna = stage.anna.things[kind]
    match kind:
        case Named.PERSON:
            return ["nobody-at-all", anna.upper(), f"{anna} ", anna[:-1], "%", "_" * len(anna)]
        case Named.ROUTINE:
            return [str(uuid4()), "00000000-0000-0000-0000-000000000000", anna.replace("-", ""), f"{{{anna}}}", "nothing"]
        case Named.TASK:
            return [str(uuid4()), anna[:-1] + ("0" if anna[-1] != "0" else "1"), anna.upper() + "x", "%", "nothing"]
        case Named.EVENT:
            return ["999999999"]
        case _:
            raise AssertionError(f"nothing looks like {kind}")


def filled(place: Place, own: dict[tuple[str, ...], str], value: str) -> list[dict[tuple[str, ...], object]]:
    """The arguments of a field with this value in its place; in a list: alone, and after one of the caller's own."""
    if not place.listed:
        return [{**own, place.path: value}]
    return [{**own, place.path: [value]}, {**own, place.path: [own[place.path], value]}]


def test_every_place_that_can_name_something_has_a_case() -> None:
    found = {str(place): place.path[-1] for place in places()}
    assert {name for name, last in found.items() if last not in PLAIN} == set(NAMES)


def of_kinds(*, owned: bool) -> list[Place]:
    return [
        place
        for place in places()
        if str(place) in NAMES and (NAMES[str(place)] in OWNED) is owned and not is_for_admins(place.root)
    ]


async def test_what_is_anothers_is_answered_as_what_is_nobodys(stage: Stage) -> None:
    before = await stage.rows()
    for place in of_kinds(owned=True):
        kind, own = NAMES[str(place)], own_values(place.root, stage.ben.things)
        plainest, *others = nobodys(stage, kind)
        expected = [await ask(stage.api, stage.ben.token, place.root, each) for each in filled(place, own, plainest)]
        assert not any(map(granted, expected)), f"{place}: {expected}"
        for value in [stage.anna.things[kind], *others]:
            asked = [await ask(stage.api, stage.ben.token, place.root, each) for each in filled(place, own, value)]
            assert asked == expected, f"{place}: {value}"
    assert await stage.rows() == before
    for place in of_kinds(owned=True):
        answer = await everything(stage.api, stage.anna.token, place.root, stage.anna.things)
        assert granted(answer), f"{place}: {answer}"


async def test_over_every_transport(stage: Stage) -> None:
    before = await stage.rows()
    for place in of_kinds(owned=True):
        kind, own = NAMES[str(place)], own_values(place.root, stage.ben.things)
        for transport in (messages, events):
            answers = []
            for value in (nobodys(stage, kind)[0], stage.anna.things[kind]):
                variables = arguments(place.root, filled(place, own, value)[0], VALUES)
                answers.append(await transport(stage.api, stage.ben.token, document(place.root, variables), variables))
            assert answers[0] == answers[1], f"{place} by {transport.__name__}"
            assert not granted(answers[0]), f"{place} by {transport.__name__}: {answers[0]}"
    assert await stage.rows() == before


async def test_beside_ones_own_things_in_one_document(stage: Stage) -> None:
    """Written into the document and under other names; where only one may be asked for, there is no beside."""
    before = await stage.rows(ANNA)
    for place in of_kinds(owned=True):
        if place.parent == "Subscription" or place.field in STARTING_WORK:
            continue
        kind = NAMES[str(place)]
        named = {"theirs": stage.anna.things[kind], "none": nobodys(stage, kind)[0]}
        if place.parent == "Query":
            named["own"] = stage.ben.things[kind]
        answer = await stage.api.graphql(beside(place, stage.ben, named), key=stage.ben.token)
        data, errors = answer["data"] or {}, answer.get("errors", ())
        refusals = {error["path"][0]: (error["message"], error["extensions"]) for error in errors}
        assert data.get("theirs") == data.get("none"), place
        assert len(set(map(repr, refusals.values()))) <= 1, f"{place}: {errors}"
        assert refusals or data["theirs"]["__typename"] == "NotFound", place
        assert "own" not in named or data["own"], place
        assert not stage.anna.named_in(answer), f"{place}: {answer}"
    assert await stage.rows(ANNA) == before


def beside(place: Place, caller: Life, named: dict[str, str]) -> str:
    """One document that asks for each of these, by its alias."""
    own = own_values(place.root, caller.things)
    fields = []
    for alias, value in named.items():
        given = arguments(place.root, filled(place, own, value)[0], VALUES)
        fields.append(selected(place.root, {name: literal(each) for name, each in given.items()}, alias))
    return f"{OPERATIONS[place.parent]} {{ {' '.join(fields)} }}"


def literal(value: object) -> str:
    """A value as it is written in a document."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {literal(each)}' for name, each in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    return value if isinstance(value, str) and value in ENUM_VALUES else json.dumps(value)


async def test_what_counts_among_ones_own_things_leads_to_nobody_elses(stage: Stage) -> None:
    """Cursors, event ids and idempotency keys of Anna's, used by Ben: they mean something among his own things, or nothing."""
    before = await stage.rows(ANNA)
    for place in of_kinds(owned=False):
        kind, own = NAMES[str(place)], own_values(place.root, stage.ben.things)
        answer = await ask(stage.api, stage.ben.token, place.root, {**own, place.path: stage.anna.things[kind]})
        assert not stage.anna.named_in(answer), f"{place}: {answer}"
        if kind is Named.EVENT:
            never = {**own, place.path: nobodys(stage, kind)[0]}
            assert answer == await ask(stage.api, stage.ben.token, place.root, never), place
        else:
            assert granted(answer), f"{place}: {answer}"
    assert await stage.rows(ANNA) == before


async def test_every_id_that_can_be_read_is_ones_own(stage: Stage) -> None:
    """And every field that gives one was read: a new one is read, or stands in `NOT_READ` with its reason."""
    assert set(stage.anna.ids) == set(stage.ben.ids) == id_fields() - NOT_READ
    for field in set(stage.anna.ids) - SHARED:
        assert not stage.anna.ids[field] & stage.ben.ids[field], field


@pytest.mark.parametrize("who", ["a person", "a service"])
async def test_fields_for_admins_are_forbidden_whatever_they_name(edge: Api, who: str) -> None:
    key = SERVICE_KEY if who == "a service" else token_of("ben")
    admins = [root for root in root_fields() if is_for_admins(root)]
    assert admins
    for root in admins:
        given = {place.path: "anna" for place in places() if place.root == root and str(place) in NAMES}
        answer = await ask(edge, key, root, given)
        assert '"FORBIDDEN"' in json.dumps(answer), f"{root}: {answer}"
        assert answer == await ask(edge, key, root, dict.fromkeys(given, "nobody-at-all")), root


async def test_the_old_urls(stage: Stage) -> None:
    before = await stage.rows()
    paths = {route.path for route in rest.ROUTES if "{" in route.path}
    assert paths == {"/api/user/{user_id:path}/routine/generate", "/api/admin/refresh-sahha/{user_id:path}"}
    for path, status in zip(sorted(paths), (403, 404), strict=True):
        answers = []
        for person in [*nobodys(stage, Named.PERSON)[:1], stage.anna.things[Named.PERSON]]:
            url = path.replace("{user_id:path}", person)
            answers.append(whole(await stage.api.request("POST", url, key=stage.ben.token, body=BODY)))
        assert answers[0] == answers[1]
        assert answers[0][0] == status
    assert await stage.rows() == before
