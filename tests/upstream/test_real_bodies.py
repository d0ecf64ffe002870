"""Real response bodies of one person, through HTTP, client, archive and planner: nothing refused, every number quoted exactly."""

import json
import logging
from datetime import datetime
from pathlib import Path

import pytest

from services.domain.ids import UserId
from services.domain.outcomes import GenerateRoutineSuccess
from services.domain.routine import Archetype, EvidenceKind, RoutineRequest, RoutineStatus
from tests.product import open_product

BODIES = Path(__file__).parents[2].parent / "shared" / "data" / "sahha"
PERSON = UserId("a-sandbox-person")
AT = datetime.fromisoformat("2025-07-12T05:42:00+12:00")

pytestmark = pytest.mark.skipif(not BODIES.is_dir(), reason="the real bodies are not beside the project")


def real_values() -> dict[str, set[str]]:
    """What may be quoted, by type: values of biomarkers, scores, and factors as they stand in the bodies."""
    quoted: dict[str, set[str]] = {}
    for path in BODIES.glob("biomarker-*.json"):
        for row in json.loads(path.read_text()):
            quoted.setdefault(row["type"], set()).add(row["value"])
    for row in json.loads((BODIES / "score-sleep.json").read_text()):
        quoted.setdefault(row["type"], set()).add(repr(row["score"]))
        for factor in row["factors"]:
            quoted.setdefault(factor["name"], set()).add(f"{factor['value']:.6g}")
    return quoted


async def test_a_routine_from_real_bodies_quotes_them_exactly(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    request = RoutineRequest(PERSON, Archetype.SYSTEMATIC_IMPROVER, "Pacific/Auckland", date=None)
    with caplog.at_level(logging.WARNING):
        async with open_product(database_url, at=AT, bodies={PERSON: BODIES}) as product:
            outcome = await product.services.routines.request(request)
            assert isinstance(outcome, GenerateRoutineSuccess)
            await product.services.routines.fulfil(outcome.routine.id)
            routine = await product.services.routines.read(outcome.routine.id, PERSON)
            metrics = product.services.metrics.render().decode()
            async with product.services.database.connection() as connection:
                stored = [await connection.fetchval(f"select count(*) from {table}") for table in ("biomarkers", "scores")]  # noqa: S608
    assert stored == [184, 13]
    assert 'firstlight_health_records_total{fate="rejected"} 0.0' in metrics
    assert 'firstlight_health_records_total{fate="repaired"} 0.0' in metrics
    assert not caplog.records
    assert routine is not None
    assert routine.status is RoutineStatus.READY
    allowed = real_values()
    evidence = [each for block in routine.time_blocks for task in block.tasks for each in task.evidence]
    assert evidence
    for each in evidence:
        assert each.value in allowed[each.type], (each.type, each.kind)
    assert {each.kind for each in evidence} <= set(EvidenceKind)
