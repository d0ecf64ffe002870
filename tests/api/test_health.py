"""Alive, ready and measured, with and without a database."""

import httpx
import pytest
from starlette.requests import Request

from server.health import _from_loopback
from services.clock import Clock
from tests.api.clients import Api
from tests.api.conftest import NO_SAHHA, running


async def test_without_a_database_it_is_alive_and_not_ready(edge: Api) -> None:
    assert (await edge.request("GET", "/livez", key=None)).status_code == 200
    ready = await edge.request("GET", "/readyz", key=None)
    assert (ready.status_code, ready.json()["checks"]) == (503, {"database": False, "migrations": False, "writes": True})
    health = await edge.request("GET", "/api/health", key=None)
    assert (health.status_code, health.json()["status"]) == (200, "degraded")


async def test_with_a_database_that_is_not_migrated_it_is_not_ready(empty_database_url: str) -> None:
    async with running(empty_database_url, NO_SAHHA, Clock(), worker="off", scheduler="off") as api:
        ready = await api.request("GET", "/readyz", key=None)
        assert (ready.status_code, ready.json()["checks"]) == (503, {"database": True, "migrations": False, "writes": True})


async def test_with_everything_it_is_ready(database_url: str) -> None:
    async with running(database_url, NO_SAHHA, Clock()) as api:
        ready = await api.until_ready()
        assert ready.json() == {
            "status": "ready",
            "checks": {"database": True, "migrations": True, "writes": True, "worker": True},
        }
        health = await api.request("GET", "/api/health", key=None)
        assert (health.status_code, health.json()["status"]) == (200, "healthy")


async def test_metrics_on_loopback_need_no_key(edge: Api) -> None:
    response = await edge.request("GET", "/metrics", key=None)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    assert "firstlight_sahha_reads" in response.text


async def test_metrics_from_elsewhere_need_a_key(edge: Api) -> None:
    """The server takes the address of the real caller from a proxy on loopback."""
    elsewhere = {"x-forwarded-for": "203.0.113.9"}
    assert (await edge.request("GET", "/metrics", key=None, headers=elsewhere)).status_code == 401
    assert (await edge.request("GET", "/metrics", headers=elsewhere)).status_code == 200


@pytest.mark.parametrize(
    ("client", "expected"),
    [(("127.0.0.1", 1), True), (("::1", 1), True), (("10.0.0.1", 1), False), (("unix", 0), False), (None, False)],
)
def test_loopback(client: tuple[str, int] | None, expected: bool) -> None:
    assert _from_loopback(Request({"type": "http", "headers": [], "client": client})) is expected


async def test_unknown_urls_are_404(edge: Api) -> None:
    response: httpx.Response = await edge.request("GET", "/nowhere")
    assert (response.status_code, response.json()["error"]["code"]) == (404, "NOT_FOUND")
