"""The predecessor's URLs, as its clients call them; the whole of its checklist is in `test_checklist`."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from services.domain.problems import HealthDataUnavailable
from services.domain.routine import Archetype
from services.errors import HealthDataUnavailableError
from tests.api.clients import ADMIN_KEY, Api

PATH = "/api/user/sandbox-avery/routine/generate"
BODY: dict[str, Any] = {
    "archetype": "Transformation Seeker",
    "preferences": {"wake_time": "07:00", "sleep_time": "22:00"},
    "timezone": "America/New_York",
}


async def test_a_routine_is_answered_when_it_is_ready(service: Api) -> None:
    response = await service.request("POST", PATH, body=BODY)
    assert response.status_code == 200
    routine = response.json()
    assert (routine["status"], routine["archetype"], routine["user_id"]) == ("READY", "TRANSFORMATION_SEEKER", "sandbox-avery")
    assert routine["health_data"]["source"] == "LIVE"
    assert routine["health_data"]["oldest_value_age_seconds"] >= 0
    assert len(routine["time_blocks"]) == 5
    task = routine["time_blocks"][0]["tasks"][0]
    assert set(task) == {"id", "title", "description", "type", "priority", "start_time", "end_time", "status", "evidence"}
    again = (await service.data("query($id: ID!) { routine(id: $id) { id summary inputsHash } }", {"id": routine["id"]}))[
        "routine"
    ]
    assert again == {"id": routine["id"], "summary": routine["summary"], "inputsHash": routine["inputs_hash"]}


async def test_what_a_person_says_of_today(service: Api) -> None:
    preferences = {**BODY["preferences"], "goal": "Run 5 km", "avoid_task_types": ["Social", "wellness"]}
    response = await service.request("POST", PATH, body={**BODY, "condition": "Sick", "preferences": preferences})
    routine = response.json()
    assert (response.status_code, routine["status"]) == (200, "READY")
    assert routine["safety_notice"]
    types = {task["type"] for block in routine["time_blocks"] for task in block["tasks"]}
    assert not types & {"SOCIAL", "WELLNESS"}


async def test_it_shows_everything_that_graphql_shows(service: Api) -> None:
    names = await service.data("""{ routine: __type(name: "Routine") { fields { name } }
        timing: __type(name: "RoutineTiming") { fields { name } } }""")
    shown = (await service.request("POST", PATH, body=BODY)).json()
    assert set(shown) == snake_case(names["routine"]) - {"failure"}
    assert set(shown["timing"]) == snake_case(names["timing"])


def snake_case(type_: dict[str, Any]) -> set[str]:
    return {re.sub(r"([A-Z])", r"_\1", field["name"]).lower() for field in type_["fields"]}


async def test_a_person_whom_sahha_does_not_know_is_404(service: Api) -> None:
    response = await service.request("POST", "/api/user/nobody-here/routine/generate", body=BODY)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "NOT_FOUND")


async def test_a_refresh_by_hand_counts(service: Api) -> None:
    response = await service.request("POST", "/api/admin/refresh-sahha/sandbox-avery?force=true", key=ADMIN_KEY)
    counts = response.json()
    assert response.status_code == 200
    assert set(counts) == {"user_id", "biomarkers", "scores", "changed", "fetched_at", "duration_ms"}
    assert (counts["user_id"], counts["changed"] > 0) == ("sandbox-avery", True)


async def test_the_scheduler_is_shown(service: Api) -> None:
    status = (await service.request("GET", "/api/admin/scheduler/status", key=ADMIN_KEY)).json()
    assert set(status) == {"running", "total_jobs", "jobs"}
    assert all(set(job) == {"id", "name", "next_run", "trigger"} for job in status["jobs"])
    assert all(job["next_run"].endswith("+00:00") for job in status["jobs"])


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"archetype": "Couch Potato"}, ["archetype"]),
        ({"archetype": None}, ["archetype"]),
        ({"archetype": 1}, ["archetype"]),
        ({"timezone": None}, ["timezone"]),
        ({"timezone": 1}, ["timezone"]),
        ({"timezone": "Mars/Olympus"}, ["timezone"]),
        ({"preferences": {"wake_time": "07:00", "sleep_time": "07:00"}}, ["preferences", "sleep_time"]),
        ({"preferences": []}, ["preferences"]),
        ({"preferences": {"wake_time": "7:00"}}, ["preferences", "wake_time"]),
        ({"preferences": {"sleep_time": 22}}, ["preferences", "sleep_time"]),
        ({"preferences": {"wake": "07:00"}}, ["preferences", "wake"]),
        ({"colour": "red"}, ["colour"]),
        ({"condition": "Fine"}, ["condition"]),
        ({"condition": 1}, ["condition"]),
        ({"preferences": {"goal": 1}}, ["preferences", "goal"]),
        ({"preferences": {"goal": "x" * 501}}, ["preferences", "goal"]),
        ({"preferences": {"avoid_task_types": "work"}}, ["preferences", "avoid_task_types"]),
        ({"preferences": {"avoid_task_types": ["work", "play"]}}, ["preferences", "avoid_task_types", "1"]),
        ({"preferences": {"avoid_task_types": ["work"] * 101}}, ["preferences", "avoid_task_types"]),
    ],
)
async def test_a_body_that_makes_no_sense_is_422(edge: Api, changed: dict[str, object], field: list[str]) -> None:
    response = await edge.request("POST", PATH, body={**BODY, **changed})
    assert response.status_code == 422
    error: dict[str, Any] = response.json()["error"]
    assert set(error) == {"code", "message", "field"}
    assert (error["code"], error["field"]) == ("INVALID_INPUT", field)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 50_000])
async def test_a_body_that_is_no_json_is_422(edge: Api, content: bytes) -> None:
    response = await edge.request("POST", PATH, content=content)
    assert (response.status_code, response.json()["error"]["code"]) == (422, "INVALID_INPUT")


@pytest.mark.parametrize("content", [b"1", b"null", b"[]"])
async def test_a_body_that_is_no_object_is_422(edge: Api, content: bytes) -> None:
    response = await edge.request("POST", PATH, content=content)
    assert (response.status_code, response.json()["error"]["code"]) == (422, "INVALID_INPUT")


async def test_a_body_over_the_limit_is_413(edge: Api) -> None:
    response = await edge.request("POST", PATH, content=b" " * 200_000)
    assert (response.status_code, response.json()["error"]["code"]) == (413, "BODY_TOO_LARGE")


@pytest.mark.parametrize("archetype", Archetype)
@pytest.mark.parametrize("write", [str.title, str.lower, str.upper])
async def test_an_archetype_is_known_however_it_is_written(edge: Api, archetype: Archetype, write: Callable[[str], str]) -> None:
    """The store is away, so a body that is understood is answered with 503."""
    response = await edge.request("POST", PATH, body={**BODY, "archetype": write(archetype.value.replace("_", " "))})
    assert (response.status_code, response.json()["error"]["code"]) == (503, "UNAVAILABLE")
    assert response.headers["retry-after"] == "1"


async def test_an_id_that_no_store_holds_is_refused(edge: Api) -> None:
    response = await edge.request("POST", "/api/user/a%00b/routine/generate", body=BODY)
    assert (response.status_code, response.json()["error"]["field"]) == (422, ["user_id"])
    response = await edge.request("POST", "/api/admin/refresh-sahha/a%00b", key=ADMIN_KEY)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "BAD_USER_INPUT")


async def test_force_is_true_or_false(edge: Api) -> None:
    response = await edge.request("POST", "/api/admin/refresh-sahha/anna?force=maybe", key=ADMIN_KEY)
    assert (response.status_code, response.json()["error"]["field"]) == (422, ["force"])


async def test_a_wrong_method_is_405(edge: Api) -> None:
    response = await edge.request("GET", PATH)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


def test_the_two_words_for_no_health_data_are_one_code() -> None:
    assert HealthDataUnavailable.code == HealthDataUnavailableError.code
