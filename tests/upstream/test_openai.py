"""The client of the model against the stand-in, over real HTTP: every fault of the O rows, told apart and bounded in time."""

import asyncio
from contextlib import aclosing
from time import perf_counter
from typing import Any

import pytest

from services.config import Settings
from services.domain.ids import UserId
from services.domain.writing import BlockText
from services.errors import ModelFailed, ModelFailureKind
from services.metrics import Metrics
from services.openai.client import OpenAIClient
from services.openai.transport import openai_http
from services.store.database import Database
from tests.upstream.model import KEY, PERSON, ModelUpstream, a_brief, open_model


@pytest.fixture
async def model(database: Database) -> Any:
    async with open_model(database, openai_attempt_timeout_s=4, openai_deadline_s=8) as opened:
        yield opened


async def test_an_answer_comes_block_by_block_with_its_summary_and_tokens(model: ModelUpstream) -> None:
    brief = a_brief()
    answer = await model.ask(brief)
    assert answer.failure is None
    assert [block.block for block in answer.blocks] == [block.block for block in brief.blocks]
    assert [len(block.tasks) for block in answer.blocks] == [len(block.slots) for block in brief.blocks]
    assert answer.summary is not None
    (usage,) = answer.usage
    assert usage.input_tokens > 1000
    assert usage.output_tokens > 100
    assert await model.spent() == (usage.input_tokens + usage.output_tokens,) * 2


async def test_the_request_is_what_the_provider_documents_and_stores_nothing(model: ModelUpstream) -> None:
    await model.ask(a_brief())
    (body,) = await model.bodies()
    assert body["store"] is False
    assert body["stream"] is True
    assert body["text"]["format"]["strict"] is True
    assert body["prompt_cache_key"]
    assert 1000 < body["max_output_tokens"] < 10_000
    assert PERSON not in str(body)
    assert len(body["safety_identifier"]) == 64
    assert "reasoning" not in body


async def test_what_is_the_same_for_everybody_is_cached(model: ModelUpstream) -> None:
    first = await model.ask(a_brief())
    second = await model.ask(a_brief())
    assert first.usage[0].cached_input_tokens == 0
    assert second.usage[0].cached_input_tokens >= 1024


async def test_blocks_are_given_out_while_the_answer_still_comes(model: ModelUpstream) -> None:
    await model.behave(delta_delay_s=0.0005)
    begun = perf_counter()
    async with aclosing(model.client.write(a_brief(), PERSON, within_s=8)) as outputs:
        moments = [perf_counter() - begun async for output in outputs if isinstance(output, BlockText)]
    assert len(moments) == 5
    assert moments[0] < 0.5 * moments[-1]


async def test_leaving_early_stops_the_model(model: ModelUpstream) -> None:
    await model.behave(delta_delay_s=0.002)
    async with aclosing(model.client.write(a_brief(), PERSON, within_s=8)) as outputs:
        async for output in outputs:
            if isinstance(output, BlockText):
                break
    await asyncio.sleep(0.1)
    (noted,) = await model.log()
    assert not noted["finished"]
    assert (await model.spent())[0] > noted["input_tokens"] + noted["output_tokens"]


FAILURES = [
    pytest.param({"kind": "status", "status": 500}, ModelFailureKind.UNAVAILABLE, 2, id="O3-500"),
    pytest.param({"kind": "status", "status": 503}, ModelFailureKind.UNAVAILABLE, 2, id="O3-503"),
    pytest.param({"kind": "status", "status": 408}, ModelFailureKind.UNAVAILABLE, 2, id="408"),
    pytest.param({"kind": "status", "status": 409}, ModelFailureKind.UNAVAILABLE, 2, id="409"),
    pytest.param({"kind": "status", "status": 429, "code": "insufficient_quota"}, ModelFailureKind.QUOTA, 1, id="O2-quota"),
    pytest.param({"kind": "status", "status": 429, "code": "rate_limit_exceeded"}, ModelFailureKind.RATE_LIMITED, 2, id="O1-429"),
    pytest.param({"kind": "status", "status": 401, "code": "invalid_api_key"}, ModelFailureKind.MISCONFIGURED, 1, id="O12-401"),
    pytest.param({"kind": "status", "status": 403}, ModelFailureKind.MISCONFIGURED, 1, id="O12-403"),
    pytest.param({"kind": "status", "status": 404, "code": "model_not_found"}, ModelFailureKind.MISCONFIGURED, 1, id="O12-404"),
    pytest.param(
        {"kind": "status", "status": 400, "code": "context_length_exceeded"}, ModelFailureKind.MISCONFIGURED, 1, id="O12-too-long"
    ),
    pytest.param({"kind": "status", "status": 400, "code": "content_filter"}, ModelFailureKind.CONTENT_FILTER, 1, id="O16-400"),
    pytest.param({"kind": "content_filter"}, ModelFailureKind.CONTENT_FILTER, 1, id="O16-incomplete"),
    pytest.param({"kind": "refusal"}, ModelFailureKind.REFUSED, 1, id="O6-refusal"),
    pytest.param({"kind": "length"}, ModelFailureKind.TRUNCATED, 1, id="O7-length"),
    pytest.param({"kind": "invalid_json"}, ModelFailureKind.MALFORMED, 1, id="O8-invalid-json"),
    pytest.param({"kind": "blanks"}, ModelFailureKind.RUNAWAY, 1, id="endless-whitespace"),
    pytest.param({"kind": "digits"}, ModelFailureKind.RUNAWAY, 1, id="endless-digits"),
    pytest.param({"kind": "down"}, ModelFailureKind.CUT, 2, id="reset-without-a-byte"),
    pytest.param({"kind": "cut"}, ModelFailureKind.CUT, 2, id="O5-reset"),
    pytest.param({"kind": "end"}, ModelFailureKind.CUT, 2, id="O5-stream-ends"),
    pytest.param({"kind": "failed", "code": "server_error"}, ModelFailureKind.UNAVAILABLE, 2, id="event-failed"),
    pytest.param({"kind": "failed", "code": "rate_limit_exceeded"}, ModelFailureKind.RATE_LIMITED, 2, id="event-failed-429"),
    pytest.param({"kind": "error", "code": "server_error"}, ModelFailureKind.UNAVAILABLE, 2, id="event-error"),
    pytest.param({"kind": "html"}, ModelFailureKind.MALFORMED, 1, id="html-200"),
    pytest.param({"kind": "redirect"}, ModelFailureKind.MISCONFIGURED, 1, id="redirect"),
    pytest.param({"kind": "gzip"}, ModelFailureKind.CUT, 2, id="gzip-bomb"),
]


