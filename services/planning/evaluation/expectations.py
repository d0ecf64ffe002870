"""What can be expected of a plan, in words and as a predicate."""

from datetime import datetime, time, timedelta
from itertools import pairwise

from services.domain.routine import CheckVerdict, Plan, TaskType
from services.domain.schedule import instant
from services.planning.day_plan import PlannedTask
from services.planning.evaluation.case import Expectation
from services.planning.goals import Goal
from services.planning.library.template import Caffeine, Effort
from services.planning.planner import PlannedDay
from services.planning.rules import RULES, Strength
from services.planning.tone import Tone, tone


def words_of(plan: Plan) -> str:
    """All that a plan says, in one text."""
    parts = [plan.summary, plan.safety_notice or ""]
    for block in plan.time_blocks:
        parts += [block.purpose, block.why_it_matters or ""]
        parts += [f"{task.title} {task.description}" for task in block.tasks]
    return "\n".join((*parts, *(check.detail for check in plan.checks), *(change.because for change in plan.changes)))


def _hardest(day: PlannedDay) -> Effort:
    return max((task.template.effort for task in day.day.open_tasks), default=Effort.NONE)


def effort_at_most(effort: Effort) -> Expectation:
    return Expectation(f"no effort above {effort.name.lower()}", lambda day: _hardest(day) <= effort)


def effort_reaches(effort: Effort) -> Expectation:
    return Expectation(f"an effort of {effort.name.lower()}", lambda day: _hardest(day) >= effort)


NO_EXERTION = Expectation(
    "no exertion at all",
    lambda day: all(
        task.template.effort is Effort.NONE and task.template.type is not TaskType.EXERCISE for task in day.day.open_tasks
    ),
)
NOTICE = Expectation("a notice that names a professional", lambda day: "profession" in _notice(day) or "doctor" in _notice(day))
NO_NOTICE = Expectation("no notice", lambda day: day.plan.safety_notice is None)
DIAGNOSES = ("disease", "disorder", "hypertens", "apnea", "infection", "syndrome")
NEVER_A_DIAGNOSIS = Expectation(
    "no diagnosis in any word",
    lambda day: (
        not any(word in words_of(day.plan).lower() for word in ("disease", "disorder", "hypertens", "apnea", "infection"))
    ),
)
NO_FIGURE = Expectation("no figure in the summary", lambda day: not any(letter.isdigit() for letter in day.plan.summary))
NO_PRAISE = Expectation("no praise", lambda day: not any(word in day.plan.summary for word in ("good", "well", "great")))
NO_EVIDENCE = Expectation("nothing cited", lambda day: not any(task.evidence for task in day.plan.tasks))
SOME_EVIDENCE = Expectation("readings are cited", lambda day: any(task.evidence for task in day.plan.tasks))
NO_COFFEE = Expectation("no caffeine", lambda day: all(task.template.caffeine is Caffeine.NONE for task in day.day.open_tasks))
EMPTY = Expectation("no task where there is no room", lambda day: not day.plan.tasks)
HAS_TASKS = Expectation("at least one task", lambda day: bool(day.plan.tasks))


def _notice(day: PlannedDay) -> str:
    return day.plan.safety_notice or ""


def says(text: str) -> Expectation:
    return Expectation(f"says “{text}”", lambda day: text.lower() in words_of(day.plan).lower())


def says_nowhere(*texts: str) -> Expectation:
    name = ", ".join(f"“{text[:24]}”" for text in texts)
    return Expectation(f"repeats nowhere {name}", lambda day: not any(text in words_of(day.plan) for text in texts))


def in_the_tone(expected: Tone) -> Expectation:
    return Expectation(f"speaks as on a {expected.value.lower()} day", lambda day: tone(day.situation) is expected)


def has(key: str) -> Expectation:
    return Expectation(f"has {key}", lambda day: any(task.template.key == key for task in day.day.tasks))


def has_role(role: str) -> Expectation:
    return Expectation(f"has a {role}", lambda day: _of_role(day, role) is not None)


def lacks_role(role: str) -> Expectation:
    return Expectation(f"plans no {role}", lambda day: _of_role(day, role) is None)


def _of_role(day: PlannedDay, role: str) -> PlannedTask | None:
    return next((task for task in day.day.tasks if task.template.role == role), None)


def lacks_type(*kinds: TaskType) -> Expectation:
    names = " and ".join(kind.value.lower() for kind in kinds)
    return Expectation(f"holds no {names}", lambda day: all(task.type not in kinds for task in day.plan.tasks))


