"""Rules on effort: how hard, how often, how late, and when not at all."""

from services.domain.routine import Condition, TaskType
from services.planning.counts import demanding_allowed
from services.planning.day_plan import DayPlan, Situation
from services.planning.facts import FactKey
from services.planning.goals import Concern
from services.planning.library.template import Contra, Effort, TaskTemplate
from services.planning.limits import EFFORT_BEFORE_BED, effort_limit
from services.planning.recovery import Energy
from services.planning.rules.near_bed import early_enough, tasks_of, too_late
from services.planning.rules.rule import OURS, Rule, Strength, Verdict, Violation, blame, not_applicable, passed

WEEKLY_MINUTES = 150
"""Moderate minutes a week, a vigorous one counting twice (WHO 2020)."""


def _hard(template: TaskTemplate) -> bool:
    return template.effort is Effort.HARD


def _too_hard(plan: DayPlan, situation: Situation) -> list[Violation]:
    hard = tasks_of(plan, _hard)
    if effort_limit(situation).effort < Effort.HARD:
        return [blame(task, "is a hard effort on a day that holds none") for task in hard]
    done = "training" in situation.taken or any(_hard(task.template) and task.counts for task in situation.kept)
    return [blame(task, "is a second hard effort") for task in (hard if done else hard[1:])]


def _effort_kept(plan: DayPlan, situation: Situation) -> Verdict:
    limit = effort_limit(situation)
    if limit.effort < Effort.HARD:
        return passed(f"No hard effort, since {limit.because}.")
    if "training" in situation.taken:
        return passed("Your own training is the hard effort of this day; no other is planned.")
    count = sum(_hard(task.template) and task.counts for task in plan.tasks)
    return passed("One hard effort, and no second one." if count else "No hard effort is planned.")


def _exerting(plan: DayPlan, situation: Situation) -> list[Violation]:
    if not situation.digest.flags and situation.concern not in {Concern.STOP, Concern.CRISIS}:
        return []
    exerting = tasks_of(plan, lambda template: template.effort > Effort.NONE or template.type is TaskType.EXERCISE)
    return [blame(task, "asks for exertion") for task in exerting]


def _flags_kept(_plan: DayPlan, situation: Situation) -> Verdict:
    flags = situation.digest.red_flags
    if situation.concern in {Concern.STOP, Concern.CRISIS}:
        return passed("Your own words mention something for a professional. No exertion today; please read the notice.")
    if not flags:
        return not_applicable("No repeated reading is outside the range that calls for rest.")
    names = ", ".join(flags)
    return passed(f"Outside the usual range more than once: {names}. No exertion today; consider a professional's advice.")


def _not_for_the_unwell(plan: DayPlan, situation: Situation) -> list[Violation]:
    match situation.condition:
        case Condition.SICK:
            contra, what = Contra.SICK, "is nothing for a day on which you are ill"
        case Condition.INJURED:
            contra, what = Contra.INJURED, "puts load on a body that is injured"
        case Condition.WELL | Condition.TIRED:
            return []
    return [blame(task, what) for task in tasks_of(plan, lambda template: contra in template.against)]


def _condition_kept(_plan: DayPlan, situation: Situation) -> Verdict:
    match situation.condition:
        case Condition.SICK:
            night = "lights out as early as your hours allow" if situation.hours.moved else "the full night that your hours allow"
            return passed(f"You say that you are ill: no exertion, rest and fluids, and {night}.")
        case Condition.INJURED:
            return passed("You say that you are injured: no load and no impact all day.")
        case Condition.TIRED:
            return passed("You say that you are tired: no hard effort, and rest first.")
        case Condition.WELL:
            return not_applicable("You say that you are well.")


def _easy_day(_plan: DayPlan, situation: Situation) -> Verdict:
    digest = situation.digest
    if digest.strain:
        names = " and ".join(f"your {key.value}" for key in digest.strain)
        return passed(
            f"Against your own earlier days, {names} {'speaks' if len(digest.strain) == 1 else 'speak'} for an easy day."
        )
    if FactKey.READINESS not in digest.facts and FactKey.HEART_RATE_VARIABILITY not in digest.facts:
        return not_applicable("Neither readiness nor heart rate variability is known for today.")
    if digest.energy is Energy.LOW:
        return passed("Readings are low, so the day is an easy one.")
    return passed("Neither readiness nor heart rate variability calls for an easy day.")