@pytest.mark.parametrize(("fault", "kind", "calls"), FAILURES)
async def test_each_failure_is_told_apart(
    model: ModelUpstream, fault: dict[str, Any], kind: ModelFailureKind, calls: int
) -> None:
    await model.behave(fault)
    answer = await model.ask(a_brief())
    assert answer.failure is not None
    assert (answer.failure.kind, answer.blocks) == (kind, ())
    assert len(await model.log()) == calls
    assert KEY not in answer.failure.reason


@pytest.mark.parametrize(
    "kind", ["cut", "end", "length", "content_filter", "failed", "error", "invalid_json", "blanks", "digits"]
)
async def test_blocks_that_were_whole_stay_and_nothing_is_asked_again(model: ModelUpstream, kind: str) -> None:
    await model.behave({"kind": kind, "after_blocks": 2})
    answer = await model.ask(a_brief())
    assert answer.failure is not None
    assert len(answer.blocks) == 2
    assert len(await model.log()) == 1


async def test_a_block_outside_the_schema_is_left_out_and_the_others_stay(model: ModelUpstream) -> None:
    await model.behave({"kind": "schema", "after_blocks": 1})
    answer = await model.ask(a_brief())
    assert answer.failure is None
    assert len(answer.blocks) == 4
    assert answer.summary is not None


@pytest.mark.parametrize("fault", [{"kind": "status", "status": 503}, {"kind": "down"}, {"kind": "hang"}, {"kind": "cut"}])
async def test_what_passes_is_tried_once_more(database: Database, fault: dict[str, Any]) -> None:
    async with open_model(database, openai_attempt_timeout_s=1, openai_deadline_s=8) as model:
        await model.behave({**fault, "times": 1})
        answer = await model.ask(a_brief())
        assert answer.failure is None
        assert len(answer.blocks) == 5
        assert len(await model.log()) == 2


async def test_o1_a_wait_that_fits_is_kept_to(model: ModelUpstream) -> None:
    await model.behave({"kind": "status", "status": 429, "code": "rate_limit_exceeded", "retry_after_s": 1, "times": 1})
    begun = perf_counter()
    answer = await model.ask(a_brief())
    assert answer.failure is None
    assert perf_counter() - begun >= 1


async def test_o1_a_wait_that_does_not_fit_is_not_begun(model: ModelUpstream) -> None:
    await model.behave({"kind": "status", "status": 429, "code": "rate_limit_exceeded", "retry_after_s": 7})
    begun = perf_counter()
    answer = await model.ask(a_brief())
    assert answer.failure is not None
    assert answer.failure.retry_after_s == 7
    assert perf_counter() - begun < 6
    assert len(await model.log()) == 1


@pytest.mark.parametrize("after_blocks", [0, 2])
async def test_o4_a_hang_is_cut_and_its_slot_is_free_again(database: Database, after_blocks: int) -> None:
    async with open_model(database, openai_attempt_timeout_s=0.7, openai_deadline_s=8, openai_concurrency=1) as model:
        await model.behave({"kind": "hang", "after_blocks": after_blocks, "times": 1})
        begun = perf_counter()
        answer = await model.ask(a_brief(), attempts=1)
        assert answer.failure is not None
        assert answer.failure.kind is ModelFailureKind.TIMEOUT
        assert len(answer.blocks) == after_blocks
        assert 0.6 < perf_counter() - begun < 30
        assert (await model.ask(a_brief())).failure is None


