"""The fixed cases: many, met by the draft, and not met by a planner that does not care."""

from dataclasses import replace
from pathlib import Path

from typer.testing import CliRunner

from server.cli import app
from services.domain.routine import Condition, Preferences
from services.planning.evaluation import all_cases, drafted, evaluate
from services.planning.evaluation.example_days import example_days
from services.planning.inputs import PlanInputs
from services.planning.planner import PlannedDay, make_plan
from services.planning.rules import RULES

README = Path(__file__).parents[2] / "README.md"


async def careless(inputs: PlanInputs) -> PlannedDay:
    """Hears neither conditions nor wishes nor readings of vitals."""
    records = inputs.records
    deaf = replace(records, biomarkers=tuple(row for row in records.biomarkers if row.category != "vitals"))
    return make_plan(replace(inputs, condition=Condition.WELL, preferences=Preferences(), records=deaf, previous=None))


async def test_the_draft_meets_every_case() -> None:
    outcomes = await evaluate(all_cases(), drafted)
    assert {outcome.case.id: (outcome.unmet, outcome.error) for outcome in outcomes if not outcome.met} == {}
    assert len(outcomes) >= 40


async def test_a_careless_planner_is_found_out() -> None:
    unmet = {outcome.case.id for outcome in await evaluate(all_cases(), careless) if not outcome.met}
    assert {"spo2-94", "pulse-104", "fever", "sick", "injured", "avoid-food", "own-lunch", "chest-pain", "again-sick"} <= unmet


def test_cases_have_their_own_ids_and_sources() -> None:
    cases = all_cases()
    assert len({case.id for case in cases}) == len(cases)
    assert all(case.about and case.source and case.expected for case in cases)


def test_the_commands_print_and_judge() -> None:
    runner = CliRunner(env={"COLUMNS": "200"})
    judged, listed, page = (
        runner.invoke(app, words) for words in (["evaluate", "--planner", "draft"], ["rules"], ["evaluate", "--days"])
    )
    assert judged.exit_code == listed.exit_code == page.exit_code == 0
    assert "cases met" in judged.output
    assert all(rule.id in listed.output for rule in RULES)
    assert page.output == example_days()


def test_the_readme_shows_the_example_days_as_they_are_printed() -> None:
    assert example_days() in README.read_text("utf-8")
