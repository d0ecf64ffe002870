"""Rules on the body: effort, food, caffeine, light and rest."""

from collections.abc import Callable
from datetime import timedelta

from services.domain.routine import TaskType
from services.planning.counts import demanding_allowed
from services.planning.day_plan import DayPlan, PlannedTask, Situation
from services.planning.digest import Energy, FactKey
from services.planning.hours import Hours
from services.planning.library.template import Anchor, Caffeine, Effort, TaskTemplate
from services.planning.limits import (
    COFFEE_BEFORE_BED,
    EFFORT_BEFORE_BED,
    LONGEST_NAP,
    MEAL_BEFORE_BED,
    NAP_BEFORE_BED,
    PRE_WORKOUT_BEFORE_BED,
    most_effort,
)
from services.planning.rules.hours_rules import OURS, spoken
from services.planning.rules.rule import Explain, Rule, Strength, Verdict, Violation, Violations, blame, not_applicable, passed

MEAL_WALK_WITHIN = timedelta(minutes=60)


def _tasks(plan: DayPlan, chosen: Callable[[TaskTemplate], bool]) -> list[PlannedTask]:
    return [task for task in plan.tasks if chosen(task.template)]


def _before_bed(task: PlannedTask, hours: Hours) -> timedelta:
    return hours.lights_out - task.end


def _too_late(chosen: Callable[[TaskTemplate], bool], limit: timedelta) -> Violations:
    def violations(plan: DayPlan, situation: Situation) -> list[Violation]:
        late = [task for task in _tasks(plan, chosen) if _before_bed(task, situation.hours) < limit]
        return [blame(task, f"is less than {spoken(limit)} before bed") for task in late]

    return violations


def _early_enough(chosen: Callable[[TaskTemplate], bool], limit: timedelta, what: str) -> Explain:
    def explain(plan: DayPlan, situation: Situation) -> Verdict:
        found = _tasks(plan, chosen)
        if not found:
            return not_applicable(f"No {what} is planned.")
        nearest = min(_before_bed(task, situation.hours) for task in found)
        if nearest < limit:
            return not_applicable(
                f"The last {what} ends {spoken(nearest)} before bed; {spoken(limit)} did not fit into this day."
            )
        return passed(f"The last {what} ends {spoken(nearest)} before lights out; at least {spoken(limit)} are asked for.")

    return explain


def _coffee(template: TaskTemplate) -> bool:
    return template.caffeine is Caffeine.COFFEE


def _pre_workout(template: TaskTemplate) -> bool:
    return template.caffeine is Caffeine.PRE_WORKOUT


def _hard(template: TaskTemplate) -> bool:
    return template.effort is Effort.HARD


def _nap(template: TaskTemplate) -> bool:
    return "nap" in template.rules


def _meal(template: TaskTemplate) -> bool:
    return template.meal


def _too_hard(plan: DayPlan, situation: Situation) -> list[Violation]:
    hard = _tasks(plan, _hard)
    if most_effort(situation) < Effort.HARD:
        return [blame(task, "is a hard effort on a day that holds none") for task in hard]
    return [blame(task, "is a second hard effort") for task in hard[1:]]


def _effort_kept(plan: DayPlan, situation: Situation) -> Verdict:
    if most_effort(situation) < Effort.HARD:
        reason = {
            Energy.LOW: "your readings ask for an easy day",
            Energy.UNKNOWN: "nothing is known of how recovered you are",
        }.get(situation.digest.energy, "not all that is needed to allow one is known")
        return passed(f"No hard effort: {reason}.")
    count = len(_tasks(plan, _hard))
    return passed("One hard effort, and no second one." if count else "No hard effort is planned.")


def _exerting(plan: DayPlan, situation: Situation) -> list[Violation]:
    if not situation.digest.red_flags:
        return []
    exerting = _tasks(plan, lambda template: template.effort > Effort.NONE or template.type is TaskType.EXERCISE)
    return [blame(task, "asks for exertion") for task in exerting]


