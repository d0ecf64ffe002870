"""What a model is told of a day: the facts of its digest and the slots of its blocks, in the wall-clock times of the person."""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping

from services.domain.freshness import parse_instant
from services.domain.schedule import local_time
from services.domain.writing import BlockBrief, Figure, SlotBrief, TaskOption, WritingBrief
from services.planning.day_plan import DayPlan, PlannedBlock, PlannedTask, Situation
from services.planning.facts import Fact
from services.planning.wording import UNITS, plain_text, quoted, same_value, sentence, title
from services.planning.writer_options import OpenSlot

LONGEST_GOAL = 500


def writing_brief(
    day: DayPlan,
    slots: Mapping[str, tuple[OpenSlot, ...]],
    complaints: Mapping[str, Iterable[str]],
    situation: Situation,
) -> WritingBrief:
    """The brief for the blocks named in `complaints`, each with what was wrong with it before."""
    digest, inputs = situation.digest, situation.inputs
    return WritingBrief(
        archetype=inputs.archetype.value,
        energy=situation.energy.value,
        needs=tuple(sorted(need.value for need in situation.needs)),
        condition=inputs.condition.value,
        last_night_incomplete=situation.careful,
        missing=digest.missing,
        figures=tuple(_figure(fact, situation) for fact in digest.facts.values()),
        goal=_goal(inputs.preferences.goal),
        blocks=tuple(
            _block(block, slots[block.kind.title], complaints[block.kind.title], situation)
            for block in day.blocks
            if block.kind.title in complaints
        ),
    )


def _block(block: PlannedBlock, slots: tuple[OpenSlot, ...], complaints: Iterable[str], situation: Situation) -> BlockBrief:
    return BlockBrief(
        block=block.kind.title,
        energy_zone=block.kind.zone.value,
        slots=tuple(_slot(slot, situation) for slot in slots),
        complaints=tuple(complaints),
    )


def _slot(slot: OpenSlot, situation: Situation) -> SlotBrief:
    task = slot.task
    return SlotBrief(
        id=slot.id,
        start=f"{local_time(task.start, situation.tz):%H:%M}",
        end=f"{local_time(task.end, situation.tz):%H:%M}",
        minutes=task.minutes,
        type=task.template.type.value,
        options=tuple(_option(option, situation) for option in slot.options),
    )


def _option(task: PlannedTask, situation: Situation) -> TaskOption:
    template = task.template
    return TaskOption(
        key=template.key,
        title=title(template, task.start, task.end, situation),
        text=plain_text(template, task.minutes),
        figures=tuple(fact.key.value for fact in _cited(task, situation)),
    )


def _cited(task: PlannedTask, situation: Situation) -> Iterator[Fact]:
    """The facts that a task rests on."""
    values = {same_value(item) for item in task.evidence}
    return (fact for fact in situation.digest.facts.values() if same_value(fact.evidence) in values)


def _figure(fact: Fact, situation: Situation) -> Figure:
    moment = parse_instant(fact.evidence.value) if ":" in fact.evidence.value else None
    unit = fact.evidence.unit
    return Figure(
        name=fact.key.value,
        value=quoted(fact) if moment is None else f"{local_time(moment, situation.tz):%H:%M}",
        unit=None if unit is None or moment is not None else UNITS.get(unit, unit),
        state=fact.state,
        sentence=sentence(fact, situation),
    )


def _goal(goal: str | None) -> str | None:
    """A person's own words on one line, without characters that are not seen."""
    if goal is None:
        return None
    seen = "".join(" " if unicodedata.category(character).startswith(("C", "Z")) else character for character in goal)
    return " ".join(seen.split())[:LONGEST_GOAL] or None
