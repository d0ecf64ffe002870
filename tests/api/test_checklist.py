"""The predecessor's deployment checklist, step by step, against the process as an operator starts it.

Twelve steps (predecessor-checklist.md); one process walks through them in order, as its operators do.
"""

import importlib.metadata
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.process import ServiceProcess, children_of, service_process

CLOCK = "2026-03-11T06:40:00-04:00"
PERSON = "sandbox-avery"
BODY = {
    "archetype": "Transformation Seeker",
    "preferences": {"wake_time": "07:00", "sleep_time": "22:00"},
    "timezone": "America/New_York",
}


async def test_checklist(open_folder: Path, subtests: pytest.Subtests) -> None:
    async with service_process(open_folder / "data", CLOCK=CLOCK) as service:
        for step in STEPS:
            with subtests.test(step.__name__):
                await step(service)


async def call(
    service: ServiceProcess, method: str, path: str, key: str | None, body: dict[str, Any] | None = None
) -> httpx.Response:
    async with httpx.AsyncClient(base_url=service.url, timeout=130) as http:
        return await http.request(method, path, json=body, headers={"x-api-key": key} if key else {})


async def step_01_install(_: ServiceProcess) -> None:
    assert importlib.metadata.version("apscheduler").startswith("3.11")


async def step_02_start(service: ServiceProcess) -> None:
    for line in (
        "[STARTUP] Background worker started successfully",
        "[STARTUP] Background scheduler started successfully",
        "[SCHEDULER] ✅ Background scheduler started with 4 jobs",
    ):
        await service.wait_for_line(line)


async def step_03_plan(service: ServiceProcess) -> None:
    response = await call(service, "POST", f"/api/user/{PERSON}/routine/generate", service.service_key, BODY)
    assert response.status_code == 200
    routine = response.json()
    assert routine["status"] == "READY"
    assert routine["health_data"]["source"] == "LIVE"
    await service.wait_for_line(f"[SAHHA_LIVE] Fetching LIVE from Sahha API for {PERSON[:8]}...")
    await service.wait_for_line("[SAHHA_LIVE] ✅ Fresh: 156 biomarkers + 89 scores")
    await service.wait_for_line("[QUEUE] Job SYNC_SAHHA_DATA queued")


async def step_03_plan_without_preferences(service: ServiceProcess) -> None:
    body = {"archetype": "Transformation Seeker", "timezone": "America/New_York"}
    response = await call(service, "POST", f"/api/user/{PERSON}/routine/generate", service.service_key, body)
    assert (response.status_code, response.json()["status"]) == (200, "READY")


async def step_03_a_persons_data_needs_a_key(service: ServiceProcess) -> None:
    path = f"/api/user/{PERSON}/routine/generate"
    assert (await call(service, "POST", path, None, BODY)).status_code == 401
    assert (await call(service, "POST", path, "wrong", BODY)).status_code == 401


async def step_04_scheduler_status(service: ServiceProcess) -> None:
    response = await call(service, "GET", "/api/admin/scheduler/status", service.admin_key)
    status = response.json()
    assert response.status_code == 200
    assert (status["running"], status["total_jobs"]) == (True, 4)
    by_id = {job["id"]: job for job in status["jobs"]}
    assert set(by_id) == {
        "sahha_refresh_active_users",
        "generate_daily_routines",
        "cleanup_old_data",
        "check_service_levels",
    }
    refresh = by_id["sahha_refresh_active_users"]
    assert refresh["name"] == "Refresh Sahha data for active users"
    assert refresh["trigger"] == "interval[0:30:00]"
    assert refresh["next_run"].endswith("+00:00")


async def step_04_admin_facts_need_the_admin_key(service: ServiceProcess) -> None:
    response = await call(service, "GET", "/api/admin/scheduler/status", service.service_key)
    assert response.status_code == 403