def _flags_kept(_plan: DayPlan, situation: Situation) -> Verdict:
    flags = situation.digest.red_flags
    if not flags:
        return not_applicable("No repeated reading is outside the range that calls for rest.")
    names = ", ".join(flags)
    return passed(f"Outside the usual range more than once: {names}. No exertion today; consider a professional's advice.")


def _easy_day(_plan: DayPlan, situation: Situation) -> Verdict:
    facts = situation.digest.facts
    if FactKey.READINESS not in facts and FactKey.HEART_RATE_VARIABILITY not in facts:
        return not_applicable("Neither readiness nor heart rate variability is known for today.")
    if situation.digest.energy is Energy.LOW:
        return passed("Readings are low, so the day is an easy one.")
    return passed("Neither readiness nor heart rate variability calls for an easy day.")


def _sitting_broken(plan: DayPlan, situation: Situation) -> Verdict:
    if not situation.work:
        return not_applicable("No working hours were given.")
    breaks = [task for task in plan.tasks if "sit.break" in task.template.rules]
    if breaks:
        return passed(f"{len(breaks)} movement break(s) in your working hours; between them stand up every half hour if you can.")
    return not_applicable("There was no room for a movement break in what is left of your working hours.")


def _meal_walked(plan: DayPlan, _situation: Situation) -> Verdict:
    meals = [task for task in plan.tasks if task.template.meal]
    walks = [task for task in plan.tasks if task.template.window.anchor is Anchor.AFTER_MEAL]
    if not meals:
        return not_applicable("No meal is planned in what is left of the day.")
    if any(timedelta(0) <= walk.start - meal.end <= MEAL_WALK_WITHIN for walk in walks for meal in meals):
        return passed("A light walk follows a meal within the hour.")
    return not_applicable("A walk after a meal did not make it into this day.")


def _daylit(plan: DayPlan, _situation: Situation) -> Verdict:
    if any("light.day" in task.template.rules for task in plan.tasks):
        return passed("There is time in daylight.")
    return not_applicable("No daylight falls into what is left of this day, or there was no room for it.")


def _dimmed(plan: DayPlan, _situation: Situation) -> Verdict:
    if any("light.eve" in task.template.rules for task in plan.tasks):
        return passed("Lights go down or screens go off before bed.")
    return not_applicable("There was no room for it in what is left of this day.")


def _napped(plan: DayPlan, situation: Situation) -> Verdict:
    naps = _tasks(plan, _nap)
    if not naps:
        return not_applicable("No nap is planned.")
    short = all(nap.end - nap.start <= LONGEST_NAP and _before_bed(nap, situation.hours) >= NAP_BEFORE_BED for nap in naps)
    return (
        passed("The nap is short and early enough.") if short else not_applicable("The nap is longer or later than it should be.")
    )


def _loaded(plan: DayPlan, situation: Situation) -> Verdict:
    count, most = sum(task.template.demanding for task in plan.tasks), demanding_allowed(situation)
    if count > most:
        return not_applicable(f"{count} demanding tasks where {most} are meant.")
    return passed(f"{count} demanding task(s), at most {most}: how much of your last week you completed is not known yet.")


GARDINER = "Gardiner 2023, doi 10.1016/j.smrv.2023.101764"
BROWN = "Brown 2022, doi 10.1371/journal.pbio.3001571"

