"""Whatever Sahha's answers turn into: nothing crashes, no good row is lost, no number is made up."""

import math
from datetime import UTC
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.health import Biomarker, grain
from services.errors import UpstreamMalformed
from services.sahha.payloads import parse_archetypes, parse_biomarkers, parse_scores
from services.sahha.units import UNITS, in_unit
from tests.upstream.conftest import UNHURRIED
from tests.upstream.test_payloads import NOW, SLEEP_SCORE, STEPS, biomarkers, scores, without

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(["2025-07-10T00:00:00+12:00", "9999-12-31T23:59:59-12:00", "0.", "NaN", "1e999", "\x00"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def mutations(row: dict[str, Any]) -> st.SearchStrategy[object]:
    changes = st.dictionaries(st.sampled_from(sorted(row)), JSON_VALUES, min_size=1, max_size=3)
    changed = changes.map(lambda change: {**row, **change})
    cut = st.sets(st.sampled_from(sorted(row)), min_size=1, max_size=3).map(lambda names: without(row, *names))
    return changed | cut | JSON_VALUES


def says_what_was_sent(row: Biomarker) -> bool:
    """A number is what was sent, in its own unit, never a stand-in for something that could not be read."""
    if row.number is None:
        return True
    sent = float(row.value)
    expected = in_unit(sent, row.value_unit, row.unit) if row.unit and row.unit.lower() in UNITS else sent
    return expected is not None and math.isclose(row.number, expected, rel_tol=1e-6, abs_tol=1e-6)


@UNHURRIED
@given(st.lists(mutations(STEPS), max_size=8), st.integers(0, 8))
def test_no_mutation_of_biomarkers_crashes_or_costs_a_good_row(mutated: list[object], place: int) -> None:
    good = {**STEPS, "type": "a good row", "id": "good"}
    rows = [*mutated[:place], good, *mutated[place:]]
    parsed = biomarkers(*rows)
    assert any(row.id == "good" and row.number == 8412.0 for row in parsed.rows)
    assert len(parsed.rows) + len(parsed.rejected) <= len(rows)
    keys = [(row.category, row.type, grain(row.periodicity), row.start_date_time) for row in parsed.rows]
    assert len(set(keys)) == len(keys)
    for row in parsed.rows:
        assert row.start_date_time <= row.end_date_time
        assert row.number is None or math.isfinite(row.number)
        assert says_what_was_sent(row)


@UNHURRIED
@given(
    st.lists(
        mutations(SLEEP_SCORE) | mutations({"name": "n", "value": 1}).map(lambda f: {**SLEEP_SCORE, "factors": [f]}), max_size=8
    )
)
def test_no_mutation_of_scores_crashes_or_costs_a_good_row(mutated: list[object]) -> None:
    good = {**SLEEP_SCORE, "type": "a good row", "id": "good"}
    parsed = scores(*mutated, good)
    assert any(row.id == "good" and row.score == 0.74 for row in parsed.rows)
    keys = [(row.type, row.score_date_time) for row in parsed.rows]
    assert len(set(keys)) == len(keys)


@UNHURRIED
@given(st.binary(max_size=200).filter(lambda body: body and not body.isspace()))
def test_bytes_that_are_no_json_are_malformed(body: bytes) -> None:
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        for parse in (parse_biomarkers, parse_scores, parse_archetypes):
            with pytest.raises(UpstreamMalformed):
                parse(body, received_at=NOW, fallback_offset=UTC)