def _week_moved(_plan: DayPlan, situation: Situation) -> Verdict:
    load = situation.digest.load
    if load is None or load.aerobic is None:
        return not_applicable("Minutes of moderate and vigorous activity are not known for enough days of the week.")
    if load.aerobic >= WEEKLY_MINUTES:
        return passed(
            f"The last week held at least {WEEKLY_MINUTES} minutes of moderate activity, vigorous minutes counting twice."
        )
    return not_applicable(
        f"The last week held less than {WEEKLY_MINUTES} minutes of moderate activity; a day makes up for a part of it at most."
    )


def _strength_kept(plan: DayPlan, situation: Situation) -> Verdict:
    found = [task for task in plan.tasks if "ex.str" in task.template.rules and task.counts]
    if found:
        return passed(f"“{found[0].title}” counts towards the week.")
    if effort_limit(situation).effort < Effort.MODERATE:
        return not_applicable("This day holds no training.")
    return not_applicable("This day holds no strength or balance work; how often the week does is not known.")


def _loaded(plan: DayPlan, situation: Situation) -> Verdict:
    count = sum(task.template.demanding and task.counts for task in plan.tasks)
    most, done = demanding_allowed(situation), situation.inputs.completion
    known = "how much of your last week you completed is not known yet" if done is None else "by what you completed last week"
    if count > most:
        return not_applicable(f"{count} demanding tasks where {most} are meant.")
    return passed(f"{count} demanding task(s), at most {most}: {known}.")


WHO = "WHO 2020, ISBN 978-92-4-001512-8"

EFFORT_RULES = (
    Rule(
        id="ex.late",
        strength=Strength.HARD,
        statement="Hard effort ends long before sleep; only lighter movement later.",
        number="at least 4 h",
        citation="Leota 2025, doi 10.1038/s41467-025-58271-x (observational)",
        applies="a hard effort is planned",
        explain=early_enough(_hard, EFFORT_BEFORE_BED, "hard effort"),
        violations=too_late(_hard, EFFORT_BEFORE_BED),
    ),
    Rule(
        id="effort.one",
        strength=Strength.HARD,
        statement="At most one hard effort in a day; none when readiness is low or unknown.",
        number="1; none within 48 h of another when readiness is not high",
        citation=OURS,
        applies="always",
        explain=_effort_kept,
        violations=_too_hard,
    ),
    Rule(
        id="cond.sick",
        strength=Strength.HARD,
        statement="Ill: no exertion, rest and fluids, earlier bed. Injured: no load, no impact.",
        number="the whole day; 48 h free of fever before exertion",
        citation=f"{OURS}; fever: ottawaheart.ca (secondary source)",
        applies="the person says that they are ill, injured or tired",
        explain=_condition_kept,
        violations=_not_for_the_unwell,
    ),
    Rule(
        id="red.flags",
        strength=Strength.HARD,
        statement="Repeated readings outside the range: no exertion, and a word about a professional. Never a diagnosis.",
        number="SpO2 <= 94 %; resting heart rate > 100; blood pressure > 180/120; fever and 48 h after it; each at least twice",
        citation="NHS wording at gpdirect.co.uk; AHA/ACC 2025; ottawaheart.ca (secondary sources); ACSM 10th ed.",
        applies="two successive readings agree, or the person's own words name such a sign",
        explain=_flags_kept,
        violations=_exerting,
    ),
    Rule(
        id="ex.hrv",
        strength=Strength.SOFT,
        statement="Low heart rate variability or readiness makes an easy day.",
        number="7-day mean against up to 28 days, half a standard deviation (secondary source), 3 values; Sahha's own state",
        citation="Plews 2014, PMID 24334285",
        applies="readiness or heart rate variability is known",
        explain=_easy_day,
    ),
    Rule(
        id="ex.week",
        strength=Strength.SOFT,
        statement="A week holds enough movement.",
        number="150-300 moderate or 75-150 vigorous minutes",
        citation=WHO,
        applies="minutes of activity are known for at least 4 of the last 7 days",
        explain=_week_moved,
    ),
    Rule(
        id="ex.str",
        strength=Strength.SOFT,
        statement="A week holds strength work, and balance work from 65 on.",
        number="strength on 2 days, balance on 3",
        citation=WHO,
        applies="training is possible",
        explain=_strength_kept,
    ),
    Rule(
        id="load",
        strength=Strength.SOFT,
        statement="Few demanding tasks in a day: effort, or focus over 20 minutes.",
        number="by completion of the last week: < 50 % 2; < 75 % 4; >= 75 % 6",
        citation=OURS,
        applies="always",
        explain=_loaded,
    ),
)
