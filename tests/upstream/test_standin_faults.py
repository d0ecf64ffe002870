"""The fault language strikes what it says, when it says, and every time the same; and the stand-in as a process of its own."""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from server.standins.faults import Fault
from server.standins.serving import Standin, run_sahha_standin
from services.clock import Clock
from tests.upstream.standing import API, Standing, open_standin

AVERY, BLAKE = "sandbox-avery", "sandbox-blake"
SCORES, BIOMARKERS = f"/profile/score/{AVERY}", f"/profile/biomarker/{AVERY}"


@pytest.fixture
async def standing() -> AsyncIterator[Standing]:
    async with open_standin() as opened:
        yield opened


async def statuses(standing: Standing, path: str, count: int) -> list[int]:
    headers = {"Authorization": f"account {await standing.token()}"}
    return [(await standing.http.get(API + path, headers=headers)).status_code for _ in range(count)]


async def test_faults_are_checked_shown_and_cleared(standing: Standing) -> None:
    for wrong in ({"kind": "meteor"}, {"kind": "status", "status": 200}, {"kind": "delay", "delay_s": 2, "p99_s": 1}):
        assert (await standing.http.put("/_standin/faults", json={"faults": [wrong]})).status_code == 400
    await standing.fail({"match": "score|biomarker", "kind": "status", "status": 503})
    assert (await standing.get(SCORES)).status_code == 503
    assert (await standing.get(f"/account/profile/{AVERY}")).status_code == 200
    assert (await standing.control("GET", "faults"))["faults"][0]["kind"] == "status"
    await standing.control("DELETE", "faults")
    assert (await standing.get(SCORES)).status_code == 200
    asked = [entry for entry in await standing.control("GET", "log") if entry["kind"] == "score"]
    assert [(entry["status"], entry["person"]) for entry in asked] == [(503, AVERY), (200, AVERY)]
    assert asked[0]["at_s"] < asked[1]["at_s"]
    counts = await standing.control("GET", "counts")
    assert counts["by_kind"] == {"token": 3, "score": 2, "profile": 1}
    assert (counts["by_status"], counts["most_at_once"]) == ({"200": 5, "503": 1}, 1)
    await standing.control("DELETE", "log")
    assert (await standing.control("DELETE", "counts"))["by_kind"] == {}


async def test_chance_is_drawn_from_the_seed(standing: Standing) -> None:
    async def drawn(seed: int) -> list[int]:
        await standing.fail({"match": "profile", "kind": "status", "status": 500, "probability": 0.3}, seed=seed)
        return await statuses(standing, f"/account/profile/{AVERY}", 60)

    first = await drawn(1)
    assert first == await drawn(1)
    assert first != await drawn(2)
    assert 8 <= first.count(500) <= 28


async def test_times_skips_and_people_are_told_apart(standing: Standing) -> None:
    await standing.fail(
        {"kind": "status", "status": 500, "match": "score", "person": AVERY, "skip": 1, "times": 2},
        {"kind": "status", "status": 404, "match": "score", "person": "nobody|sandbox-b*"},
    )
    assert await statuses(standing, SCORES, 5) == [200, 500, 500, 200, 200]
    assert await statuses(standing, f"/profile/score/{BLAKE}", 2) == [404, 404]


async def test_a_window_opens_and_closes(standing: Standing) -> None:
    await standing.fail({"kind": "status", "status": 500, "match": "profile", "from_s": 0.3, "until_s": 0.7})
    seen: list[int] = []
    async with asyncio.timeout(20):
        while Counter(seen)[200] < 2 or 500 not in seen or seen[-1] == 500:
            seen += await statuses(standing, f"/account/profile/{AVERY}", 1)
            await asyncio.sleep(0.05)
    changes = [status for status, before in zip(seen, [None, *seen], strict=False) if status != before]
    assert changes == [200, 500, 200]


EDITS: list[tuple[dict[str, Any], str, Any]] = [
    ({"kind": "edit", "types": ["steps"], "set": "-5"}, "value", {"-5"}),
    ({"kind": "edit", "types": ["steps"], "field": "value", "omit": True}, "value", {None}),
    ({"kind": "edit", "field": "value", "rename": "reading"}, "value", {None}),
    ({"kind": "edit", "field": "reading", "set": 1}, "reading", {1}),
    ({"kind": "shift", "hours": 72}, "endDateTime", {"2026-03-20T23:59:59-04:00"}),
    ({"kind": "zone", "offset": "+05:30"}, "startDateTime", {"2026-03-17T09:30:00+05:30"}),
]


@pytest.mark.parametrize(("fault", "field", "expected"), EDITS)
async def test_rows_are_changed(standing: Standing, fault: dict[str, Any], field: str, expected: set[Any]) -> None:
    asked = {"categories": "activity", "types": "steps", "startDateTime": "2026-03-17", "endDateTime": "2026-03-17"}
    before = await standing.rows(BIOMARKERS, **asked)
    await standing.fail(fault)
    after = await standing.rows(BIOMARKERS, **asked)
    assert len(before) == len(after) == 1
    assert {row.get(field) for row in after} == expected
    assert set(after[0]) - {field, "reading", "endDateTime", "startDateTime"} <= set(before[0])


