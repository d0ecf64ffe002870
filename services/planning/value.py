"""What a task is worth to this person on this day."""

from collections import Counter
from collections.abc import Iterable
from zlib import crc32

from services.planning.day_plan import Situation
from services.planning.goals import Goal
from services.planning.library.template import Effort, TaskTemplate
from services.planning.recovery import Energy, Need

ANSWERS_A_NEED = 0.4
SERVES_A_GOAL = 0.35
LIKED = 0.15
HELD = 0.3
"""Of a task that the plan before holds and that is still to come: plans are not turned over for a trifle."""
MEANT_FOR_THE_CONDITION = 0.5
BALANCE_FOR_SENIORS = 0.5
"""Balance on three days a week and more from 65 on (rule ex.str)."""
STRAINS_A_TIRED_PERSON = 0.5
BACKED = 0.15
BACKED_BY = frozenset({"meal.walk", "sit.break", "light.day", "light.eve", "ex.week"})
"""Rules with a source that speak for a task; it goes before one that is merely pleasant."""
OFTEN_ENOUGH = {"sit.break": 2}
"""How many tasks of a day serve such a rule before others come first; one where nothing is said."""
VARIETY = 0.15
"""The most that the calendar day moves a task's value, so that not all days are alike."""

LIKES = {
    "strength_oriented": Goal.STRENGTH,
    "cardio_oriented": Goal.ENDURANCE,
    "mind_body_oriented": Goal.MOBILITY,
    "hybrid_oriented": Goal.STRENGTH,
    "outdoor_oriented": Goal.ENDURANCE,
    "sport_oriented": Goal.ENDURANCE,
}
"""What kind of exercise Sahha's label `primary_exercise_type` says a person takes."""


def served(template: TaskTemplate, present: Iterable[TaskTemplate]) -> bool:
    """Whether every rule that speaks for a task has what it asks for already; never for a task that none speaks for."""
    backing = BACKED_BY & set(template.rules)
    counts = Counter(rule for other in present for rule in other.rules)
    return bool(backing) and all(counts[rule] >= OFTEN_ENOUGH.get(rule, 1) for rule in backing)


def value(template: TaskTemplate, situation: Situation) -> float:
    """Archetype, needs and goals, and a little variety from day to day; higher is better."""
    worth = template.weights[situation.inputs.archetype]
    worth += ANSWERS_A_NEED * len(template.suits & situation.needs)
    worth += SERVES_A_GOAL * len(template.goals & situation.goals)
    if template.effort >= Effort.MODERATE and (Need.REST in situation.needs or situation.careful):
        worth -= STRAINS_A_TIRED_PERSON
    if BACKED_BY & set(template.rules):
        worth += BACKED
    if template.conditions:
        worth += MEANT_FOR_THE_CONDITION
    if template.key in situation.before:
        worth += HELD
    if situation.digest.senior and "ex.str" in template.rules:
        worth += BALANCE_FOR_SENIORS
    liked = LIKES.get(situation.digest.labels.get("primary_exercise_type", ""))
    if liked in template.goals and template.role == "training" and situation.energy is not Energy.LOW:
        worth += LIKED
    return worth + VARIETY * (crc32(f"{situation.inputs.date}/{template.key}".encode()) % 1000) / 1000
