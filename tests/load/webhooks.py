"""Bursts of 10,000 events at a service in a process of its own, from the stand-in in another: `python -m tests.load.webhooks`.

Milliseconds until the 2xx, which is said after the commit, as the sender sees them; the worker applies what arrives meanwhile. At
most 200 are asked for. All processes and PostgreSQL share the machine.
"""

import asyncio
import tempfile
from pathlib import Path

import httpx

from tests.process import ServiceProcess, service_process

EVENTS = 10_000
AT_ONCE = (10, 20, 50)
CLOCK = "2026-03-11T06:40:00-04:00"


async def applied(service: ServiceProcess, http: httpx.AsyncClient) -> float:
    metrics = (await http.get(f"{service.url}/metrics", headers={"x-api-key": service.admin_key})).text
    lines = [line for line in metrics.splitlines() if line.startswith('firstlight_webhook_events_total{fate="applied"}')]
    return float(lines[0].split()[-1]) if lines else 0.0


async def measure(service: ServiceProcess, http: httpx.AsyncClient, at_once: int, sent: int) -> None:
    started = asyncio.get_running_loop().time()
    answer = await http.post(f"{service.standin_url}/_standin/webhooks/send", json={"count": EVENTS, "at_once": at_once})
    answered_s = asyncio.get_running_loop().time() - started
    while await applied(service, http) < sent:
        await asyncio.sleep(0.1)
    applied_s = asyncio.get_running_loop().time() - started
    report = answer.json()
    print(
        f"{at_once:3} at once: {EVENTS / answered_s:6.0f} events/s, {report['took_ms']} ms, {report['statuses']}; "
        f"all applied {applied_s - answered_s:.1f} s after the last answer"
    )


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="firstlight-load-") as folder:
        Path(folder).chmod(0o711)
        async with (
            service_process(Path(folder) / "data", CLOCK=CLOCK) as service,
            httpx.AsyncClient(timeout=300, trust_env=False) as http,
        ):
            for number, at_once in enumerate(AT_ONCE, start=1):
                await measure(service, http, at_once, number * EVENTS)


if __name__ == "__main__":
    asyncio.run(main())
