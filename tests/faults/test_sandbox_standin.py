"""The stand-in as an operator meets it: beside the service in sandbox mode, and by itself."""

import asyncio
import re
import sys
from pathlib import Path

import httpx

from tests.process import service_process

SNAPSHOT = '{ healthSnapshot(userId: "generated-00042", policy: DATABASE) { source biomarkers { type source } } }'


async def test_in_sandbox_mode_webhooks_reach_the_service_signed_and_are_applied(open_folder: Path) -> None:
    async with service_process(open_folder / "data") as service:
        found = re.search(r"stand-in with invented people, (http://\S+)", service.output)
        assert found, service.output
        async with httpx.AsyncClient(base_url=found[1], timeout=60, trust_env=False) as standin:
            told = await standin.put("/_standin/webhooks", json={"people": ["generated-00042"]})
            assert told.status_code == 200, told.text
            assert told.json()["url"] == f"{service.url}/webhooks/sahha"
            sent = (await standin.post("/_standin/webhooks/send", json={"count": 60})).json()
        assert sent["statuses"] == {"204": 60}
        async with asyncio.timeout(30):
            while not (answer := await service.graphql(SNAPSHOT))["data"]["healthSnapshot"]["biomarkers"]:
                await asyncio.sleep(0.2)
        assert answer["data"]["healthSnapshot"]["source"] == "DATABASE"


async def test_by_itself_it_says_how_to_point_a_service_at_it(unused_tcp_port: int) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server", "standins", f"--port={unused_tcp_port}"),
        *("--people=3", "--seed=7", "--clock=2026-03-08T12:00:00"),
        stdout=asyncio.subprocess.PIPE,
        env={"PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            line = (await process.stdout.readline()).decode()
        shown = dict(part.split("=", 1) for part in line.split())
        assert {"SAHHA_BASE_URL", "SAHHA_CLIENT_ID", "SAHHA_CLIENT_SECRET", "SAHHA_WEBHOOK_SECRET"} == set(shown)
        transport = httpx.AsyncHTTPTransport(retries=6)
        async with httpx.AsyncClient(base_url=shown["SAHHA_BASE_URL"], transport=transport, trust_env=False) as http:
            credential = {"clientId": shown["SAHHA_CLIENT_ID"], "clientSecret": shown["SAHHA_CLIENT_SECRET"]}
            token = (await http.post("/api/v1/oauth/account/token", json=credential)).json()["accountToken"]
            headers = {"Authorization": f"account {token}"}
            statuses = [
                (await http.get(f"/api/v1/account/profile/{person}", headers=headers)).status_code
                for person in ("sandbox-drew", "generated-00003", "generated-00004")
            ]
            assert statuses == [200, 200, 404]
            log = (await http.get("/_standin/log")).json()
        assert log[0]["at"].startswith("2026-03-08T12:0")
    finally:
        process.terminate()
        async with asyncio.timeout(10):
            await process.wait()


async def test_by_itself_it_sends_nothing_beyond_loopback(unused_tcp_port: int) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server", "standins", f"--port={unused_tcp_port}"),
        "--webhooks-to=http://198.51.100.7/hook",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={},
    )
    async with asyncio.timeout(30):
        _, told = await process.communicate()
    assert (process.returncode, "loopback only" in told.decode()) == (2, True)
