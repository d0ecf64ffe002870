"""Places for what is answered at the same time: given out, given back, and refused at once when there are none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.admission import Admission, Lane, lane_of
from server.standins.serving import serve_standin
from services.accounts import Principal, Scope
from services.clock import Clock
from services.config import load_settings
from services.errors import Overloaded
from services.metrics import Metrics
from services.sahha.client import SahhaAccess
from tests.api.clients import ADMIN_KEY, PATIENCE_S, SERVICE_KEY, Api, acknowledged
from tests.api.conftest import running

USER = Principal("user", frozenset(), None)
ADMIN = Principal("admin", frozenset({Scope.ADMIN, Scope.SERVICE}), None)
VIEWER = "{ viewer { subject } }"
LONG_S = 60
"""Any wait for a Sahha that does not answer ends before, when it is told to."""
LIVE = '{ healthSnapshot(userId: "sandbox-avery") { state } }'
FOLLOW = 'subscription { planReady(userId: "anna") { id } }'
NOBODY = 'mutation { runSchedulerJob(id: "x") { __typename } }'
GENERATE = """mutation($user: ID!, $wait: Int!) {
  generateRoutine(input: {userId: $user, archetype: PEAK_PERFORMER, timezone: "UTC"}, waitSeconds: $wait) {
    ... on GenerateRoutineSuccess { routine { id status } } } }"""
REFRESH = "mutation($user: ID!) { refreshSahha(userId: $user, force: true) { __typename } }"
CANCEL = "mutation($id: ID!) { cancelRoutine(id: $id) { __typename } }"
LIST = "query($user: ID!) { routines(userId: $user) { nodes { id } } }"


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def admission(metrics: Metrics) -> Admission:
    return Admission(load_settings(_env_file=None, read_concurrency=2, mutation_concurrency=1, admin_concurrency=1), metrics)


def test_a_lane_that_is_full_leaves_the_others_alone(admission: Admission, metrics: Metrics) -> None:
    with admission.taken(Lane.READS, USER), admission.taken(Lane.READS, USER):
        with pytest.raises(Overloaded), admission.taken(Lane.READS, USER):
            pytest.fail("a third read")
        admission.check(USER)
        with admission.taken(Lane.MUTATIONS, USER), pytest.raises(Overloaded):
            admission.check(USER)
    with admission.taken(Lane.READS, USER), admission.taken(Lane.READS, USER):
        admission.check(USER)
    assert metrics.registry.get_sample_value("firstlight_shed_operations_total", {"lane": "reads"}) == 2


def test_admins_have_places_of_their_own_and_then_those_of_everybody(admission: Admission) -> None:
    with admission.taken(Lane.MUTATIONS, ADMIN), admission.taken(Lane.MUTATIONS, ADMIN), admission.taken(Lane.READS, USER):
        with pytest.raises(Overloaded), admission.taken(Lane.MUTATIONS, ADMIN):
            pytest.fail("a third mutation")
        with admission.taken(Lane.READS, USER), pytest.raises(Overloaded):
            admission.check(ADMIN)
    admission.check(ADMIN)


def test_a_place_is_given_back_once(admission: Admission) -> None:
    for _ in range(3):
        with admission.taken(Lane.MUTATIONS, USER) as place:
            place.leave()
            with admission.taken(Lane.MUTATIONS, USER):
                place.leave()
                with pytest.raises(Overloaded), admission.taken(Lane.MUTATIONS, USER):
                    pytest.fail("the place was given back twice")


def test_a_crash_gives_the_place_back(admission: Admission) -> None:
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), admission.taken(Lane.MUTATIONS, USER):
            raise ZeroDivisionError


@pytest.mark.parametrize(
    ("document", "lane"),
    [
        (VIEWER, Lane.READS),
        ("mutation { __typename }", Lane.MUTATIONS),
        ("query A { __typename } mutation B { __typename }", Lane.MUTATIONS),
        ("fragment F on Query { __typename }\n#\nmutation{__typename}", Lane.MUTATIONS),
    ],
)
def test_no_mutation_passes_for_a_read(document: str, lane: Lane) -> None:
    assert lane_of(document) is lane


@asynccontextmanager
async def narrow(database_url: str) -> AsyncIterator[tuple[Api, asyncio.Event]]:
    """A service with places for two reads, one mutation and one admin. Its Sahha answers nobody before the event."""
    fails = asyncio.Event()

    async def answer(_request: Request) -> Response:
        await fails.wait()
        return Response(status_code=503)

    settings = {"read_concurrency": 2, "mutation_concurrency": 1, "admin_concurrency": 1, "worker": "off", "scheduler": "off"}
    waits = ("sahha_attempt_timeout_s", "sahha_query_deadline_s", "sahha_plan_deadline_s", "operation_deadline_s")
    settings |= dict.fromkeys(waits, LONG_S)
    async with (
        serve_standin(Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])) as sahha_url,
        running(database_url, SahhaAccess(sahha_url, "client", "secret"), Clock(), **settings) as api,
    ):
        await api.until_ready()
        yield api, fails


async def until_refused(api: Api, key: str) -> None:
    """Until there is no place left for a read with this key."""
    async with asyncio.timeout(PATIENCE_S):
        while (await api.post(VIEWER, key=key)).status_code != 503:
            await asyncio.sleep(0.01)


@asynccontextmanager
async def busy(database_url: str) -> AsyncIterator[tuple[Api, asyncio.TaskGroup]]:
    """Both reads wait for a Sahha that does not answer. Afterwards all is as before."""
    async with narrow(database_url) as (api, fails):
        async with asyncio.TaskGroup() as tasks:
            for _ in range(2):
                tasks.create_task(api.post(LIVE))
            await until_refused(api, SERVICE_KEY)
            yield api, tasks
            fails.set()
        assert (await api.post(VIEWER)).status_code == 200


async def test_what_has_no_place_is_503_at_once_and_all_else_goes_on(database_url: str) -> None:
    async with busy(database_url) as (api, _):
        refused = await api.post(VIEWER)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        (error,) = refused.json()["errors"]
        assert error["extensions"] == {"code": "UNAVAILABLE", "retryable": True, "retryAfterMs": 1000}
        assert "data" not in refused.json()
        assert (await api.post(VIEWER, key=ADMIN_KEY)).status_code == 200
        assert (await api.error(NOBODY))["extensions"]["code"] == "FORBIDDEN", "a mutation was let in"
        for probe in ("/livez", "/readyz", "/metrics"):
            assert (await api.request("GET", probe, key=None)).status_code == 200


async def test_when_all_is_full_the_body_is_not_waited_for(database_url: str) -> None:
    async with busy(database_url) as (api, tasks):
        for person in ("sandbox-blake", "sandbox-casey"):  # an admin's own place, and that of the mutations
            tasks.create_task(api.post(REFRESH, {"user": person}, key=ADMIN_KEY))
        await until_refused(api, ADMIN_KEY)
        address = urlsplit(api.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        head = f"POST /graphql HTTP/1.1\r\nhost: test\r\nx-api-key: {SERVICE_KEY}\r\ncontent-length: 100\r\n\r\n"
        writer.write(head.encode())
        async with asyncio.timeout(PATIENCE_S):
            assert (await reader.readline()).startswith(b"HTTP/1.1 503")
        writer.close()
        rest = await api.request("POST", "/api/user/anna/routine/generate", body={"archetype": "Foundation Builder"})
        assert (rest.status_code, rest.json()["error"]["code"]) == (503, "UNAVAILABLE")


async def test_waiting_for_a_plan_takes_no_place(database_url: str) -> None:
    async with narrow(database_url) as (api, _), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(api.data(GENERATE, {"user": "anna", "wait": 60}))
        async with asyncio.timeout(PATIENCE_S):
            while not (found := (await api.data(LIST, {"user": "anna"}))["routines"]["nodes"]):
                await asyncio.sleep(0.01)
        other = await api.data(GENERATE, {"user": "ben", "wait": 0})
        assert other["generateRoutine"]["routine"]["status"] == "QUEUED"
        assert not waiting.done()
        await api.data(CANCEL, {"id": found[0]["id"]})
        assert (await waiting)["generateRoutine"]["routine"]["status"] == "CANCELLED"


async def test_operations_of_sockets_stand_in_the_same_places(database_url: str) -> None:
    async with narrow(database_url) as (api, fails), acknowledged(api) as socket:
        for number, query in enumerate([LIVE, f"# subscription\n{LIVE}"]):
            await socket.subscribe(f"read-{number}", query)
        await until_refused(api, SERVICE_KEY)
        await socket.subscribe("third", VIEWER)
        refused = await socket.receive()
        assert (refused["id"], refused["type"]) == ("third", "error")
        assert refused["payload"][0]["extensions"] == {"code": "UNAVAILABLE", "retryable": True, "retryAfterMs": 1000}
        await socket.subscribe("events", FOLLOW)
        fails.set()
        answered = {(await socket.receive())["id"] for _ in range(4)}
        assert answered == {"read-0", "read-1"}
        await socket.subscribe("third", VIEWER)
        assert (await socket.receive())["payload"] == {"data": {"viewer": {"subject": "service:tests"}}}
