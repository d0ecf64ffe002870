"""The words of a plan: library texts, and one sentence on a reading where a choice rests on it.

A number in a task's words is quoted from its evidence, its own time, its library entry or a rule (rule text.numbers); the words
of blocks hold none.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from services.domain.freshness import parse_instant
from services.domain.health import Biomarker
from services.domain.routine import Priority
from services.domain.schedule import local_time
from services.planning.day_plan import DayPlan, PlannedBlock, PlannedTask, Situation
from services.planning.digest import Energy, Fact, FactKey
from services.planning.library.template import TaskTemplate
from services.planning.limits import overlaps, within_hours
from services.planning.skeleton import EVENING, MORNING, PEAK, SLUMP, WIND_DOWN, BlockKind, Frame
from services.planning.timeline import Slot

MOST_EVIDENCE = 2
"""Values cited for one task."""
PLAIN_NUMBER = re.compile(r"^-?\d+(\.\d{1,3})?$")

PURPOSES: dict[BlockKind, tuple[str, str]] = {
    MORNING: (
        "Arrive in the day: light, water, food and a first bit of movement.",
        "What you do after waking sets your body clock and the tone of the hours that follow.",
    ),
    PEAK: (
        "Use your clearest hours for what matters most.",
        "A few hours after waking, attention is at its best for most people.",
    ),
    SLUMP: (
        "Eat, move a little and let the dip pass.",
        "Energy falls in the middle of the day whatever you do; a pause works better than pushing on.",
    ),
    EVENING: (
        "Move, finish what is open and have dinner in good time.",
        "Effort and big meals sit better here than shortly before bed.",
    ),
    WIND_DOWN: (
        "Slow down step by step until lights out.",
        "Dim light, quiet and a steady bedtime make it easier to fall asleep.",
    ),
}

TIRED_PURPOSES: dict[BlockKind, str] = {
    MORNING: "Start gently: light, water and food before anything else.",
    PEAK: "Do the one thing that matters and leave the rest; your readings ask for an easier day.",
    SLUMP: "Rest on purpose: this is where a tired day is won back.",
    EVENING: "Keep it light and let the day end early.",
    WIND_DOWN: "Go to bed early: sleep is what helps most today.",
}

SENTENCES: dict[FactKey, str] = {
    FactKey.NIGHT_DURATION: "You {slept} {shown} {unit} {night}.",
    FactKey.NIGHT_START: "You fell asleep at {clock} {night}.",
    FactKey.NIGHT_END: "You woke at {clock} {waking}.",
    FactKey.SLEEP_DEBT: "Your sleep debt stands at {shown} {unit}.",
    FactKey.SLEEP_REGULARITY: "Your sleep regularity is {shown}.",
    FactKey.READINESS: "Your readiness score is {shown}{state}.",
    FactKey.SLEEP_SCORE: "Your sleep score is {shown}{state}.",
    FactKey.ACTIVITY_SCORE: "Your activity score is {shown}{state}.",
    FactKey.WELLBEING_SCORE: "Your wellbeing score is {shown}{state}.",
    FactKey.STEPS: "Steps counted {day}: {shown}.",
    FactKey.SITTING: "Minutes sitting {day}: {shown}.",
    FactKey.RESTING_HEART_RATE: "Your resting heart rate was last {shown} {unit}.",
    FactKey.HEART_RATE_VARIABILITY: "Your heart rate variability was last {shown} {unit}.",
}

UNITS = {"hour": "hours", "minute": "minutes", "millisecond": "ms"}
"""Sahha's units in words; any other is shown as received."""

FULL = "Your own appointments fill this part of the day, so nothing is added to it."
FREE = "Left free: what is left of the day is short, and not every part of it needs a task."


@dataclass(frozen=True, slots=True)
class Choice:
    """A placed library entry and what it is worth today."""

    slot: Slot
    value: float


