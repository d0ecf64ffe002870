"""Rules on time: the day's hours, its blocks, and the night after it."""

from datetime import timedelta

from services.domain.routine import TaskType
from services.domain.schedule import floor_to_grid
from services.planning.alertness import BEST_SHARE, rank
from services.planning.counts import LEAST, count_range
from services.planning.day_plan import DayPlan, PlannedTask, Situation
from services.planning.hours import Origin
from services.planning.limits import overlaps, place_fits
from services.planning.recovery import Energy
from services.planning.rules.rule import (
    OURS,
    Rule,
    Strength,
    Verdict,
    Violation,
    blame,
    not_applicable,
    passed,
    repaired,
    spoken,
)
from services.planning.skeleton import BLOCKS
from services.planning.wording import lay_out


def _misplaced(plan: DayPlan, situation: Situation) -> list[Violation]:
    found = []
    ends_by = floor_to_grid(situation.hours.lights_out)
    for block, task in plan.placed():
        if task.kept is not None:
            continue
        if not task.start < task.end or task.end - task.start > timedelta(minutes=task.template.minutes[1]):
            found.append(blame(task, "does not last as long as it should"))
        elif any(floor_to_grid(moment) != moment for moment in (task.start, task.end)):
            found.append(blame(task, "is not on the 5-minute grid"))
        elif task.start < situation.hours.day.start or task.end > ends_by:
            found.append(blame(task, "lies outside your waking hours"))
        elif task.start < block.start or task.end > block.end:
            found.append(blame(task, "lies outside its block"))
        elif overlaps(task.start, task.end, situation.events):
            found.append(blame(task, "falls into one of your appointments"))
        elif not place_fits(task.template, task.start, task.end, situation):
            found.append(blame(task, "does not belong into your working hours, or out of them"))
    return found + _overlapping(plan.tasks)


def _overlapping(tasks: tuple[PlannedTask, ...]) -> list[Violation]:
    """Of two tasks that overlap, or that come twice, the later one is to blame; what a replan keeps never is."""
    found: list[Violation] = []
    standing: list[PlannedTask] = []
    for task in sorted(tasks, key=lambda task: (task.kept is None, task.start, task.template.key)):
        twice = any(task.template.key == other.template.key for other in standing)
        role = task.template.role
        alike = role is not None and any(role == other.template.role for other in standing)
        at_once = any(task.start < other.end and other.start < task.end for other in standing)
        if task.kept is None and (twice or at_once):
            found.append(blame(task, "overlaps with another task"))
        elif task.kept is None and alike:
            found.append(blame(task, "is a second one of its kind"))
        else:
            standing.append(task)
    return found


def _time_kept(_plan: DayPlan, situation: Situation) -> Verdict:
    day = situation.hours.day
    span = f"{day.local_time(day.start):%H:%M} to {day.local_time(situation.hours.lights_out):%H:%M}"
    events = " Your appointments are left free." if situation.events else ""
    return passed(f"No overlaps, everything between waking and lights out ({span}).{events}")


def _too_early(plan: DayPlan, situation: Situation) -> list[Violation]:
    return [blame(task, "would begin before the plan is ready") for task in plan.open_tasks if task.start < situation.open_from]


def _ready_kept(_plan: DayPlan, situation: Situation) -> Verdict:
    if situation.open_from <= situation.hours.day.start:
        return not_applicable("The day had not begun when the plan was made.")
    opening = situation.hours.day.local_time(situation.open_from)
    return passed(f"Nothing begins before {opening:%H:%M}, the first moment at which you can follow the plan.")


def _frames_broken(plan: DayPlan, situation: Situation) -> list[Violation]:
    titles = [kind.title for kind in BLOCKS]
    order = [titles.index(block.kind.title) for block in plan.blocks]
    if order != sorted(set(order)):
        return [Violation("The blocks were not in their order.")]
    if any(not block.start < block.end for block in plan.blocks):
        return [Violation("A block had no time in it.")]
    if any(block.end != after.start for block, after in zip(plan.blocks, plan.blocks[1:], strict=False)):
        return [Violation("The blocks did not follow each other.")]
    day = situation.hours.day
    # A block in which something was done before the new waking begins before it.
    opening = min((max(day.start, situation.open_from), *(frame.start for frame in situation.frames if frame.kept is None)))
    closing = max((day.end, *(frame.end for frame in situation.frames)))
    if any((block.start < opening and block.kept is None) or block.end > closing for block in plan.blocks):
        return [Violation("A block lay outside what is left of the day.")]
    return []