async def test_a_drip_ends_at_the_deadline_and_not_at_the_last_byte(model: ModelUpstream) -> None:
    await model.behave(delta_delay_s=0.05)
    begun = perf_counter()
    answer = await model.ask(a_brief(), within_s=1.0)
    assert answer.failure is not None
    assert answer.failure.kind is ModelFailureKind.TIMEOUT
    assert perf_counter() - begun < 20


async def test_nobody_listens_there(database: Database) -> None:
    async with open_model(database, openai_deadline_s=8) as model:
        settings = Settings(_env_file=None, openai_api_key=KEY, openai_base_url="http://127.0.0.1:1/v1")
        async with openai_http(settings) as http:
            client = OpenAIClient(http, settings, model.budget, Metrics())
            with pytest.raises(ModelFailed, match="ConnectError") as failed:
                await anext(client.write(a_brief(), PERSON, within_s=8))
        assert failed.value.kind is ModelFailureKind.UNREACHABLE
        assert await model.spent() == (0, 0)


async def test_more_plans_than_slots_wait_their_turn_and_no_longer_than_their_deadline(database: Database) -> None:
    async with open_model(database, openai_concurrency=1, openai_attempt_timeout_s=4, openai_deadline_s=8) as model:
        await model.behave(first_delay_s=1.5)
        answers = await asyncio.gather(model.ask(a_brief(), within_s=6), model.ask(a_brief(), within_s=1, attempts=1))
        kinds = [answer.failure and answer.failure.kind for answer in answers]
        assert kinds == [None, ModelFailureKind.BUSY]
        assert len(await model.log()) == 1


async def test_o3_and_o12_the_gate_closes_for_all_and_opens_again_by_itself(model: ModelUpstream) -> None:
    await model.behave({"kind": "status", "status": 401, "code": "invalid_api_key"})
    await model.ask(a_brief())
    paused = await model.ask(a_brief())
    assert paused.failure is not None
    assert paused.failure.kind is ModelFailureKind.PAUSED
    assert len(await model.log()) == 1


async def test_o3_failures_of_several_people_close_the_gate(model: ModelUpstream) -> None:
    async with model.database.transaction() as connection:
        for number in range(4):
            await connection.execute(
                "insert into people (user_id, first_asked_at, last_asked_at) values ($1, now(), now())", f"person-{number}"
            )
    await model.behave({"kind": "status", "status": 503})
    for number in range(4):
        await model.ask(a_brief(), UserId(f"person-{number}"))
    calls = len(await model.log())
    assert calls < 8
    await model.behave()
    answer = await model.ask(a_brief())
    assert answer.failure is not None
    assert answer.failure.kind is ModelFailureKind.PAUSED
    assert len(await model.log()) == calls


async def test_o13_an_answer_that_comes_too_late_is_counted_in_full(database: Database) -> None:
    async with open_model(database, openai_attempt_timeout_s=0.5, openai_deadline_s=8) as model:
        await model.behave({"kind": "late", "delay_s": 2.0})
        answer = await model.ask(a_brief(), attempts=1)
        assert answer.failure is not None
        assert answer.failure.kind is ModelFailureKind.TIMEOUT
        person, everybody = await model.spent()
        assert person == everybody > 2_000


@pytest.mark.parametrize("budget", ["daily_tokens_per_person", "daily_tokens"])
async def test_o15_without_tokens_left_there_is_no_call(database: Database, budget: str) -> None:
    limits: dict[str, Any] = {budget: 10_000}
    async with open_model(database, **limits) as model:
        answers = [await model.ask(a_brief()) for _ in range(6)]
        kinds = [answer.failure and answer.failure.kind for answer in answers]
        assert kinds[0] is None
        assert kinds[-1] is ModelFailureKind.BUDGET
        assert len(await model.log()) == kinds.count(None)
        assert max(await model.spent()) <= 10_000


async def test_figures_count_calls_by_their_end_and_tokens_by_kind(model: ModelUpstream) -> None:
    await model.ask(a_brief())
    await model.behave({"kind": "refusal"})
    await model.ask(a_brief())
    shown = model.metrics.render().decode()
    assert 'firstlight_model_calls_total{result="written"} 1.0' in shown
    assert 'firstlight_model_calls_total{result="refused"} 1.0' in shown
    assert 'firstlight_model_tokens_total{kind="output"}' in shown


async def test_effort_is_sent_where_it_is_set(database: Database) -> None:
    async with open_model(database, openai_reasoning_effort="low", openai_model="some-model-2") as model:
        await model.ask(a_brief())
        (body,) = await model.bodies()
        assert (body["reasoning"], body["model"]) == ({"effort": "low"}, "some-model-2")
        assert "some-model-2" in model.client.version
