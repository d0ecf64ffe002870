"""An answer taken apart: every block at its closing brace, however the bytes fall, and an end to what has none."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from services.domain.writing import BlockText
from services.errors import ModelFailed, ModelFailureKind
from services.openai.payloads import Delta, Ended, read_event, to_block
from services.openai.stream import MOST_TEXT_WITHOUT_A_BLOCK, DayReader, EventReader

TASK = {"slot": "s1", "task": "walk", "title": 'Gehé {raus} "now" \\ 😀', "description": "]}{["}
DAY = {
    "blocks": [
        {"block": f"Block {number}", "purpose": "p", "why_it_matters": "w", "tasks": [TASK] * number} for number in range(4)
    ],
    "summary": "Ein Tag, wie er sein soll.",
}
UNHURRIED = hypothesis_settings(deadline=None)
Json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def cut(text: str, sizes: list[int]) -> list[str]:
    pieces, start = [], 0
    for size in sizes:
        pieces.append(text[start : start + size])
        start += size
    return [*pieces, text[start:]]


def failure_of(read: Callable[[], object]) -> ModelFailureKind | None:
    """How reading fails, if it does."""
    try:
        read()
    except ModelFailed as failure:
        return failure.kind
    return None


def read_day(text: str, sizes: list[int]) -> list[BlockText]:
    reader = DayReader()
    found = [block for piece in cut(text, sizes) for block in reader.feed(piece)]
    reader.finish()
    return found


@UNHURRIED
@given(st.lists(st.integers(1, 40), max_size=200), st.booleans())
def test_blocks_come_whole_however_the_text_is_cut(sizes: list[int], escaped: bool) -> None:
    reader, found = DayReader(), []
    for piece in cut(json.dumps(DAY, ensure_ascii=escaped), sizes):
        found += list(reader.feed(piece))
    summary = reader.finish()
    assert [block.block for block in found] == [block["block"] for block in DAY["blocks"]]  # type: ignore[index]
    assert found[2].tasks[0].title == TASK["title"]
    assert summary is not None
    assert summary.text == DAY["summary"]


def test_a_block_is_out_with_its_closing_brace() -> None:
    reader, seen = DayReader(), []
    text = json.dumps(DAY)
    for position, character in enumerate(text):
        seen += [position for _ in reader.feed(character)]
    ends = [position for position in range(len(text)) if text[: position + 1].endswith(("]}, ", "]}]"))]
    assert [position + 1 for position in seen][:1] == [text.index("}") + 1]
    assert len(seen) == 4
    assert seen[-1] < max(ends) + 1


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        pytest.param('{"blocks":[' + " " * 600, ModelFailureKind.RUNAWAY, id="blanks"),
        pytest.param('{"blocks":[{"block":"' + "\\n" * MOST_TEXT_WITHOUT_A_BLOCK, ModelFailureKind.RUNAWAY, id="escapes"),
        pytest.param('{"blocks":[{"a":' + "9" * MOST_TEXT_WITHOUT_A_BLOCK, ModelFailureKind.RUNAWAY, id="digits"),
        pytest.param('{"blocks":' + "[" * MOST_TEXT_WITHOUT_A_BLOCK, ModelFailureKind.RUNAWAY, id="depth"),
        pytest.param('{"blocks":[{}' * 9, ModelFailureKind.MALFORMED, id="broken"),
        pytest.param("Sure! Here is your day:", ModelFailureKind.MALFORMED, id="prose"),
        pytest.param('{"blocks":[]} and more', ModelFailureKind.MALFORMED, id="more-after-the-end"),
        pytest.param("[1]", ModelFailureKind.MALFORMED, id="no-object"),
    ],
)
def test_what_is_no_day_ends(text: str, kind: ModelFailureKind) -> None:
    assert failure_of(lambda: read_day(text, [50] * (len(text) // 50))) is kind


@UNHURRIED
@given(st.text(max_size=400) | Json.map(json.dumps), st.lists(st.integers(1, 30), max_size=30))
def test_whatever_a_model_says_is_blocks_or_a_failure(text: str, sizes: list[int]) -> None:
    assert failure_of(lambda: read_day(text, sizes)) in {None, ModelFailureKind.MALFORMED, ModelFailureKind.RUNAWAY}


@UNHURRIED
@given(Json)
def test_whatever_stands_for_a_block_is_one_or_none(item: object) -> None:
    assert to_block(item) is None or isinstance(to_block(item), BlockText)


@UNHURRIED
@given(st.binary(max_size=300) | Json.map(lambda value: json.dumps(value).encode()))
def test_whatever_an_event_holds_is_understood_or_a_broken_stream(data: bytes) -> None:
    assert failure_of(lambda: read_event(data)) in {None, ModelFailureKind.CUT}


RESPONSE_EVENTS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            ["response.completed", "response.incomplete", "response.failed", "error", "response.output_text.delta"]
        )
    },
    optional={
        "response": st.fixed_dictionaries(
            {},
            optional={
                "status": st.sampled_from(["completed", "incomplete", "failed"]) | Json,
                "usage": Json
                | st.fixed_dictionaries({"input_tokens": Json, "output_tokens": Json, "input_tokens_details": Json}),
                "output": Json | st.lists(st.fixed_dictionaries({"content": Json})),
                "error": Json,
                "incomplete_details": Json,
            },
        )
        | Json,
        "error": Json,
        "code": Json,
        "delta": Json,
    },
)


@UNHURRIED
@given(RESPONSE_EVENTS)
def test_events_with_anything_in_their_fields_are_read(event: dict[str, Any]) -> None:
    assert isinstance(read_event(json.dumps(event).encode()), Delta | Ended | None)


@UNHURRIED
@given(st.lists(st.sampled_from(["a", "b c", "{}", "é"]), max_size=8), st.lists(st.integers(1, 12), max_size=40), st.booleans())
def test_events_are_found_however_the_bytes_fall(texts: list[str], sizes: list[int], windows: bool) -> None:
    end = "\r\n" if windows else "\n"
    stream = f": hello{end}{end}" + "".join(f"event: x{end}data: {text}{end}id: 7{end}{end}" for text in texts)
    reader, found, data, start = EventReader(), [], stream.encode(), 0
    for size in [*sizes, len(data)]:
        found += list(reader.feed(data[start : start + size]))
        start += size
    assert [each.decode() for each in found] == texts


def test_a_line_without_end_is_cut() -> None:
    reader = EventReader()
    chunks = [b"data: " + b"x" * 65536] * 40
    assert failure_of(lambda: [list(reader.feed(chunk)) for chunk in chunks]) is ModelFailureKind.RUNAWAY
