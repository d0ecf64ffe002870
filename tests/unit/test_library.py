"""The task library: complete, consistent and within its own limits."""

from collections import Counter

import pytest

from services.domain.routine import Condition, TaskType
from services.planning.goals import Goal
from services.planning.library import LIBRARY
from services.planning.library.template import ARCHETYPES, Anchor, Contra, Effort, TaskTemplate
from services.planning.rules import RULES

RULE_IDS = {rule.id for rule in RULES}


def test_it_is_large_enough_and_covers_every_type() -> None:
    per_type = Counter(template.type for template in LIBRARY)
    assert len(LIBRARY) >= 120
    assert set(per_type) == set(TaskType)
    assert min(per_type.values()) >= 4


def test_keys_and_titles_stand_for_one_entry() -> None:
    titles = [title for template in LIBRARY for title in (template.title, template.off_hours) if title]
    assert len({template.key for template in LIBRARY}) == len(LIBRARY)
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("template", LIBRARY, ids=lambda template: template.key)
def test_an_entry_is_consistent(template: TaskTemplate) -> None:
    least, most = template.minutes
    assert 5 <= least <= most <= 90
    assert least % 5 == most % 5 == 0
    assert set(template.weights) == set(ARCHETYPES)
    assert all(0 <= weight <= 1 for weight in template.weights.values())
    assert set(template.rules) <= RULE_IDS
    assert (template.off_hours is None) == (template.usual_hours is None)
    assert template.meal == (template.role in {"breakfast", "lunch", "dinner"})


@pytest.mark.parametrize("template", LIBRARY, ids=lambda template: template.key)
def test_a_window_is_in_order(template: TaskTemplate) -> None:
    window = template.window
    offsets = [window.earliest, window.ideal, window.latest]
    assert offsets == sorted(offsets, reverse=window.anchor is Anchor.LIGHTS_OUT)
    assert (window.meal is not None) == (window.anchor is Anchor.AFTER_MEAL)


@pytest.mark.parametrize("template", LIBRARY, ids=lambda template: template.key)
def test_texts_are_plain_sentences(template: TaskTemplate) -> None:
    assert template.text.endswith(".")
    assert len(template.text) <= 160
    assert len(template.title) <= 45
    assert "!" not in template.text + template.title
    assert template.text.replace("{minutes}", "").count("{") == 0


@pytest.mark.parametrize("template", LIBRARY, ids=lambda template: template.key)
def test_hard_effort_is_training_and_keeps_its_rules(template: TaskTemplate) -> None:
    if template.effort is Effort.HARD:
        assert template.role == "training"
        assert {"ex.late", "effort.one"} <= set(template.rules)
    if template.effort >= Effort.MODERATE:
        assert "ex.late" in template.rules
        assert {Contra.SICK, Contra.INJURED, Contra.LATE} <= template.against


def test_every_goal_and_every_condition_has_its_tasks() -> None:
    goals = Counter(goal for template in LIBRARY for goal in template.goals)
    assert all(goals[goal] >= 5 for goal in Goal)
    conditions = Counter(condition for template in LIBRARY for condition in template.conditions)
    assert all(conditions[condition] >= 1 for condition in Condition if condition is not Condition.WELL)


def test_nothing_for_the_unwell_is_an_effort() -> None:
    assert all(template.effort <= Effort.LIGHT for template in LIBRARY if template.conditions)


def test_every_day_can_move_gently() -> None:
    training = [template for template in LIBRARY if template.role == "training"]
    assert {template.effort for template in training} == {Effort.LIGHT, Effort.MODERATE, Effort.HARD}