def write_day(choices: Sequence[Choice], situation: Situation) -> DayPlan:
    """The blocks in words. A reading is spelled out where it is first cited and stays evidence where it is cited again."""
    told: set[FactKey] = set()
    tasks = [(choice.slot.frame, _task(choice, situation, told)) for choice in choices]
    blocks = []
    for index, frame in enumerate(situation.frames):
        blocks.append(write_block(frame, tuple(task for at, task in tasks if at == index), situation))
    return DayPlan(tuple(blocks))


def write_block(frame: Frame, tasks: tuple[PlannedTask, ...], situation: Situation) -> PlannedBlock:
    """A block with the purpose that suits the day."""
    purpose, why = PURPOSES[frame.kind]
    if situation.digest.energy is Energy.LOW:
        purpose = TIRED_PURPOSES[frame.kind]
    if not tasks:
        purpose = FULL if overlaps(frame.start, frame.end, situation.events) else FREE
    return PlannedBlock(frame.kind, frame.start, frame.end, purpose, why, tasks)


def plain_text(template: TaskTemplate, minutes: int) -> str:
    """The library's own words, without any reading."""
    return template.text.replace("{minutes}", str(minutes))


def sentence(fact: Fact, situation: Situation) -> str:
    """One sentence that quotes a reading and says which day it is of."""
    today = situation.inputs.date == situation.today
    this_day = today and fact.day == situation.today
    yesterday = today and fact.day == situation.today - timedelta(days=1)
    in_bed = isinstance(fact.row, Biomarker) and fact.row.type == "sleep_in_bed_duration"
    return SENTENCES[fact.key].format(
        shown=quoted(fact),
        clock=_clock(fact, situation),
        unit=_unit(fact),
        state=f" ({fact.state})" if fact.state else "",
        night="last night" if this_day else "in your last recorded night",
        waking="today" if this_day else "after your last recorded night",
        day="so far today" if this_day else "yesterday" if yesterday else "on your last recorded day",
        slept="were in bed for" if in_bed else "slept",
    )


def quoted(fact: Fact) -> str:
    """A value as it is shown: as stored where that is a short number, else rounded to two decimals."""
    stored = fact.evidence.value
    if PLAIN_NUMBER.match(stored) or fact.number is None:
        return stored
    return f"{round(fact.number, 2):g}" if abs(fact.number) < 10_000 else f"{fact.number:.0f}"


def _unit(fact: Fact) -> str:
    unit = fact.evidence.unit or ""
    return UNITS.get(unit, unit)


def _clock(fact: Fact, situation: Situation) -> str:
    moment = parse_instant(fact.evidence.value)
    return "" if moment is None else f"{local_time(moment, situation.tz):%H:%M}"


def _task(choice: Choice, situation: Situation, told: set[FactKey]) -> PlannedTask:
    slot, template = choice.slot, choice.slot.template
    facts = list(_cited(template, situation))
    minutes = int((slot.end - slot.start) / timedelta(minutes=1))
    words = plain_text(template, minutes)
    untold = next((fact for fact in facts if fact.key not in told), None)
    if untold is not None:
        told.add(untold.key)
        words = f"{sentence(untold, situation)} {words}"
    return PlannedTask(
        template=template,
        start=slot.start,
        end=slot.end,
        title=title(template, slot, situation),
        description=words,
        priority=_priority(choice, situation),
        evidence=tuple(fact.evidence for fact in facts),
    )


def title(template: TaskTemplate, slot: Slot, situation: Situation) -> str:
    """The entry's title, or its other one where the wall clock makes the usual one odd."""
    if template.off_hours is None or template.usual_hours is None:
        return template.title
    usual = within_hours(slot.start, slot.end, template.usual_hours, situation)
    return template.title if usual else template.off_hours


def _cited(template: TaskTemplate, situation: Situation) -> Iterator[Fact]:
    known = [situation.digest.facts[key] for key in template.facts if key in situation.digest.facts]
    return iter(known[:MOST_EVIDENCE])


def _priority(choice: Choice, situation: Situation) -> Priority:
    template = choice.slot.template
    if template.anchor or template.suits & situation.digest.needs:
        return Priority.HIGH if template.anchor or choice.value >= 1 else Priority.MEDIUM
    return Priority.MEDIUM if choice.value >= 0.75 else Priority.LOW
