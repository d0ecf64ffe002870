"""The words of a plan: library texts, and one sentence on a reading where a choice rests on it.

A number in a task's words is quoted from its evidence, its own time, its library entry or a rule (rule text.numbers); the words
of blocks hold none.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.domain.freshness import parse_instant
from services.domain.health import Biomarker
from services.domain.routine import Evidence, Priority
from services.domain.schedule import local_time
from services.planning.day_plan import DayPlan, PlannedBlock, PlannedTask, Situation
from services.planning.facts import Fact, FactKey
from services.planning.library.template import TaskTemplate
from services.planning.limits import overlaps, within_hours
from services.planning.skeleton import Frame
from services.planning.timeline import Slot
from services.planning.tone import purpose, why

MOST_EVIDENCE = 2
"""Values cited for one task."""
RUNNING_DAY = frozenset({FactKey.STEPS_TODAY, FactKey.ACTIVE_TODAY})
RUNNING_DAY_FROM_HOUR = 11
"""Local hour from which on the running day's counts are worth citing."""
PLAIN_NUMBER = re.compile(r"^-?\d+(\.\d{1,3})?$")

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
    FactKey.MENTAL_SCORE: "Your mental wellbeing score is {shown}{state}.",
    FactKey.STEPS: "Steps counted {day}: {shown}.",
    FactKey.STEPS_TODAY: "Steps counted {day}: {shown}.",
    FactKey.SITTING: "Minutes sitting {day}: {shown}.",
    FactKey.ACTIVE_MINUTES: "Active minutes {day}: {shown}.",
    FactKey.ACTIVE_TODAY: "Active minutes {day}: {shown}.",
    FactKey.DEEP_SLEEP: "Deep sleep {night}: {shown} {unit}.",
    FactKey.REM_SLEEP: "REM sleep {night}: {shown} {unit}.",
    FactKey.AWAKE_AT_NIGHT: "You lay awake for {shown} {unit} {night}.",
    FactKey.SLEEP_EFFICIENCY: "Your sleep efficiency {night} was {shown}.",
    FactKey.RESPIRATORY_RATE: "Your breathing rate was last {shown}.",
    FactKey.SKIN_TEMPERATURE: "Your skin temperature was last {shown}.",
    FactKey.BLOOD_OXYGEN: "Your blood oxygen was last {shown}.",
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
    """The blocks in words, with what a replan keeps. A reading is spelled out where it is first cited, and once."""
    told = _told(situation.kept, situation)
    return lay_out([write_task(choice, situation, told) for choice in choices], situation)


def lay_out(tasks: Sequence[PlannedTask], situation: Situation) -> DayPlan:
    """Tasks and what a replan keeps, each in the block that it lies in. What lies in none is left out."""
    by_start = sorted((*situation.kept, *tasks), key=lambda task: (task.start, task.template.key))
    return DayPlan(
        tuple(
            write_block(frame, tuple(task for task in by_start if lies_in(task, frame)), situation) for frame in situation.frames
        )
    )


def lies_in(task: PlannedTask, frame: Frame) -> bool:
    """Whether a task belongs into a block: what is kept by its start alone, for it may outlast the block of a shorter day."""
    return frame.start <= task.start and (task.end <= frame.end or (task.kept is not None and task.start < frame.end))


def write_block(frame: Frame, tasks: tuple[PlannedTask, ...], situation: Situation) -> PlannedBlock:
    """A block with the purpose that suits the day; one that a replan keeps has the words it had."""
    if frame.kept is not None:
        held = frame.kept
        return PlannedBlock(frame.kind, frame.start, frame.end, held.purpose, held.why_it_matters, tasks, held)
    meant = purpose(frame.kind, situation)
    if not tasks:
        meant = FULL if overlaps(frame.start, frame.end, situation.events) else FREE
    return PlannedBlock(frame.kind, frame.start, frame.end, meant, why(frame.kind, situation), tasks)


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
    try:
        exact = float(stored)
    except ValueError:
        return stored
    return f"{round(exact, 2):g}" if abs(exact) < 10_000 else f"{exact:.0f}"


def _unit(fact: Fact) -> str:
    unit = fact.evidence.unit or ""
    return UNITS.get(unit, unit)


def _clock(fact: Fact, situation: Situation) -> str:
    moment = parse_instant(fact.evidence.value)
    return "" if moment is None else f"{local_time(moment, situation.tz):%H:%M}"


def write_task(choice: Choice, situation: Situation, told: set[FactKey] | None = None) -> PlannedTask:
    """A placed entry with its words and evidence. Readings in `told` are spelled out already; what is spelled out is added."""
    told = set() if told is None else told
    slot, template = choice.slot, choice.slot.template
    facts = list(_cited(template, situation))
    task = PlannedTask(
        template=template,
        start=slot.start,
        end=slot.end,
        title=title(template, slot.start, slot.end, situation),
        description="",
        priority=_priority(choice, situation),
        evidence=tuple(fact.evidence for fact in facts),
    )
    before = situation.before.get(template.key)
    if before is not None and _says_the_same(task, before.start_time, before.end_time, before.evidence):
        # Words that rest on the same values at the same time stand, whoever wrote them.
        told |= {fact.key for fact in facts if sentence(fact, situation) in before.description}
        return replace(task, title=before.title, description=before.description)
    words = plain_text(template, task.minutes)
    untold = next((fact for fact in facts if fact.key not in told), None)
    if untold is not None:
        told.add(untold.key)
        words = f"{sentence(untold, situation)} {words}"
    return replace(task, description=words)


def _told(tasks: Sequence[PlannedTask], situation: Situation) -> set[FactKey]:
    """The readings that these tasks spell out already."""
    return {
        fact.key
        for fact in situation.digest.facts.values()
        if any(sentence(fact, situation) in task.description for task in tasks)
    }


def _says_the_same(task: PlannedTask, start: datetime, end: datetime, evidence: tuple[Evidence, ...]) -> bool:
    return (task.start, task.end) == (start, end) and [same_value(item) for item in task.evidence] == [
        same_value(item) for item in evidence
    ]


def same_value(item: Evidence) -> tuple[object, ...]:
    """A cited value without where it was read from and when."""
    return item.kind, item.type, item.value, item.unit, item.measured_at


def title(template: TaskTemplate, start: datetime, end: datetime, situation: Situation) -> str:
    """The entry's title, or its other one where the wall clock makes the usual one odd."""
    if template.off_hours is None or template.usual_hours is None:
        return template.title
    usual = within_hours(start, end, template.usual_hours, situation)
    return template.title if usual else template.off_hours


def _cited(template: TaskTemplate, situation: Situation) -> Iterator[Fact]:
    """The values that a task rests on. A morning's first steps say nothing about the day yet."""
    early = situation.hours.day.local_time(situation.inputs.ready_at).hour < RUNNING_DAY_FROM_HOUR
    facts = situation.digest.facts
    known = [facts[key] for key in template.facts if key in facts and not (early and key in RUNNING_DAY)]
    return iter(known[:MOST_EVIDENCE])


def _priority(choice: Choice, situation: Situation) -> Priority:
    template = choice.slot.template
    answers = template.suits & situation.needs or template.goals & situation.goals or template.conditions
    if template.anchor or answers:
        return Priority.HIGH if template.anchor or choice.value >= 1 else Priority.MEDIUM
    return Priority.MEDIUM if choice.value >= 0.75 else Priority.LOW