def _reframe(plan: DayPlan, _violation: Violation, situation: Situation) -> DayPlan:
    """The blocks are laid anew, each with the tasks that lie in it."""
    return lay_out(plan.open_tasks, situation)


def _blocks_kept(plan: DayPlan, _situation: Situation) -> Verdict:
    if not plan.blocks:
        return not_applicable("No block of this day has time left in it.")
    return passed("In order and without gaps: " + ", ".join(block.kind.title for block in plan.blocks) + ".")


def _night_too_short(_plan: DayPlan, situation: Situation) -> list[Violation]:
    hours = situation.hours
    if hours.night >= hours.need or hours.late:
        return []
    return [Violation("The night after this day would be too short.")]


def _night_is_settled(plan: DayPlan, _violation: Violation, _situation: Situation) -> DayPlan:
    """Lights out is moved before anything is planned; a plan that still breaks it never leaves."""
    return plan


def _night_kept(_plan: DayPlan, situation: Situation) -> Verdict:
    hours = situation.hours
    lights_out, next_wake = (hours.day.local_time(moment) for moment in (hours.lights_out, hours.next_wake))
    night = f"Lights out at {lights_out:%H:%M} leaves {spoken(hours.night)} until you wake at {next_wake:%H:%M}"
    if hours.night < hours.need:
        return not_applicable(f"It is late already: bedtime is as soon as it can be. {night}; {spoken(hours.need)} are advised.")
    if hours.next_wake - hours.asked_end >= hours.need:
        return passed(f"{night}; at least {spoken(hours.need)} are recommended.")
    asked = f"{hours.day.local_time(hours.asked_end):%H:%M}"
    if hours.sleep_from is Origin.PREFERENCE:
        return repaired(
            f"Your own bedtime of {asked} leaves {spoken(hours.next_wake - hours.asked_end)}. It stays the end of your day, "
            f"but nothing is planned after {lights_out:%H:%M}, so that {spoken(hours.night)} are possible."
        )
    return repaired(f"A bedtime of {asked} ({hours.sleep_from.value}) would leave too little, so it was moved. {night}.")


def _regular(_plan: DayPlan, situation: Situation) -> Verdict:
    hours, usual_bed = situation.hours, situation.digest.usual_bed
    if usual_bed is None:
        return not_applicable("Too few nights are known to tell what is usual for you.")
    if hours.sleep_from is not Origin.HABIT:
        return not_applicable(f"You usually fall asleep at {usual_bed.clock_time:%H:%M}; the times asked for come first.")
    if hours.moved <= timedelta(hours=1):
        return passed(f"Bedtime is within an hour of your usual {usual_bed.clock_time:%H:%M}.")
    return not_applicable(
        f"Bedtime is {spoken(hours.moved)} before your usual {usual_bed.clock_time:%H:%M}: a long enough night comes first."
    )


def _caught_up(_plan: DayPlan, situation: Situation) -> Verdict:
    if situation.energy is not Energy.LOW:
        return not_applicable("Nothing that is known of you calls for catching up on sleep.")
    if situation.hours.moved >= timedelta(minutes=30):
        return passed(f"Lights go out {spoken(situation.hours.moved)} earlier than they otherwise would.")
    return not_applicable("The night is long enough already, or the hour is too late to move it.")


def _counted(plan: DayPlan, situation: Situation) -> Verdict:
    least, most = count_range(situation)
    count = len(plan.to_come(situation.open_from))
    if situation.left < LEAST:
        return not_applicable("Less than half an hour of the day is left.")
    if least <= count <= most:
        return passed(
            f"{count} tasks; for your archetype and the {spoken(situation.left)} left of the day {least} to {most} are meant."
        )
    return not_applicable(f"{count} tasks where {least} to {most} are meant: {_why_not(count, least, situation)}.")