def serves(goal: Goal, least: int) -> Expectation:
    return Expectation(
        f"at least {least} tasks for {goal.value}",
        lambda day: sum(goal in task.template.goals for task in day.day.tasks) >= least,
    )


def count_between(least: int, most: int) -> Expectation:
    return Expectation(f"{least} to {most} tasks", lambda day: least <= len(day.day.to_come(day.situation.open_from)) <= most)


def role_between(role: str, first: time, last: time, *, next_day: bool = False) -> Expectation:
    """A task of that role starts and ends between two wall-clock times of the day, or of the day after it."""

    def holds(day: PlannedDay) -> bool:
        task, inputs = _of_role(day, role), day.situation.inputs
        date = inputs.date + timedelta(days=next_day)
        span = [instant(date, moment, day.situation.tz) for moment in (first, last)]
        return task is not None and span[0] <= task.start < task.end <= span[1]

    return Expectation(f"{role} between {first:%H:%M} and {last:%H:%M}", holds)


def lights_out_by(latest: time, *, next_day: bool = False) -> Expectation:
    def holds(day: PlannedDay) -> bool:
        date = day.situation.inputs.date + timedelta(days=next_day)
        return day.situation.hours.lights_out <= instant(date, latest, day.situation.tz)

    return Expectation(f"lights out by {latest:%H:%M}", holds)


def free_between(first: time, last: time) -> Expectation:
    """Nothing lies between two wall-clock times of the day."""

    def holds(day: PlannedDay) -> bool:
        start, end = (instant(day.situation.inputs.date, moment, day.situation.tz) for moment in (first, last))
        return not any(task.start_time < end and start < task.end_time for task in day.plan.tasks)

    return Expectation(f"free from {first:%H:%M} to {last:%H:%M}", holds)


def waking_hours(hours: float) -> Expectation:
    """Real hours from waking to lights out, whatever the clock does in between."""
    return Expectation(f"{hours:g} real hours awake", lambda day: day.situation.waking == timedelta(hours=hours))


def night_hours_at_least(hours: float) -> Expectation:
    return Expectation(
        f"room for {hours:g} h of night",
        lambda day: day.situation.hours.night >= timedelta(hours=hours) or day.situation.hours.late,
    )


def starts_after(moment: datetime) -> Expectation:
    return Expectation(
        "nothing new in the past",
        lambda day: all(task.start >= moment + timedelta(minutes=2) for task in day.day.open_tasks),
    )


def check_is(rule: str, verdict: CheckVerdict) -> Expectation:
    return Expectation(
        f"{rule} {verdict.value}", lambda day: any(check.rule == rule and check.verdict is verdict for check in day.plan.checks)
    )


def keeps(previous: Plan, *ids: str) -> Expectation:
    """These tasks are in the new plan to the last letter."""
    held = [task for task in previous.tasks if task.id in ids]
    return Expectation("what is done stays exactly", lambda day: all(task in day.plan.tasks for task in held))


def changed(kind: str, title: str) -> Expectation:
    return Expectation(
        f"{kind.lower()}: {title}",
        lambda day: any(change.kind.value == kind and title in change.task_title for change in day.plan.changes),
    )


UNTOUCHED = Expectation("no change at all", lambda day: day.plan.changes == ())


def _sound(day: PlannedDay) -> bool:
    hard = (rule for rule in RULES if rule.strength is Strength.HARD)
    return not any(rule.violations(day.day, day.situation) for rule in hard)


def _in_the_day(day: PlannedDay) -> bool:
    hours = day.situation.hours
    inside = all(hours.day.start <= task.start < task.end <= hours.lights_out for task in day.day.open_tasks)
    tasks = sorted(day.plan.tasks, key=lambda task: task.start_time)
    return inside and all(one.end_time <= other.start_time for one, other in pairwise(tasks))


def _ids_once(day: PlannedDay) -> bool:
    ids = [task.id for task in day.plan.tasks] + [block.id for block in day.plan.time_blocks]
    return len(ids) == len(set(ids))


ALWAYS = (
    Expectation("all hard rules", _sound),
    Expectation("inside the local day, no overlaps", _in_the_day),
    Expectation("each id once", _ids_once),
    Expectation("a verdict for each rule", lambda day: {rule.id for rule in RULES} <= {check.rule for check in day.plan.checks}),
    NEVER_A_DIAGNOSIS,
)
"""Expected of every plan."""