BODY_RULES = (
    Rule(
        id="caf.coffee",
        strength=Strength.HARD,
        statement="The last coffee is far from bedtime.",
        number="107 mg: at least 8.8 h",
        citation=GARDINER,
        explain=_early_enough(_coffee, COFFEE_BEFORE_BED, "coffee"),
        violations=_too_late(_coffee, COFFEE_BEFORE_BED),
        numbers=("8.8",),
    ),
    Rule(
        id="caf.pre",
        strength=Strength.HARD,
        statement="A pre-workout drink with caffeine is further still from bedtime.",
        number="217.5 mg: at least 13.2 h",
        citation=GARDINER,
        explain=_early_enough(_pre_workout, PRE_WORKOUT_BEFORE_BED, "pre-workout drink"),
        violations=_too_late(_pre_workout, PRE_WORKOUT_BEFORE_BED),
        numbers=("13.2",),
    ),
    Rule(
        id="ex.late",
        strength=Strength.HARD,
        statement="Hard effort ends long before sleep; only lighter movement later.",
        number="at least 4 h",
        citation="Leota 2025, doi 10.1038/s41467-025-58271-x (observational)",
        explain=_early_enough(_hard, EFFORT_BEFORE_BED, "hard effort"),
        violations=_too_late(_hard, EFFORT_BEFORE_BED),
        numbers=("4",),
    ),
    Rule(
        id="effort.one",
        strength=Strength.HARD,
        statement="At most one hard effort in a day; none when readiness is low or unknown.",
        number="1; none within 48 h of another when readiness is low",
        citation=OURS,
        explain=_effort_kept,
        violations=_too_hard,
        numbers=("1",),
    ),
    Rule(
        id="red.flags",
        strength=Strength.HARD,
        statement="Repeated readings outside the range: no exertion, and a word about a professional. Never a diagnosis.",
        number="SpO2 <= 94 %; resting heart rate > 100; blood pressure > 180/120; fever; each at least twice",
        citation="NHS wording at gpdirect.co.uk; AHA/ACC 2025; ottawaheart.ca (secondary sources)",
        explain=_flags_kept,
        violations=_exerting,
    ),
    Rule(
        id="ex.hrv",
        strength=Strength.SOFT,
        statement="Low heart rate variability or readiness makes an easy day.",
        number="as Sahha's state says",
        citation="Plews 2014, PMID 24334285",
        explain=_easy_day,
    ),
    Rule(
        id="load",
        strength=Strength.SOFT,
        statement="Few demanding tasks in a day: effort, or focus over 20 minutes.",
        number="by completion of the last week: < 50 % 2; < 75 % 4; >= 75 % 6",
        citation=OURS,
        explain=_loaded,
    ),
    Rule(
        id="sit.break",
        strength=Strength.SOFT,
        statement="Sitting is broken up by walking.",
        number="5 min each 30 min is best, each 60 min less so",
        citation="Duran 2023, doi 10.1249/MSS.0000000000003109 (11 people)",
        explain=_sitting_broken,
        numbers=("5", "30", "60"),
    ),
    Rule(
        id="meal.walk",
        strength=Strength.SOFT,
        statement="A light walk follows a meal.",
        number="2-5 min, within 60-90 min",
        citation="Buffey 2022, doi 10.1007/s40279-022-01649-4 (the window: secondary source)",
        explain=_meal_walked,
        numbers=("2", "5", "60", "90"),
    ),
    Rule(
        id="meal.last",
        strength=Strength.SOFT,
        statement="The last meal is well before bed.",
        number="3 h",
        citation="Northwestern, ATVB February 2026 (39 people; secondary source)",
        explain=_early_enough(_meal, MEAL_BEFORE_BED, "meal"),
        numbers=("3",),
    ),
    Rule(
        id="light.day",
        strength=Strength.SOFT,
        statement="There is daylight in the day.",
        number="at least 250 lux melanopic EDI",
        citation=BROWN,
        explain=_daylit,
        numbers=("250",),
    ),
    Rule(
        id="light.eve",
        strength=Strength.SOFT,
        statement="Light is low in the hours before bed.",
        number="at most 10 lux melanopic EDI in the last 3 h",
        citation=BROWN,
        explain=_dimmed,
        numbers=("3", "10"),
    ),
    Rule(
        id="nap",
        strength=Strength.SOFT,
        statement="A nap is short and not late.",
        number="at most 30 min (custom; evidence mixed), 7 h before bed (ours)",
        citation="Hilditch 2017, PMID 28366332",
        explain=_napped,
        numbers=("30",),
    ),
)