async def step_07_refresh_by_hand(service: ServiceProcess) -> None:
    path = f"/api/admin/refresh-sahha/{PERSON}?force=true"
    response = await call(service, "POST", path, service.admin_key)
    counts = response.json()
    assert response.status_code == 200
    assert counts["biomarkers"] >= 156
    assert counts["scores"] >= 89
    assert counts["changed"] == 0


async def step_08_the_half_hour(service: ServiceProcess) -> None:
    seen = len(service.lines)
    answer = await service.graphql(
        'mutation { runSchedulerJob(id: "sahha_refresh_active_users") { __typename } }', key=service.admin_key
    )
    assert answer["data"]["runSchedulerJob"]["__typename"] == "SchedulerJobSuccess"
    await service.wait_for_line("[SCHEDULER] Found 1 active users", after=seen)
    await service.wait_for_line("[SCHEDULER] ✅ Refreshed Sahha data for 1 users", after=seen)


async def step_09_health(service: ServiceProcess) -> None:
    assert (await call(service, "GET", "/api/health", None)).status_code == 200


async def step_05_fallback(service: ServiceProcess) -> None:
    await service.end_standin()
    seen = len(service.lines)
    response = await call(service, "POST", f"/api/user/{PERSON}/routine/generate", service.service_key, BODY)
    routine = response.json()
    assert (response.status_code, routine["status"]) == (200, "READY")
    assert routine["health_data"]["source"] == "DATABASE"
    assert routine["health_data"]["oldest_value_age_seconds"] > 0
    evidence = [each for block in routine["time_blocks"] for task in block["tasks"] for each in task["evidence"]]
    assert evidence
    assert {each["source"] for each in evidence} == {"DATABASE"}
    await service.wait_for_line("[SAHHA_LIVE] Sahha failed: ", after=seen)
    await service.wait_for_line("[SAHHA_LIVE] ⚠️  Falling back to database...", after=seen)
    await service.wait_for_line("[SAHHA_LIVE] ✅ Using database: 89 scores + 156 biomarkers", after=seen)


async def step_06_nothing_stored(service: ServiceProcess) -> None:
    seen = len(service.lines)
    response = await call(service, "POST", "/api/user/sandbox-blake/routine/generate", service.service_key, BODY)
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "HEALTH_DATA_UNAVAILABLE"
    await service.wait_for_line("[SAHHA_LIVE] No data in database either!", after=seen)


async def step_10_validation(service: ServiceProcess) -> None:
    metrics = (await call(service, "GET", "/metrics", service.admin_key)).text
    assert re.search(r'firstlight_health_records_total\{fate="rejected"\} 0\.0', metrics)
    assert re.search(r'firstlight_health_records_total\{fate="repaired"\} 0\.0', metrics)
    assert not [line for line in service.lines if re.search(r"skipp|invalid", line, re.IGNORECASE)]


async def step_11_archive(service: ServiceProcess) -> None:
    answer = await service.graphql(
        "query($id: ID!) { healthSnapshot(userId: $id, policy: DATABASE) { source biomarkers { type } scores { type } } }",
        {"id": PERSON},
    )
    snapshot = answer["data"]["healthSnapshot"]
    assert snapshot["source"] == "DATABASE"
    assert {score["type"] for score in snapshot["scores"]} >= {"sleep", "activity", "readiness"}
    assert len(snapshot["biomarkers"]) > 10


async def step_12_stop(service: ServiceProcess) -> None:
    started = children_of(service.process.pid)
    assert started
    assert await service.stop() == 0
    assert any("[SCHEDULER] Background scheduler stopped" in line for line in service.lines)
    assert not [line for line in service.lines if "Traceback" in line]
    assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]


STEPS = (
    step_01_install,
    step_02_start,
    step_03_plan,
    step_03_plan_without_preferences,
    step_03_a_persons_data_needs_a_key,
    step_04_scheduler_status,
    step_04_admin_facts_need_the_admin_key,
    step_07_refresh_by_hand,
    step_08_the_half_hour,
    step_09_health,
    step_05_fallback,
    step_06_nothing_stored,
    step_10_validation,
    step_11_archive,
    step_12_stop,
)
