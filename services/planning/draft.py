"""The deterministic planner: tasks chosen by value and put where they fit best.

Greedy choice with a local improvement afterwards reaches about what an optimising solver does on such days, in milliseconds
(planning-rules.md, section "Planner design evidence"). Same situation, same draft.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from zlib import crc32

from services.domain.routine import TaskType
from services.planning.counts import PER_BLOCK, demanding_allowed, wanted
from services.planning.day_plan import DayPlan, Situation
from services.planning.digest import Energy, Need
from services.planning.library import LIBRARY
from services.planning.library.template import Anchor, Effort, TaskTemplate
from services.planning.limits import admissible
from services.planning.skeleton import EVENING, MORNING, PEAK, SLUMP, WIND_DOWN
from services.planning.timeline import Slot, Timeline
from services.planning.wording import Choice, write_day

ANSWERS_A_NEED = 0.4
STRAINS_A_TIRED_PERSON = 0.5
VARIETY = 0.15
"""The most that the calendar day moves a task's value, so that not all days are alike."""
SAME_TYPE_IN_BLOCK = 2
ONE_IN_BLOCK = frozenset({TaskType.SOCIAL})
FILLED_FIRST = (MORNING, WIND_DOWN, SLUMP, EVENING, PEAK)
"""Where a task goes first when there are fewer than two for each block."""


def draft(situation: Situation) -> DayPlan:
    """A day that keeps the rules by construction; the verifier has the last word."""
    timeline = Timeline(situation)
    quotas = _quotas(situation, timeline)
    candidates = sorted(
        (template for template in LIBRARY if admissible(template, situation)),
        key=lambda template: (not template.anchor, -value(template, situation), template.key),
    )
    _choose(candidates, quotas, timeline, situation)
    _choose(candidates, _second_chances(quotas, timeline, situation), timeline, situation)
    _improve(timeline, situation)
    slots = sorted(timeline.placed.values(), key=lambda slot: slot.start)
    return write_day([Choice(slot, value(slot.template, situation)) for slot in slots], situation)


def value(template: TaskTemplate, situation: Situation) -> float:
    """How much a task is worth to this person on this day: archetype, needs, and a little variety from day to day."""
    worth = template.weights[situation.inputs.archetype]
    worth += ANSWERS_A_NEED * len(template.suits & situation.digest.needs)
    if template.effort >= Effort.MODERATE and (Need.REST in situation.digest.needs or situation.careful):
        worth -= STRAINS_A_TIRED_PERSON
    return worth + VARIETY * (crc32(f"{situation.inputs.date}/{template.key}".encode()) % 1000) / 1000


def _quotas(situation: Situation, timeline: Timeline) -> list[int]:
    """How many tasks each block should get: more where there is more room, two to five in a whole one."""
    frames, total = situation.frames, wanted(situation)
    room = [timeline.free_minutes(frame) for frame in frames]
    most = [min(PER_BLOCK[1], minutes // 15) for minutes in room]
    quotas = [0] * len(frames)
    order = sorted(range(len(frames)), key=lambda index: FILLED_FIRST.index(frames[index].kind))
    for level in range(1, PER_BLOCK[0] + 1):
        for index in order:
            if sum(quotas) < total and quotas[index] < min(level, most[index]):
                quotas[index] += 1
    while sum(quotas) < total:
        open_blocks = [index for index in order if quotas[index] < most[index]]
        if not open_blocks:
            break
        quotas[max(open_blocks, key=lambda index: room[index] / (quotas[index] + 1))] += 1
    return quotas


def _second_chances(quotas: list[int], timeline: Timeline, situation: Situation) -> list[int]:
    """Quotas for what could not be placed where it was wanted: any block up to its most."""
    placed = Counter(slot.frame for slot in timeline.placed.values())
    short = sum(quotas) - sum(placed.values())
    return [min(PER_BLOCK[1], placed[index] + short) if short > 0 else placed[index] for index in range(len(situation.frames))]


def _choose(candidates: Sequence[TaskTemplate], quotas: list[int], timeline: Timeline, situation: Situation) -> None:
    """Puts the most valuable tasks that still fit into blocks with quota left, until as many as wanted are placed."""
    total = wanted(situation)
    demanding = demanding_allowed(situation)
    for template in candidates:
        placed = [slot.template for slot in timeline.placed.values()]
        if len(placed) >= total:
            return
        if template in placed or (template.role is not None and any(other.role == template.role for other in placed)):
            continue
        if template.demanding and sum(other.demanding for other in placed) >= demanding:
            continue
        slot = _place(template, quotas, timeline, situation)
        if slot is not None:
            timeline.put(slot)


def _place(template: TaskTemplate, quotas: list[int], timeline: Timeline, situation: Situation) -> Slot | None:
    per_block = Counter(slot.frame for slot in timeline.placed.values())
    alike = Counter(slot.frame for slot in timeline.placed.values() if slot.template.type is template.type)
    most_alike = 1 if template.type in ONE_IN_BLOCK else SAME_TYPE_IN_BLOCK
    frames = {
        index: frame
        for index, frame in enumerate(situation.frames)
        if per_block[index] < quotas[index] and (template.anchor or alike[index] < most_alike)
    }
    for minutes in dict.fromkeys((_minutes(template, situation), template.minutes[0])):
        slot = timeline.best(template, minutes, frames)
        if slot is not None:
            return slot
    return None


def _minutes(template: TaskTemplate, situation: Situation) -> int:
    """A task's length: what is demanding shorter and rest longer for a tired person, the former longer for a rested one."""
    least, most = template.minutes
    middle = (least + most) // 2 // 5 * 5
    energy = situation.digest.energy
    if template.demanding:
        return least if energy is Energy.LOW or situation.careful else most if energy is Energy.HIGH else middle
    return most if Need.REST in template.suits and energy is Energy.LOW else middle


def _improve(timeline: Timeline, situation: Situation) -> None:
    """Moves each task within its block to a better place that others have left free meanwhile."""
    for key in sorted(timeline.placed, key=lambda key: (timeline.placed[key].start, key)):
        if timeline.placed[key].template.meal or timeline.placed[key].template.window.anchor is Anchor.AFTER_MEAL:
            continue
        held = timeline.take_back(key)
        minutes = int((held.end - held.start) / timedelta(minutes=1))
        better = timeline.best(held.template, minutes, {held.frame: situation.frames[held.frame]})
        timeline.put(better if better is not None and better.misfit < held.misfit else held)