def _why_not(count: int, least: int, situation: Situation) -> str:
    if count >= least:
        return "the day holds more than meant"
    if situation.inputs.preferences.avoid_task_types:
        return "what you want to avoid, and your appointments and working hours, leave nothing else to plan"
    if situation.inputs.previous is not None:
        return "blocks that run already stay as they are, and what is left has no room for more"
    if situation.forbids_exertion:
        return "a day without exertion holds less"
    return "your appointments and working hours leave no room for more"


def _alert(plan: DayPlan, situation: Situation) -> Verdict:
    """Demanding work in the alert part of the day (rule energy)."""
    thinking = [
        task for task in plan.open_tasks if task.template.demanding and task.template.type in {TaskType.FOCUS, TaskType.WORK}
    ]
    if not thinking:
        return not_applicable("No long stretch of focus is planned.")
    dull = [task for task in thinking if rank(task.start, situation.hours) > BEST_SHARE]
    if not dull:
        return passed("Long focus lies in the more alert part of the day.")
    return not_applicable(f"“{dull[0].title}” lies outside the most alert hours: working hours or appointments come first.")


HOURS_RULES = (
    Rule(
        id="sleep.len",
        strength=Strength.HARD,
        statement="Time in bed is at least what the age needs.",
        number="18-64: 7-9 h; 65+: 7-8 h; 14-17: 8-10 h",
        citation="National Sleep Foundation 2015, doi 10.1016/j.sleh.2014.12.010",
        applies="always",
        explain=_night_kept,
        violations=_night_too_short,
        repair=_night_is_settled,
    ),
    Rule(
        id="time",
        strength=Strength.HARD,
        statement="No overlap, everything between waking and lights out, in real minutes of the time zone.",
        number="5-minute grid; a calendar day is 23, 23.5, 24 or 25 h",
        citation=OURS,
        applies="always",
        explain=_time_kept,
        violations=_misplaced,
    ),
    Rule(
        id="time.ready",
        strength=Strength.HARD,
        statement="Nothing of today's plan starts before the plan is ready.",
        number="ready time + 2 min, rounded up to 5 min",
        citation=OURS,
        applies="the day has begun",
        explain=_ready_kept,
        violations=_too_early,
    ),
    Rule(
        id="blocks",
        strength=Strength.HARD,
        statement="Of the five named blocks only those with time left in them, in order.",
        number="0-5",
        citation=OURS,
        applies="always",
        explain=_blocks_kept,
        violations=_frames_broken,
        repair=_reframe,
    ),
    Rule(
        id="count",
        strength=Strength.SOFT,
        statement="As many tasks as suit the archetype and the hours left.",
        number="7-9 to 14-18 on a full day, by archetype",
        citation=OURS,
        applies="half an hour or more is left",
        explain=_counted,
    ),
    Rule(
        id="sleep.reg",
        strength=Strength.SOFT,
        statement="Bed and wake times stay near what is usual.",
        number="at most 30-60 min of drift (our choice)",
        citation="Sletten 2023, doi 10.1016/j.sleh.2023.07.016",
        applies="at least 3 nights are known",
        explain=_regular,
    ),
    Rule(
        id="sleep.debt",
        strength=Strength.SOFT,
        statement="Lost sleep is caught up on.",
        number="1-2 h on free days",
        citation="National Sleep Foundation 2023, thensf.org/sleep-schedules-sleep-timing-guideline",
        applies="energy is low",
        explain=_caught_up,
    ),
    Rule(
        id="energy",
        strength=Strength.SOFT,
        statement="Long focus lies where alertness is highest by the two-process model.",
        number="time constants 18.2 h awake, 4.2 h asleep; amplitudes and the midday dip are ours",
        citation="npj Biological Timing and Sleep, s44323-025-00039-z, fig. 1",
        applies="focus of more than 20 minutes is planned",
        explain=_alert,
    ),
)
