"""Rules on the body: effort, food, caffeine, light and rest."""

from datetime import timedelta

from services.domain.routine import Condition
from services.planning.day_plan import DayPlan, Situation
from services.planning.library.template import Anchor, Caffeine, TaskTemplate
from services.planning.limits import (
    COFFEE_BEFORE_BED,
    LONGEST_NAP,
    MEAL_BEFORE_BED,
    NAP_BEFORE_BED,
    PRE_WORKOUT_BEFORE_BED,
)
from services.planning.rules.near_bed import before_bed, early_enough, tasks_of, too_late
from services.planning.rules.rule import Rule, Strength, Verdict, not_applicable, passed
from services.planning.spacing import MEALS

MEAL_WALK_WITHIN = timedelta(minutes=60)


def _coffee(template: TaskTemplate) -> bool:
    return template.caffeine is Caffeine.COFFEE


def _pre_workout(template: TaskTemplate) -> bool:
    return template.caffeine is Caffeine.PRE_WORKOUT


def _nap(template: TaskTemplate) -> bool:
    return "nap" in template.rules


def _meal(template: TaskTemplate) -> bool:
    return template.meal


def _sitting_broken(plan: DayPlan, situation: Situation) -> Verdict:
    if not situation.work:
        return not_applicable("No working hours were given.")
    breaks = [task for task in plan.tasks if "sit.break" in task.template.rules]
    if breaks:
        return passed(f"{len(breaks)} movement break(s) in your working hours; between them stand up every half hour if you can.")
    if situation.forbids_exertion or situation.condition is Condition.INJURED:
        return not_applicable("This day asks for no movement.")
    return not_applicable("Other tasks came first in what is left of your working hours; stand up every half hour if you can.")


def _meal_walked(plan: DayPlan, situation: Situation) -> Verdict:
    ends = [task.end for task in plan.tasks if task.template.meal]
    ends += [end for role, (_, end) in situation.taken.items() if role in MEALS]
    walks = [task for task in plan.tasks if task.template.window.anchor is Anchor.AFTER_MEAL]
    if not ends:
        return not_applicable("No meal is planned in what is left of the day.")
    if any(timedelta(0) <= walk.start - end <= MEAL_WALK_WITHIN for walk in walks for end in ends):
        return passed("A light walk follows a meal within the hour.")
    return not_applicable("A walk after a meal did not make it into this day.")


def _daylit(plan: DayPlan, _situation: Situation) -> Verdict:
    if any("light.day" in task.template.rules for task in plan.tasks):
        return passed("There is time in daylight.")
    return not_applicable("No daylight falls into what is left of this day, or there was no room for it.")


def _dimmed(plan: DayPlan, _situation: Situation) -> Verdict:
    if any("light.eve" in task.template.rules for task in plan.tasks):
        return passed("Lights go down or screens go off before bed.")
    return not_applicable("Other tasks came first in the last hours of this day; keep the lights low all the same.")


def _napped(plan: DayPlan, situation: Situation) -> Verdict:
    naps = tasks_of(plan, _nap)
    if not naps:
        return not_applicable("No nap is planned.")
    short = all(nap.end - nap.start <= LONGEST_NAP and before_bed(nap, situation.hours) >= NAP_BEFORE_BED for nap in naps)
    return (
        passed("The nap is short and early enough.") if short else not_applicable("The nap is longer or later than it should be.")
    )


GARDINER = "Gardiner 2023, doi 10.1016/j.smrv.2023.101764"
BROWN = "Brown 2022, doi 10.1371/journal.pbio.3001571"

BODY_RULES = (
    Rule(
        id="caf.coffee",
        strength=Strength.HARD,
        statement="The last coffee is far from bedtime.",
        number="107 mg: at least 8.8 h",
        citation=GARDINER,
        applies="coffee is planned",
        explain=early_enough(_coffee, COFFEE_BEFORE_BED, "coffee"),
        violations=too_late(_coffee, COFFEE_BEFORE_BED),
    ),
    Rule(
        id="caf.pre",
        strength=Strength.HARD,
        statement="A pre-workout drink with caffeine is further still from bedtime.",
        number="217.5 mg: at least 13.2 h",
        citation=GARDINER,
        applies="a pre-workout drink is planned",
        explain=early_enough(_pre_workout, PRE_WORKOUT_BEFORE_BED, "pre-workout drink"),
        violations=too_late(_pre_workout, PRE_WORKOUT_BEFORE_BED),
    ),
    Rule(
        id="sit.break",
        strength=Strength.SOFT,
        statement="Sitting is broken up by walking.",
        number="5 min each 30 min is best, each 60 min less so",
        citation="Duran 2023, doi 10.1249/MSS.0000000000003109 (11 people)",
        applies="working hours are known",
        explain=_sitting_broken,
    ),
    Rule(
        id="meal.walk",
        strength=Strength.SOFT,
        statement="A light walk follows a meal.",
        number="2-5 min, within 60-90 min",
        citation="Buffey 2022, doi 10.1007/s40279-022-01649-4 (the window: secondary source)",
        applies="a meal is planned",
        explain=_meal_walked,
    ),
    Rule(
        id="meal.last",
        strength=Strength.SOFT,
        statement="The last meal is well before bed.",
        number="3 h",
        citation="Northwestern, ATVB February 2026 (39 people; secondary source)",
        applies="a meal is planned",
        explain=early_enough(_meal, MEAL_BEFORE_BED, "meal"),
    ),
    Rule(
        id="light.day",
        strength=Strength.SOFT,
        statement="There is daylight in the day.",
        number="at least 250 lux melanopic EDI",
        citation=BROWN,
        applies="daylight falls into the day",
        explain=_daylit,
    ),
    Rule(
        id="light.eve",
        strength=Strength.SOFT,
        statement="Light is low in the hours before bed.",
        number="at most 10 lux melanopic EDI in the last 3 h",
        citation=BROWN,
        applies="the last hours of the day are planned",
        explain=_dimmed,
    ),
    Rule(
        id="nap",
        strength=Strength.SOFT,
        statement="A nap is short and not late.",
        number="at most 30 min (custom; evidence mixed), 7 h before bed (ours)",
        citation="Hilditch 2017, PMID 28366332",
        applies="a nap is planned",
        explain=_napped,
    ),
)
