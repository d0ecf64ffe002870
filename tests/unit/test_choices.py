"""What may stand in a place of the day instead."""

from datetime import date, time

import pytest

from services.domain.routine import Preferences
from services.planning.choices import admissible_tasks, substitute
from services.planning.evaluation.stage import Stage, ask, rested
from services.planning.planner import PlannedDay, make_plan

STAGE = Stage(date(2026, 5, 12), time(5, 30))


@pytest.fixture(scope="module")
def day() -> PlannedDay:
    return make_plan(ask(STAGE, rested(STAGE), preferences=Preferences(work_start=time(9), work_end=time(17))))


def test_the_draft_s_own_comes_first_and_there_is_a_choice(day: PlannedDay) -> None:
    options = [admissible_tasks(task, day.situation, day.day) for task in day.day.tasks]
    assert all(found[0] is task.template for found, task in zip(options, day.day.tasks, strict=True))
    assert sum(len(found) > 1 for found in options) > len(options) / 2


def test_meals_and_anchors_give_way_to_their_own_kind(day: PlannedDay) -> None:
    for task in day.day.tasks:
        if task.template.anchor:
            roles = {option.role for option in admissible_tasks(task, day.situation, day.day)}
            assert roles == {task.template.role}


def test_a_substitute_has_its_own_words_at_the_same_time(day: PlannedDay) -> None:
    place = next(task for task in day.day.tasks if task.template.role == "breakfast")
    other = admissible_tasks(place, day.situation, day.day)[1]
    task = substitute(place, other, day.situation)
    assert (task.start, task.end, task.title) == (place.start, place.end, other.title)
    assert other.text in task.description


def test_what_is_kept_has_no_choice(day: PlannedDay) -> None:
    assert all(len(admissible_tasks(task, day.situation)) >= 1 for task in day.day.tasks)
