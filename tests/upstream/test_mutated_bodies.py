"""The real answers, damaged in every way: nothing crashes, no zero is made up, and what was not touched comes through."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from services.domain.health import Biomarker, Score
from services.errors import UpstreamMalformed
from services.sahha.payloads import parse_archetypes, parse_biomarkers, parse_profile, parse_scores
from tests.upstream.conftest import REAL_BODIES
from tests.upstream.test_payload_properties import JSON_VALUES, says_what_was_sent

NOW = datetime(2025, 7, 11, 17, 42, tzinfo=UTC)
PARSERS: dict[str, Callable[..., Any]] = {
    "archetypes": parse_archetypes,
    "biomarker-activity": parse_biomarkers,
    "biomarker-sleep": parse_biomarkers,
    "score-sleep": parse_scores,
}
DAMAGED = hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
IMPOSSIBLE: st.SearchStrategy[Any] = st.sampled_from(
    [None, "", "NaN", "-5", "1e308", "0.", "1500", 0, -1, 7.5, True, [], {}, "2199-01-01T00:00:00Z", "2025-07-11T06:00+12:00"]
)
PARTNERS = {"sleep_start_time": "sleep_end_time", "sleep_end_time": "sleep_start_time"}

pytestmark = pytest.mark.skipif(
    not REAL_BODIES.is_dir(), reason="the real answers are not part of the project: no ../shared/data/sahha"
)


@dataclass(frozen=True)
class Damage:
    """A body in which the rows of `touched` are no longer what they were; the others are, in another order."""

    rows: list[Any]
    touched: frozenset[str]

    @property
    def body(self) -> bytes:
        return orjson.dumps(self.rows)


def originals(name: str) -> list[dict[str, Any]]:
    rows = orjson.loads((REAL_BODIES / f"{name}.json").read_bytes())
    assert isinstance(rows, list)
    return rows


@st.composite
def damages(draw: st.DrawFn, name: str) -> Damage:
    rows: list[Any] = originals(name)
    touched: set[str] = set()
    for index in draw(st.sets(st.integers(0, len(rows) - 1), max_size=12)):
        row = rows[index]
        touched.add(row["id"])
        field = draw(st.sampled_from(sorted(row)))
        match draw(st.sampled_from(["value", "any", "cut", "rename", "replace"])):
            case "value":
                rows[index] = {**row, field: draw(IMPOSSIBLE)}
            case "any":
                rows[index] = {**row, field: draw(JSON_VALUES)}
            case "cut":
                rows[index] = {key: value for key, value in row.items() if key != field}
            case "rename":
                rows[index] = {f"{key}New" if key == field else key: value for key, value in row.items()}
            case _:
                rows[index] = draw(JSON_VALUES)
    rows += draw(st.lists(JSON_VALUES, max_size=3))
    draw(st.randoms(use_true_random=False)).shuffle(rows)
    return Damage(rows, frozenset(touched))


def key_of(row: Any) -> tuple[object, ...]:
    if isinstance(row, Biomarker):
        return row.type, row.start_date_time
    return (row.type, row.score_date_time) if isinstance(row, Score) else (row.name, row.start_date_time)


@pytest.mark.parametrize("name", sorted(PARSERS))
@DAMAGED
@given(data=st.data())
def test_untouched_rows_come_through_as_they_were(name: str, data: st.DataObject) -> None:
    damage = data.draw(damages(name))
    clean = PARSERS[name](orjson.dumps(originals(name)), received_at=NOW, fallback_offset=UTC)
    parsed = PARSERS[name](damage.body, received_at=NOW, fallback_offset=UTC)
    kept = set(parsed.rows)
    doubted = {key_of(row) for row in clean.rows if row.id in damage.touched}
    # A damaged row may take the place of an untouched one of the same key, and makes its night's other end doubtful.
    doubted |= {key_of(row) for row in parsed.rows if row not in set(clean.rows)}
    doubted |= {(PARTNERS[str(kind)], start) for kind, start in doubted if kind in PARTNERS}
    lost = [row for row in clean.rows if row.id not in damage.touched and row not in kept and key_of(row) not in doubted]
    assert lost == []


@pytest.mark.parametrize("name", ["biomarker-activity", "biomarker-sleep"])
@DAMAGED
@given(data=st.data())
def test_no_number_is_made_up(name: str, data: st.DataObject) -> None:
    damage = data.draw(damages(name))
    parsed = parse_biomarkers(damage.body, received_at=NOW, fallback_offset=UTC)
    assert all(says_what_was_sent(row) for row in parsed.rows)
    zeros = [row for row in parsed.rows if row.number == 0]
    assert all(float(row.value) == 0 for row in zeros)
    refused = {rejection.position for rejection in parsed.rejected}
    assert len(parsed.rows) + len(refused) <= len(damage.rows)
    untold = len(damage.rows) - len(parsed.rows) - len(refused)
    assert untold <= len(damage.touched), "only a damaged row can have taken the key of another"
    for rejection in parsed.rejected:
        assert rejection.record is None or rejection.record.reason == rejection.reason


@pytest.mark.parametrize("name", sorted(PARSERS))
@DAMAGED
@given(cut=st.floats(0, 1), noise=st.binary(max_size=8), place=st.floats(0, 1))
def test_damaged_bytes_are_an_answer_or_malformed(name: str, cut: float, noise: bytes, place: float) -> None:
    body = (REAL_BODIES / f"{name}.json").read_bytes()
    shortened = body[: max(1, int(len(body) * cut))]
    at = int(len(shortened) * place)
    damaged = shortened[:at] + noise + shortened[at + len(noise) :]
    for parse in PARSERS.values():
        with suppress(UpstreamMalformed):
            parse(damaged, received_at=NOW, fallback_offset=UTC)
    with suppress(UpstreamMalformed):
        parse_profile(damaged)


def test_the_real_archetypes_are_all_kept(real_bodies: Path) -> None:
    parsed = parse_archetypes((real_bodies / "archetypes.json").read_bytes(), received_at=NOW, fallback_offset=UTC)
    sent = {row["id"]: row for row in originals("archetypes")}
    assert parsed.rejected == ()
    assert len(parsed.rows) == len(sent)
    for row in parsed.rows:
        raw = sent[row.id]
        assert (row.name, row.value, row.periodicity) == (raw["name"], raw["value"], raw["periodicity"])
        assert row.start_date_time.isoformat() == raw["startDateTime"]
        assert row.ordinality == (raw["ordinality"] if raw["dataType"] == "ordinal" else None)