async def test_what_is_nested_is_changed_too(standing: Standing) -> None:
    await standing.fail({"kind": "edit", "field": "factors.score", "set": 1e308, "types": ["sleep"]})
    rows = await standing.rows(SCORES, types="sleep,activity")
    by_type = {kind: {factor["score"] for row in rows if row["type"] == kind for factor in row["factors"]} for kind in ("sleep",)}
    assert by_type == {"sleep": {1e308}}
    assert any(factor["score"] != 1e308 for row in rows if row["type"] == "activity" for factor in row["factors"])


async def test_rows_lose_their_order_and_overlap(standing: Standing) -> None:
    asked = {"categories": "sleep"}
    before = await standing.rows(BIOMARKERS, **asked)
    await standing.fail({"kind": "shuffle"})
    after = await standing.rows(BIOMARKERS, **asked)
    assert before != after
    assert sorted(row["id"] for row in before) == sorted(row["id"] for row in after)
    await standing.fail({"kind": "overlap"})
    overlapping = await standing.rows(BIOMARKERS, **asked)
    assert len(overlapping) == 2 * len(before)
    assert {row["value"] for row in overlapping if row["id"] is None} == {"1"}


async def test_answers_that_are_none(standing: Standing) -> None:
    async def answered(kind: str, **more: Any) -> httpx.Response:
        await standing.fail({"kind": kind, "match": "score", **more})
        return await standing.get(SCORES)

    assert (await answered("html")).headers["Content-Type"].startswith("text/html")
    assert (await answered("redirect", location="http://127.0.0.1:9/x")).headers["Location"] == "http://127.0.0.1:9/x"
    assert (await answered("empty")).status_code == 204
    with pytest.raises(ValueError, match=r".+"):
        (await answered("garbage")).json()
    with pytest.raises(ValueError, match=r".+"):
        (await answered("truncate")).json()
    assert (await answered("status", status=429, retry_after_s=7)).headers["Retry-After"] == "7"
    for kind in ("down", "reset"):
        with pytest.raises(httpx.TransportError):
            await answered(kind)
    await standing.fail({"kind": "wrong_profile"})
    assert (await standing.get(f"/account/profile/{AVERY}")).json()["externalId"] == "sandbox-somebody-else"


def test_a_long_tailed_delay_has_the_median_and_the_99th_that_it_names() -> None:
    fault = Fault.model_validate({"kind": "delay", "delay_s": 0.08, "p99_s": 0.6})
    assert fault.wait_s(0.5) == pytest.approx(0.08)
    assert fault.wait_s(0.99) == pytest.approx(0.6)
    assert Fault.model_validate({"kind": "delay", "delay_s": 2}).wait_s(0.99) == 2


def test_it_listens_on_loopback_only() -> None:
    with pytest.raises(ValueError, match="loopback"):
        run_sahha_standin(None, "0.0.0.0", 0, Standin("a", "b"))  # noqa: S104 - refused


def test_as_a_process_it_serves_on_the_socket_it_is_given(unused_tcp_port: int) -> None:
    program = (
        "from server.standins.serving import Standin, run_sahha_standin;"
        f"run_sahha_standin(None, '127.0.0.1', {unused_tcp_port}, Standin('id', 'secret', 3600.0))"
    )
    process = subprocess.Popen([sys.executable, "-c", program])  # noqa: S603 - ours
    try:
        transport = httpx.HTTPTransport(retries=6)
        with httpx.Client(base_url=f"http://127.0.0.1:{unused_tcp_port}", transport=transport, trust_env=False) as http:
            answer = http.post(f"{API}/oauth/account/token", json={"clientId": "id", "clientSecret": "secret"})
            headers = {"Authorization": f"account {answer.json()['accountToken']}"}
            for person in (AVERY, "generated-10000"):
                assert http.get(f"{API}/account/profile/{person}", headers=headers).status_code == 200
            log = http.get("/_standin/log").json()
        ahead = datetime.fromisoformat(log[0]["at"]) - Clock().now()
        assert timedelta(minutes=59) < ahead < timedelta(minutes=61)
    finally:
        process.terminate()
        assert process.wait(timeout=10) in {0, -15}


async def test_what_changes_rows_adds_up(standing: Standing) -> None:
    steps = {"kind": "edit", "match": "biomarker", "types": ["steps"]}
    await standing.fail(
        {**steps, "set": "7"},
        {**steps, "field": "unit", "set": "score"},
        {"kind": "status", "match": "score|biomarker"},
        {**steps, "field": "id", "omit": True},
    )
    rows = await standing.rows(BIOMARKERS, categories="activity", types="steps")
    assert {(row["value"], row["unit"], "id" in row) for row in rows} == {("7", "score", False)}
    assert (await standing.get(SCORES)).status_code == 503
