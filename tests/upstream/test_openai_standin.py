"""The stand-in is what the provider documents: its own SDK reads it, and it refuses what the API refuses."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest

from server.standins.openai import create_openai_standin
from server.standins.openai_faults import ModelFaultKind
from server.standins.serving import serve_standin
from services.openai.payloads import DAY_SCHEMA
from services.openai.prompt import INSTRUCTIONS, prompt_of
from tests.upstream.model import KEY, a_brief

FORMAT = {"format": {"type": "json_schema", "name": "day", "strict": True, "schema": DAY_SCHEMA}}


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with serve_standin(create_openai_standin(api_key=KEY, models=frozenset({"known"}))) as served:
        yield served


@pytest.fixture
async def sdk(url: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=0, timeout=10) as client:
        yield client


def question(**changes: Any) -> dict[str, Any]:
    text = {"type": "input_text", "text": prompt_of(a_brief()).data}
    asked = {"model": "known", "instructions": INSTRUCTIONS, "input": [{"role": "user", "content": [text]}], "text": FORMAT}
    return {**asked, **changes}


async def behave(url: str, *faults: dict[str, Any], **behaviour: object) -> None:
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        (await http.put("/_standin/faults", json={**behaviour, "faults": faults})).raise_for_status()


async def test_the_sdk_reads_a_whole_answer(sdk: openai.AsyncOpenAI) -> None:
    response = await sdk.responses.create(**question())
    assert response.status == "completed"
    assert response.output_text.startswith('{"blocks":[')
    assert response.usage is not None
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens


async def test_the_sdk_reads_a_stream(sdk: openai.AsyncOpenAI) -> None:
    kinds, text = [], ""
    async with sdk.responses.stream(**question()) as stream:
        async for event in stream:
            kinds.append(event.type)
            if event.type == "response.output_text.delta":
                text += event.delta
        final = await stream.get_final_response()
    assert text == final.output_text
    assert list(dict.fromkeys(kinds)) == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]


@pytest.mark.parametrize(
    ("change", "error", "code"),
    [
        ({"model": "unknown"}, openai.NotFoundError, "model_not_found"),
        ({"extra_body": {"max_tokens": 5}}, openai.BadRequestError, "unknown_parameter"),
        ({"prompt_cache_key": "x" * 65}, openai.BadRequestError, "string_above_max_length"),
        ({"safety_identifier": "x" * 129}, openai.BadRequestError, "string_above_max_length"),
        (
            {"text": {"format": {**FORMAT["format"], "schema": {**DAY_SCHEMA, "default": {}}}}},
            openai.BadRequestError,
            "invalid_json_schema",
        ),
    ],
)
async def test_it_refuses_what_the_api_refuses(
    sdk: openai.AsyncOpenAI, change: dict[str, Any], error: type[openai.APIStatusError], code: str
) -> None:
    with pytest.raises(error) as refused:
        await sdk.responses.create(**question(**change))
    assert refused.value.code == code


async def test_it_wants_its_key(url: str) -> None:
    async with openai.AsyncOpenAI(api_key="another", base_url=f"{url}/v1", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError):
            await client.responses.create(**question())


@pytest.mark.parametrize(
    ("fault", "last"),
    [
        ({"kind": "refusal"}, "response.completed"),
        ({"kind": "length"}, "response.incomplete"),
        ({"kind": "content_filter"}, "response.incomplete"),
        ({"kind": "failed"}, "response.failed"),
        ({"kind": "end"}, "response.output_text.delta"),
    ],
)
async def test_the_sdk_reads_answers_that_are_not_whole(
    url: str, sdk: openai.AsyncOpenAI, fault: dict[str, Any], last: str
) -> None:
    await behave(url, fault)
    events = [event async for event in await sdk.responses.create(stream=True, **question())]
    assert events[-1].type == last


async def test_the_same_prompt_gives_the_same_words(sdk: openai.AsyncOpenAI) -> None:
    first, second = await asyncio.gather(*(sdk.responses.create(**question()) for _ in range(2)))
    assert first.output_text == second.output_text


async def test_faults_are_checked_shown_and_cleared(url: str) -> None:
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        assert (await http.put("/_standin/faults", json={"faults": [{"kind": "gremlins"}]})).status_code == 400
        every = [{"kind": kind.value} for kind in ModelFaultKind]
        shown = (await http.put("/_standin/faults", json={"mode": "sloppy", "faults": every})).json()
        assert (shown["mode"], len(shown["faults"])) == ("sloppy", len(ModelFaultKind))
        assert (await http.delete("/_standin/faults")).json()["faults"] == []


async def test_a_fault_skips_strikes_and_is_used_up(url: str) -> None:
    await behave(url, {"kind": "status", "status": 503, "skip": 1, "times": 2})
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        answers = [(await http.post("/v1/responses", json=question(), headers=headers)).status_code for _ in range(5)]
        logged = (await http.get("/_standin/log")).json()
    assert answers == [200, 503, 503, 200, 200]
    assert [entry["status"] for entry in logged] == answers
