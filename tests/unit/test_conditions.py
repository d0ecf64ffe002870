"""How a person says they are comes before what a device says."""

from dataclasses import replace
from datetime import date, time, timedelta

import pytest

from services.domain.routine import Archetype, CheckVerdict, Condition, FixedEvent, Preferences
from services.planning.draft import draft
from services.planning.evaluation.stage import Stage, ask, rested
from services.planning.library import LIBRARY
from services.planning.library.template import Contra, Effort
from services.planning.limits import effort_limit
from services.planning.planner import make_plan
from services.planning.situation import situation
from services.planning.tone import PURPOSES, UNWELL_WHY, WHY, Tone, tone
from services.planning.verifier import verify

STAGE = Stage(date(2026, 5, 12), time(5, 30))
WELL = ask(STAGE, rested(STAGE), Archetype.PEAK_PERFORMER)


def as_(condition: Condition, **changes: object) -> object:
    return replace(WELL, condition=condition, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("condition", "effort", "spoken"),
    [
        (Condition.WELL, Effort.HARD, Tone.ORDINARY),
        (Condition.TIRED, Effort.MODERATE, Tone.TIRED),
        (Condition.INJURED, Effort.LIGHT, Tone.INJURED),
        (Condition.SICK, Effort.NONE, Tone.SICK),
    ],
)
def test_each_condition_has_its_limit_and_its_tone(condition: Condition, effort: Effort, spoken: Tone) -> None:
    found = situation(replace(WELL, condition=condition))
    assert effort_limit(found).effort is effort
    assert tone(found) is spoken


@pytest.mark.parametrize("condition", [Condition.SICK, Condition.INJURED])
@pytest.mark.parametrize("archetype", list(Archetype))
def test_an_unwell_day_suits_every_archetype(condition: Condition, archetype: Archetype) -> None:
    day = make_plan(replace(WELL, condition=condition, archetype=archetype))
    assert day.plan.safety_notice is not None
    assert not any(character.isdigit() for character in day.plan.safety_notice)
    assert any(task.template.conditions for task in day.day.tasks)
    assert not any(Contra(condition.value) in task.template.against for task in day.day.tasks)
    assert {task.template.role for task in day.day.tasks} >= {"breakfast", "lunch", "dinner"}


def test_a_tired_person_goes_to_bed_earlier_than_a_well_one() -> None:
    well, tired = (situation(replace(WELL, condition=condition)) for condition in (Condition.WELL, Condition.TIRED))
    assert well.hours.lights_out - tired.hours.lights_out >= timedelta(minutes=30)


@pytest.mark.parametrize("condition", [Condition.SICK, Condition.INJURED])
def test_what_a_well_day_holds_is_taken_out_of_an_unwell_one(condition: Condition) -> None:
    usual = draft(situation(WELL))
    mended = verify(usual, situation(replace(WELL, condition=condition)))
    assert {check.rule: check.verdict for check in mended.checks}["cond.sick"] is CheckVerdict.REPAIRED
    assert not any(Contra(condition.value) in task.template.against for task in mended.plan.tasks)


def test_an_own_training_is_pointed_out_to_a_sick_person() -> None:
    gym = Preferences(fixed_events=(FixedEvent("Gym", time(18), time(19)),))
    notice = make_plan(replace(WELL, condition=Condition.SICK, preferences=gym)).plan.safety_notice
    assert notice is not None
    assert "leave it out" in notice


def test_a_well_day_has_no_notice() -> None:
    assert make_plan(WELL).plan.safety_notice is None


def test_entries_for_the_unwell_come_on_no_other_day() -> None:
    only = {template.key for template in LIBRARY if template.conditions}
    assert not only & {task.template.key for task in make_plan(WELL).day.tasks}


@pytest.mark.parametrize("text", [text for words in (*PURPOSES.values(), WHY, UNWELL_WHY) for text in words.values()])
def test_words_of_blocks_hold_no_number(text: str) -> None:
    assert text.endswith(".")
    assert not any(character.isdigit() for character in text)
