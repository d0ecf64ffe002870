"""Bursts of 10,000 events at a service in a process of its own: `python -m tests.load.webhooks`.

Milliseconds from the first byte of a request to the last of its answer, which is said after the commit, over kept connections of
a bare sender; the worker applies what arrives meanwhile. At most 200 ms are asked for. The sender, the service and PostgreSQL
share the machine.
"""

import asyncio
import hmac
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from urllib.parse import urlsplit

import httpx
import orjson

from tests.load.folder import data_folder
from tests.process import ServiceProcess, service_process
from tests.store.test_webhooks import AVERY, BIOMARKER, SECRET, biomarker

EVENTS = 10_000
AT_ONCE = (10, 50, 200)


def requests(first: int) -> Iterator[bytes]:
    """As many events as a burst has, all different."""
    for number in range(first, first + EVENTS):
        body = orjson.dumps(biomarker(number % 90_000, number % 59, id=f"event-{number}"))
        signature = hmac.new(SECRET.encode(), body, sha256).hexdigest()
        head = (
            "POST /webhooks/sahha HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n"
            f"X-Signature: {signature}\r\nX-External-Id: {AVERY}\r\nX-Event-Type: {BIOMARKER}\r\n\r\n"
        )
        yield head.encode() + body


async def sender(url: str, events: Iterator[bytes], took_ms: list[float], statuses: Counter[str]) -> None:
    reader, writer = await asyncio.open_connection(urlsplit(url).hostname, urlsplit(url).port)
    for event in events:
        started = time.perf_counter()
        writer.write(event)
        head = await reader.readuntil(b"\r\n\r\n")
        took_ms.append((time.perf_counter() - started) * 1000)
        statuses[head.split(b" ", 2)[1].decode()] += 1
    writer.close()


async def applied(service: ServiceProcess, http: httpx.AsyncClient) -> float:
    metrics = (await http.get(f"{service.url}/metrics", headers={"x-api-key": service.admin_key})).text
    lines = [line for line in metrics.splitlines() if line.startswith('firstlight_webhook_events_total{fate="applied"}')]
    return float(lines[0].split()[-1]) if lines else 0.0


async def measure(service: ServiceProcess, http: httpx.AsyncClient, at_once: int, sent: int) -> None:
    events = iter(list(requests(sent)))
    took_ms: list[float] = []
    statuses: Counter[str] = Counter()
    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(sender(service.url, events, took_ms, statuses))
    answered_s = time.perf_counter() - started
    while await applied(service, http) < sent + EVENTS:
        await asyncio.sleep(0.1)
    applied_s = time.perf_counter() - started
    cuts = statistics.quantiles(took_ms, n=100)
    print(
        f"{at_once:3} at once: {EVENTS / answered_s:6.0f} events/s, p50 {cuts[49]:.0f}, p99 {cuts[98]:.0f}, "
        f"most {max(took_ms):.0f} ms, {dict(statuses)}; all applied {applied_s - answered_s:.1f} s after the last answer"
    )


async def main() -> None:
    with data_folder() as folder:
        async with (
            service_process(folder, CLOCK="2026-03-11T06:40:00-04:00", SAHHA_WEBHOOK_SECRET=SECRET) as service,
            httpx.AsyncClient(timeout=30, trust_env=False) as http,
        ):
            for number, at_once in enumerate(AT_ONCE):
                await measure(service, http, at_once, number * EVENTS)


if __name__ == "__main__":
    asyncio.run(main())
